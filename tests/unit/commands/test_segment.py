"""Where a place is in a stored message, in bytes."""

from __future__ import annotations

import pytest

from casecart.commands.segment import Segments

HEADER = b"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20261103101500||DFT^P03|M1|P|2.5.1\r"


def cut(body: bytes, place: str, override: str | None = None) -> bytes | None:
    """The bytes that a place is told to have."""
    found = Segments(body, override).at(place)
    return None if found is None else body[found.offset : found.offset + found.length]


@pytest.mark.parametrize(
    ("body", "place", "segment"),
    [
        (HEADER + b"FT1|1|A\rFT1|2|B\r", "FT1[1]", b"FT1|1|A"),
        (HEADER + b"FT1|1|A\rNTE|1\rFT1|2|B", "FT1[2]", b"FT1|2|B"),
        (HEADER.replace(b"\r", b"\r\n") + b"FT1|1|A\r\nFT1|2|B\r\n", "FT1[2]", b"FT1|2|B"),
        (b"\xef\xbb\xbf" + HEADER + b"FT1|1|A\r", "FT1[1]", b"FT1|1|A"),
        (b"\r\n" + HEADER + b"\rFT1|1|A\r", "FT1[1]", b"FT1|1|A"),
        (HEADER + b"NTE|1||gr\xc3\xbc\xc3\x9fe\rFT1|1|A\r", "FT1[1]", b"FT1|1|A"),
        (HEADER + b"NTE|1||gr\xfc\xdfe\rFT1|1|A\xfc\r", "FT1[1]", b"FT1|1|A\xfc"),
        (HEADER + b"FT1|1|A\nthe rest of A\r\nFT1|2|B\r\n", "FT1[1]", b"FT1|1|A\nthe rest of A"),
        (HEADER + b"FT1|1|A\nthe rest of A\r\nFT1|2|B\r\n", "FT1[2]", b"FT1|2|B"),
        (HEADER + b"FT1|1|A\r", "FT1[2]", None),
        (HEADER + b"FT1|1|A\r", "FT1", None),
        (b"no message at all", "FT1[1]", None),
        (b"", "FT1[1]", None),
    ],
)
def test_a_place_is_told_by_the_bytes_of_its_segment(body: bytes, place: str, segment: bytes | None) -> None:
    assert cut(body, place) == segment


@pytest.mark.parametrize(
    ("charset", "text"), [("shift_jis", "表示"), ("gb18030", "手术"), ("cp1251", "винт"), ("euc_kr", "나사")]
)
def test_bytes_are_counted_in_the_character_set_that_the_peer_has(charset: str, text: str) -> None:
    last = f"FT1|2|{text}".encode(charset)
    body = HEADER + f"NTE|1||{text}\rFT1|1|{text}\r".encode(charset) + last + b"\r"
    assert cut(body, "FT1[2]", charset) == last


def test_where_bytes_cannot_be_told_for_certain_they_are_not_told() -> None:
    # A shift to the set that is in use already: nobody writes the text like this again.
    odd = b"NTE|1||\x1b$B\x1b$B$\x22\x1b(B\r"
    body = HEADER + b"FT1|1|A\r" + odd + b"FT1|2|B\r"
    assert (cut(body, "FT1[1]", "ISO IR87"), cut(body, "FT1[2]", "ISO IR87")) == (b"FT1|1|A", None)


def test_a_segment_is_numbered_among_all_and_named_as_a_mapping_names_it() -> None:
    found = Segments(HEADER + b"PID|1\rFT1|1\rNTE|1\rFT1|2\r", None).at("FT1[2]")
    assert found is not None
    assert (found.path, found.number) == ("message:FT1[2]", 5)
