"""The whole message: lossless, and every part reachable by its number."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.hl7v2 import Delimiters, Refused, escape, parse

DFT = (
    "MSH|^~\\&|ORSYS|NORTH|||20240315||DFT^P03|1|P|2.8.2\r"
    "PID|1||123^^^NORTH&1.2.3&ISO^MR~456^^^OTHER||DOE^JANE\r"
    "PV1|1|I\r"
    'FT1|1|T1||20240315||CG|A\\T\\B||""|2\r'
    "OBX|1|ST|74711-3||=/A9999&,1\r"
    "FT1|2|T2||20240315||CG|C||||\r"
    "ZPA|local\r"
    "DG1|1\r"
)

PUNCTUATION = "".join(chr(code) for code in range(0x21, 0x7F) if not chr(code).isalnum())


# The leaves of a field, by repetition, component and subcomponent.
Leaves = list[list[list[str]]]


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, list[list[Leaves]], Delimiters]:
    """A message with any delimiters, and the fields of its segments that it was written from."""
    delimiters = Delimiters(*draw(st.permutations(PUNCTUATION))[: draw(st.sampled_from([5, 6]))])
    field, component, repetition, _, subcomponent, _ = delimiters
    leaf = st.text() | st.text(PUNCTUATION + "FSTREXaé\n")
    components = st.lists(leaf, min_size=1, max_size=3)
    repetitions = st.lists(components, min_size=1, max_size=3)
    fields_of_any_kind = st.lists(repetitions, min_size=1, max_size=3)
    segments = draw(st.lists(st.lists(fields_of_any_kind, max_size=3), max_size=4))
    text = f"MSH{field}{delimiters.encoding_characters}{field}A\r"
    for fields in segments:
        written = [
            repetition.join(component.join(subcomponent.join(escape(s, delimiters) for s in c) for c in r) for r in f)
            for f in fields
        ]
        text += field.join(["ZZZ", *written]) + "\r"
    return text, segments, delimiters


def test_every_part_is_reached_by_its_number() -> None:
    message = parse(DFT)
    pid = message.segment("PID")
    assert pid is not None
    identifiers = pid.field(3)
    assert identifiers.text == "123^^^NORTH&1.2.3&ISO^MR~456^^^OTHER"
    assert identifiers.repetition(2).text == "456^^^OTHER"
    assert identifiers.repetition().component(4).text == "NORTH&1.2.3&ISO"
    assert identifiers.repetition().component(4).subcomponent(3).text == "ISO"
    assert len(identifiers.repetitions) == 2
    assert [component.text for component in pid.field(5).repetition().components] == ["DOE", "JANE"]


def test_absent_parts_are_empty() -> None:
    message = parse(DFT)
    pv1 = message.segment("PV1")
    assert pv1 is not None
    assert pv1.field(19).repetition(2).component(3).subcomponent(4).text == ""
    assert message.segment("PV1", 2) is None
    assert message.segment("AL1") is None


def test_hl7_counts_from_one() -> None:
    pv1 = parse(DFT).segments[2]
    with pytest.raises(ValueError, match="from 1"):
        pv1.field(0)
    with pytest.raises(ValueError, match="from 1"):
        pv1.field(1).repetition(0)


def test_the_header_counts_its_separator_as_a_field_and_never_splits_it() -> None:
    msh = parse(DFT).segments[0]
    assert msh.field(1).text == "|"
    assert [part.text for part in msh.field(2).repetition().components] == ["^~\\&"]
    assert msh.field(2).value == "^~\\&"
    assert msh.field(3).text == "ORSYS"
    assert msh.field(9).repetition().component(2).text == "P03"
    assert len(msh.fields) == 12


def test_values_are_decoded_and_texts_are_not() -> None:
    charge = parse(DFT).segments[3]
    assert (charge.field(7).text, charge.field(7).value) == (r"A\T\B", "A&B")


def test_an_unescaped_ampersand_is_kept_in_the_whole_component() -> None:
    observation = parse(DFT).segments[4]
    assert observation.field(5).repetition().component().value == "=/A9999&,1"


def test_groups_are_split_from_the_message_by_position() -> None:
    own, groups = parse(DFT).groups("FT1")
    assert [segment.name for segment in own] == ["MSH", "PID", "PV1", "DG1"]
    assert [[segment.name for segment in group] for group in groups] == [["FT1", "OBX"], ["FT1", "ZPA"]]


def test_a_line_that_is_no_segment_has_no_name() -> None:
    message = parse(DFT + "of a note\r")
    assert message.segments[-1].name == ""
    assert [note.code for note in message.notes] == ["not-a-segment"]


def test_a_line_feed_in_a_field_is_part_of_its_value() -> None:
    message = parse("MSH|^~\\&|A\r\nNTE|1||one\r\ntwo\r\n")
    assert message.segments[1].field(3).value == "one\ntwo"
    assert message.write() == "MSH|^~\\&|A\r\nNTE|1||one\r\ntwo\r\n"


def test_delimiters_that_were_read_as_meant_are_noted() -> None:
    message = parse("MSH|^~\\\\&|A\rPID|a^b\r")
    assert [note.code for note in message.notes] == ["delimiters"]
    assert message.segments[0].field(2).text == "^~\\\\&"


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(Refused):
        parse("PID|1")


@settings(deadline=None)
@given(messages())
def test_what_was_written_is_read(written: tuple[str, list[list[Leaves]], Delimiters]) -> None:
    text, segments, delimiters = written
    message = parse(text)
    assert message.write() == text
    assert message.delimiters == delimiters
    assert [
        [[[[s.value for s in c.subcomponents] for c in r.components] for r in f.repetitions] for f in segment.fields]
        for segment in message.segments[1:]
    ] == segments


@settings(deadline=None)
@given(st.text() | st.text("MSHPID1|^~\\&\r\n \0\ufeff"))
def test_any_text_is_refused_or_comes_out_as_it_went_in(text: str) -> None:
    for start in ("", "MSH|^~\\&|", "MSH|^~\\&|A\r"):
        try:
            message = parse(start + text)
        except Refused:
            continue
        assert message.write() == start + text
        for segment in message.segments:
            for field in segment.fields:
                assert field.value is not None
