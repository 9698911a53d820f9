"""The partition of a message: found in its bytes, the same for the same value."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.formats.hl7v2 import parse, read_header
from casecart.listeners.partition import Partition
from support.listening import message

OTHERWISE = 999


def partition_of(body: bytes, *paths: str) -> int:
    return Partition(paths or ("PV1-19.1", "PID-3.1")).of(body, read_header(body), OTHERWISE)


def number(value: str) -> int:
    return crc32(value.encode()) % 64


PV1 = "PV1|1|I|||||||||||||||||"


@pytest.mark.parametrize(
    ("segments", "value"),
    [
        (["PID|1||MRN1", PV1 + "V1"], "V1"),
        (["PID|1||MRN1", PV1 + "V1^^^NORTH"], "V1"),
        (["PID|1||MRN1", PV1 + " V1 ~V2"], "V1"),
        (["PID|1||MRN1", PV1 + ""], "MRN1"),  # no visit: the patient
        (["PID|1||MRN1", PV1 + '""'], "MRN1"),  # deleted is none
        (["PID|1||MRN1", "PV1|1|I"], "MRN1"),  # PV1 is too short
        (["PID|1||^^^NORTH~MRN2", PV1 + ""], None),  # only the first repetition counts
        (["PID|1", "ZPV1|PV1|x"], None),  # another segment, and its name in a field
        ([PV1 + "V1", PV1 + "V2"], "V1"),  # the first of several
    ],
)
def test_the_first_path_that_has_a_value_decides(segments: list[str], value: str | None) -> None:
    assert partition_of(message(segments=segments)) == (OTHERWISE if value is None else number(value))


def test_line_feeds_and_other_separators_make_no_difference() -> None:
    body = message(segments=["PID|1||MRN1", PV1 + "V1^X", "FT1|1"])
    assert partition_of(body.replace(b"\r", b"\r\n")) == number("V1")
    assert partition_of(body.replace(b"\r", b"\n")) == number("V1")
    assert partition_of(body.replace(b"|", b"#").replace(b"^", b"*")) == number("V1")


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_segment_that_is_too_short_is_not_continued_in_the_next_one(end: bytes) -> None:
    body = message(segments=["PV1|1|I", "PID|1||MRN1", "FT1|1" + "|X" * 30]).replace(b"\r", end)
    assert partition_of(body) == number("MRN1")


@pytest.mark.parametrize("end", [b"\r", b"\n"])
def test_a_line_feed_in_a_field_before_it_makes_no_difference(end: bytes) -> None:
    body = message(segments=["PID|1||MRN1", "PV1|1|I|WARD 7\nICU, bed 2|" + "|" * 15 + "V1", "FT1|1"])
    assert partition_of(body.replace(b"\r", end)) == number("V1")


def test_any_component_of_any_field_can_decide() -> None:
    body = message(segments=["FT1|1|a^b^c"])
    assert partition_of(body, "FT1-2.3") == number("c")
    assert partition_of(body, "FT1-2.4") == OTHERWISE
    assert partition_of(body, "FT1-2") == number("a")


@given(
    fields=st.lists(st.text("AB^~&\\ 1", max_size=5), min_size=1, max_size=25),
    field=st.integers(1, 22),
    component=st.integers(1, 3),
    end=st.sampled_from(["\r", "\n", "\r\n"]),
)
def test_the_value_is_what_a_full_parse_finds(fields: list[str], field: int, component: int, end: str) -> None:
    text = message(segments=["PID|1", "|".join(["PV1", *fields]), "FT1" + "|X" * 25]).decode().replace("\r", end)
    body = text.encode()
    segment = parse(text).segment("PV1")
    assert segment is not None
    found = segment.field(field).repetition(1).component(component).text.strip()
    assert partition_of(body, f"PV1-{field}.{component}") == (number(found) if found else OTHERWISE)
