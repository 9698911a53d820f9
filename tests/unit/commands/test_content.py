"""What is shown of a message's body, and what is not."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.commands.content import LONGEST_VALUE, MOST_SEGMENTS, body_of, masked, structure_of

HEADER = b"MSH|^~\\&|ORSYS|NORTH|||20261103||DFT^P03|MSG00001|P|2.8.2\r"


@given(st.text())
@settings(deadline=None)
def test_a_masked_text_has_no_letter_and_no_digit_of_its_own(text: str) -> None:
    assert set(masked(text)) <= {"x", "9", *string.punctuation, *map(chr, range(33)), "\x7f"}
    assert len(masked(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("MRN000042^^^MERCY^MR", "xxx999999^^^xxxxx^xx"),  # separators stay, so that the structure can be seen
        ("Müller", "xxxxxx"),  # letters of every script
        ("٣٤", "99"),  # digits of every script
        ("ाे", "xx"),  # vowel signs are neither letter nor digit to Python, and say as much
        ("½ 山", "x x"),
    ],
)
def test_every_script_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_the_structure_says_which_fields_have_a_value() -> None:
    structure = structure_of(HEADER + b"PID|1||MRN42^^^MERCY||DOE^JANE\rFT1|1\rFT1|2\r", None)
    pid, first, second = structure.segments[1:]
    assert (pid.name, [field.number for field in pid.fields]) == ("PID", [1, 3, 5])
    assert pid.fields[1].masked == "xxx99^^^xxxxx"
    assert (first.occurrence, second.occurrence) == (1, 2)
    assert structure.problem == ""


def test_a_long_value_is_cut_and_its_length_told() -> None:
    (field,) = structure_of(HEADER + b"OBX|" + b"A" * 5_000 + b"\r", None).segments[1].fields
    assert (len(field.masked), field.length) == (LONGEST_VALUE, 5_000)


def test_a_message_of_very_many_segments_is_shown_by_its_first() -> None:
    structure = structure_of(HEADER + b"NTE|1\r" * 2_000, None)
    assert len(structure.segments) == MOST_SEGMENTS
    assert structure.segments_left_out == 2_001 - MOST_SEGMENTS


@pytest.mark.parametrize("body", [b"", b"GET / HTTP/1.1\r\n", b"\x00\xff\xfe", b"MSH", b"MSH|^"])
def test_bytes_that_are_no_message_are_told_by_their_problem(body: bytes) -> None:
    structure = structure_of(body, None)
    assert structure.segments == []
    assert structure.problem


@given(st.binary())
@settings(deadline=None)
def test_any_bytes_have_a_structure_and_a_text(body: bytes) -> None:
    structure_of(body, None)
    shown = body_of(body, None)
    assert shown.text.encode(shown.charset) == body


def test_the_body_is_read_as_its_header_says() -> None:
    body = HEADER.rstrip(b"\r") + b"||||||8859/1\rPID|||||M\xfcLLER\r"
    assert body_of(body, None).text.endswith("MüLLER\r")
    assert body_of(body, None).charset == "iso8859-1"
