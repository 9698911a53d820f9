"""Parts of messages: what is one, and that parts give the message again that was cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.hl7v2 import (
    Fragment,
    Refused,
    join_fragments,
    join_segments,
    may_continue,
    read_fragment,
    read_header,
)


def header(follows: str = "") -> str:
    return f"MSH|^~\\&|ORSYS|NORTH|CC|MERCY|2026||DFT^P03|1|P|2.5||{follows}".rstrip("|") + "\r"


def read(text: str) -> Fragment | None:
    body = text.encode()
    found = read_header(body)
    return read_fragment(body, found) if may_continue(body) or found.continuation_pointer else None


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (header() + "FT1|1\rDSC|P1|F\r", ("", "P1")),
        (header() + "FT1|1\rDSC|P1\r", ("", "P1")),
        (header() + "FT1|1\nDSC| P1 |f\n", ("", "P1")),
        (header() + "FT1|1\rADD\rDSC|P1|F\r", ("", "P1")),
        (header("P1") + "ADD|more\rDSC|P2|F\r", ("P1", "P2")),
        (header("P1") + "FT1|2\r", ("P1", "")),
        (header("P1") + "FT1|2\rDSC||\r", ("P1", "")),  # the last says that nothing follows
        # Whole messages.
        (header('""') + "FT1|2\r", None),
        (header() + "FT1|1|DSC\rNTE|1||ADD|a DSC|x\r", None),
        (header() + "FT1|1\rDSC\r", None),
        (header() + "FT1|1\rDSC||F\r", None),
        (header() + "OBX|1|TX|||a\rADD|b\r", None),
        (header() + "ADDX|1\rDSCY|1\r", None),
    ],
)
def test_a_part_says_where_it_stands(text: str, fragment: tuple[str, str] | None) -> None:
    assert read(text) == fragment


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (header() + "DSC|P1|F\rFT1|1\r", "not the last"),
        (header() + "FT1|1\rDSC|P1|I\r", "not F"),  # interactive: for queries
        (header("P1") + "FT1|1\rDSC|P1|F\r", "same as MSH-14"),
        (header() + "FT1|1\rADD\r", "no DSC-1"),
        (header("P1") + "FT1|1\rADD\n", "no DSC-1"),
        (header() + f"DSC|{'P' * 181}\r", "longer than 180"),
        (header("P" * 181) + "FT1|1\r", "longer than 180"),
    ],
)
def test_a_part_whose_place_can_not_be_told_is_refused(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        read(text)
    assert caught.value.code == "continued"


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([header() + "FT1|1\rDSC|P|F\r", header("P") + "FT1|2\r"], header() + "FT1|1\rFT1|2\r"),
        # A field goes on in the next part.
        (
            [header() + "OBX|1|TX|||on\rADD\rDSC|P\r", header("P") + "ADD|going|F\r"],
            header() + "OBX|1|TX|||ongoing|F\r",
        ),
        ([header() + "OBX|1|TX|||on\rDSC|P\r", header("P") + "ADD|go\rADD|ing\r"], header() + "OBX|1|TX|||ongoing\r"),
        # The last CR of a part is forgotten; line ends are kept as they are.
        ([header() + "FT1|1\rDSC|P", header("P") + "FT1|2"], header() + "FT1|1\rFT1|2\r"),
        ([header() + "NTE|1||a\nb\rDSC|P\r", header("P") + "FT1|2\r\n"], header() + "NTE|1||a\nb\rFT1|2\r\n"),
    ],
)
def test_parts_make_the_message(parts: list[str], whole: str) -> None:
    assert join_fragments(part.encode() for part in parts).replace(b"|||||\r", b"\r") == whole.encode()


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("MSH|^~\\&\rOBX|1|TX|||on\rADD|go\rADD|ing\rFT1|1\r", "MSH|^~\\&\rOBX|1|TX|||ongoing\rFT1|1\r"),
        ("MSH|^~\\&\rOBX|1\rADD|a|b\r", "MSH|^~\\&\rOBX|1a|b\r"),  # by characters: it may bring fields
        ("MSH|^~\\&\rADD|x\rFT1|1\r", "MSH|^~\\&\rADD|x\rFT1|1\r"),  # the header is not continued
        ("MSH|^~\\&\rOBX|1\rADDX|1\r", "MSH|^~\\&\rOBX|1\rADDX|1\r"),
    ],
)
def test_a_segment_goes_on_in_add(text: str, joined: str) -> None:
    assert join_segments(text) == joined


TEXTS = st.text("abc|^~&é\\", min_size=3, max_size=30)
PIECES = ["DSC|", "ADD|", "ADD", "P1", "|", "F", "\r", "\n", "MSH|", "FT1|1"]


@settings(max_examples=200)
@given(segments=st.lists(TEXTS, min_size=1, max_size=5), data=st.data())
def test_a_message_that_is_cut_between_any_characters_comes_out_whole(segments: list[str], data: st.DataObject) -> None:
    body = "".join(f"OBX|{text}\r" for text in segments)
    cuts = sorted(data.draw(st.sets(st.integers(5, len(body) - 1), max_size=4)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    parts = []
    inside = False
    for number, piece in enumerate(pieces):
        text = header(f"P{number}" if number else "") + ("ADD|" + piece if inside else piece)
        inside = not piece.endswith("\r") and number < len(pieces) - 1
        ending = "\rADD\r" if inside else ""
        parts.append(text + ending + (f"DSC|P{number + 1}|F\r" if number < len(pieces) - 1 else ""))
    whole = join_fragments(part.encode() for part in parts).decode()
    assert whole.split("\r", 1)[1] == body
    for number, part in enumerate(parts):
        expected = (f"P{number}" if number else "", f"P{number + 1}" if number < len(parts) - 1 else "")
        assert len(parts) == 1 or read(part) == expected


@settings(max_examples=200)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12))
def test_any_text_is_a_part_a_message_or_refused(pieces: list[str]) -> None:
    text = header() + "".join(pieces)
    try:
        found = read(text)
    except Refused:
        return
    assert found is None or found.follows or found.pointer
    assert join_fragments([text.encode()]).startswith(b"MSH|")
