"""What HL7 v2 defines, by version."""

from __future__ import annotations

import gzip

import pytest

from casecart.formats.hl7v2.dictionary import VERSIONS, dictionary
from support.hl7_dictionary import TABLE, made_anew


def test_the_table_is_what_its_source_says() -> None:
    assert gzip.decompress(TABLE.read_bytes()).decode() == made_anew()


def test_the_table_is_small() -> None:
    assert TABLE.stat().st_size < 32_000


@pytest.mark.parametrize(
    ("version", "segment", "last"),
    [("2.1", "PID", 20), ("2.5.1", "FT1", 31), ("2.8.2", "FT1", 43), ("2.8.1", "PRT", 15), ("2.8.2", "PRT", 22)],
)
def test_a_segment_ends_with_the_field_that_its_version_says(version: str, segment: str, last: int) -> None:
    assert len(dictionary(version).fields(segment)) == last


def test_a_field_has_its_type_says_whether_it_repeats_and_has_none_where_it_was_withdrawn() -> None:
    fields = dictionary("2.8.2").fields("PID")
    assert (fields[2].type, fields[2].repeats) == ("CX", True)
    assert (fields[0].type, fields[0].repeats) == ("SI", False)
    assert (fields[1].type, dictionary("2.5").fields("PID")[1].type) == ("", "CX")


def test_a_data_type_has_components_or_is_one_value() -> None:
    assert [len(dictionary(version).components("CWE")) for version in ("2.5", "2.8.2")] == [9, 22]
    assert dictionary("2.8.2").components("ST") == ()


@pytest.mark.parametrize(
    ("code", "event", "has", "lacks"),
    [
        ("DFT", "P03", "FT1", "RXA"),
        ("ADT", "A04", "PV1", "FT1"),  # an event without a structure of its own
        ("ADT", "*", "MRG", "FT1"),
        ("MFN", "M16", "ITM", "PID"),
    ],
)
def test_a_message_holds_the_segments_of_its_groups(code: str, event: str, has: str, lacks: str) -> None:
    held = dictionary("2.8.2").held_by(code, event)
    assert held is not None
    assert has in held
    assert lacks not in held


def test_of_a_message_that_is_not_there_nothing_is_known() -> None:
    assert dictionary("2.8.2").held_by("ZZZ", "Z01") is None
    with pytest.raises(KeyError):
        dictionary("2.9")


def test_every_version_has_its_segments() -> None:
    assert all({"MSH", "PID", "OBX"} <= {*dictionary(version).segments} for version in VERSIONS)
