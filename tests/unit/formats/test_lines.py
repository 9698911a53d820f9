"""Lines: where a message is cut into segments, and what is repaired there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.hl7v2 import repair
from casecart.formats.hl7v2.lines import read_lines

MSH = "MSH|^~\\&|A"


def codes(text: str) -> list[str]:
    return [note.code for note in read_lines(text)[2]]


def test_a_message_as_it_should_be_is_left_as_it_is() -> None:
    text = f"{MSH}\rPID|1\r"
    assert repair(text) is text
    assert codes(text) == []


@pytest.mark.parametrize(
    ("text", "repaired", "noted"),
    [
        (f"{MSH}\nPID|1\n", f"{MSH}\rPID|1\r", ["line-ends"]),
        (f"{MSH}\r\nPID|1\r\n", f"{MSH}\rPID|1\r", ["line-ends"]),
        (f"{MSH}\r\n\r\nPID|1", f"{MSH}\rPID|1\r", ["line-ends"]),
        (f"\ufeff{MSH}\rPID|1\r", f"{MSH}\rPID|1\r", ["leading-bytes"]),
        (f"ï»¿{MSH}\rPID|1\r", f"{MSH}\rPID|1\r", ["leading-bytes"]),  # that mark, decoded as Windows-1252
        (f"\r\n {MSH}\rPID|1\r", f"{MSH}\rPID|1\r", ["leading-bytes"]),
        # A line feed in a field: the line after it is no segment.
        (f"{MSH}\rNTE|1||one\ntwo|x\rPID|1\r", f"{MSH}\rNTE|1||one\ntwo|x\rPID|1\r", ["joined-line"]),
        (f"{MSH}\r\nNTE|1||one\r\n\r\ntwo\r\n", f"{MSH}\rNTE|1||one\n\ntwo\r", ["joined-line", "line-ends"]),
        # A carriage return in a field can't be known from a segment's end.
        (f"{MSH}\rNTE|1||one\rtwo\r\n", f"{MSH}\rNTE|1||one\rtwo\r", ["not-a-segment", "line-ends"]),
        # White space at the very end is no text.
        (f"{MSH}\r\nPID|1\r\n ", f"{MSH}\rPID|1\r", ["line-ends"]),
        # Behind a name alone there is no field that the line feed could be in.
        (f"{MSH}\nNTE\n|two\n", f"{MSH}\rNTE\r|two\r", ["not-a-segment", "line-ends"]),
        # A name without fields is a segment.
        (f"{MSH}\nEVN\nPID|1\n", f"{MSH}\rEVN\rPID|1\r", ["line-ends"]),
    ],
)
def test_repairs_are_made_and_noted(text: str, repaired: str, noted: list[str]) -> None:
    assert repair(text) == repaired
    assert codes(text) == noted


@settings(deadline=None)
@given(st.text(max_size=20) | st.text("MSHPID1|^\r\n \0\ufeff"))
def test_nothing_is_lost_in_any_text(text: str) -> None:
    for start in ("", "MSH|^~\\&|"):
        prefix, lines, _ = read_lines(start + text)
        assert prefix + "".join(line.text + line.terminator for line in lines) == start + text


@settings(deadline=None)
@given(st.text("MSHPID1|^\r\n \0\ufeff"))
def test_a_repaired_message_needs_no_repair_but_for_line_feeds_in_fields(text: str) -> None:
    once = repair("MSH|^~\\&|" + text)
    assert repair(once) == once
    assert "\r\n" not in once


@pytest.mark.timeout(20)
def test_a_field_with_very_many_line_feeds_takes_time_by_its_length_only() -> None:
    # By the square of it, this would take minutes.
    text = "note\n" * 400_000
    prefix, lines, _ = read_lines(f"{MSH}\nNTE|1||{text}")
    assert (prefix, len(lines), lines[1].content) == ("", 2, f"NTE|1||{text[:-1]}")
