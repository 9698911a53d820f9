"""Whether several places say the same of one device."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from casecart.formats.udi import Told, agree, told
from unit.formats.udi.codes import ambiguous, udi

DI = "00643169001763"
CODE = told(udi(f"(01){DI}(17)160712(10)A1(21)21a"), "PRT-10")


def against(field: str, value: str) -> list[str]:
    other: dict[str, Any] = {field: value}
    return [found.field for found in agree(CODE, Told(place="PRT", **other))]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("di", DI),
        ("di", "643169001763"),  # GTIN-12
        ("di", "0643169001763"),  # GTIN-13
        ("di", f"(01){DI}"),
        ("di", f"01{DI}"),
        ("di", ""),  # says nothing
        ("di", '""'),  # HL7's deletion says nothing of the value
        ("lot", "A1"),
        ("lot", " A1 "),
        ("serial", "21a"),
        # HL7 v2 DTM, its precision from year to zone
        ("expiry", "20160712"),
        ("expiry", "201607"),
        ("expiry", "2016"),
        ("expiry", "20160712235959.0000-0500"),
        ("expiry", "201607122359+0100"),
        ("expiry", "2016-07-12"),
        ("expiry", "2016-07-12T23:59:00Z"),
        ("expiry", "2016-07"),
        ("expiry", "160712"),  # as in the code
        ("expiry", "160700"),
        ("manufactured", "20150101"),  # the code says nothing of it
    ],
)
def test_what_means_the_same_agrees(field: str, value: str) -> None:
    assert against(field, value) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("di", "00844588003288"),
        ("di", "10643169001760"),  # the same item in a box
        ("di", "X999123ABC0"),
        ("lot", "a1"),  # cases count
        ("lot", "0A1"),
        ("serial", "21A"),
        ("expiry", "20160713"),
        ("expiry", "201608"),
        ("expiry", "2017"),
        ("expiry", "19160712"),
        ("expiry", "170712"),
        ("expiry", "20161301"),  # no date
        ("expiry", "soon"),
    ],
)
def test_what_means_something_else_contradicts(field: str, value: str) -> None:
    assert against(field, value) == [field]


def test_a_month_agrees_with_every_day_of_it() -> None:
    month = told(udi(f"(01){DI}(17)160700"), "PRT-10")
    assert agree(month, Told(place="PRT-18", expiry="20160701")) == ()
    assert agree(month, Told(place="PRT-18", expiry=date(2016, 7, 31))) == ()
    assert len(agree(month, Told(place="PRT-18", expiry="20160801"))) == 1
    # but two days in it do not agree with each other
    days = [Told(place=f"OBX {day}", expiry=f"201607{day}") for day in ("01", "31")]
    assert len(agree(month, *days)) == 1


@pytest.mark.parametrize(
    ("text", "other"),
    [
        # reference §6.3: 18 and 6 characters, filled with zeros on the left
        ("=/A9999XYZ100T0944&,1000000000000XYZ123", {"lot": "XYZ123"}),
        ("=/A9999XYZ100T0944=,000025", {"serial": "25"}),
        # the flags are no part of the donation number
        ("=/A9999XYZ100T0944=A99971312345600", {"donation_id": "A999713123456"}),
        ("=/A9999XYZ100T0944=A99971312345600", {"donation_id": "=A99971312345600"}),
        ("=/A9999XYZ100T0944", {"di": "=/A9999XYZ100T0944"}),
        ("=/A9999XYZ100T0944", {"di": "A9999XYZ100T0944"}),
        # GUDID has no + and no check character
        ("+A123BJC5D6E71G", {"di": "A123BJC5D6E71"}),
        ("+A123BJC5D6E71G", {"di": "+A123BJC5D6E71G"}),
    ],
)
def test_other_agencies_are_compared_by_meaning(text: str, other: dict[str, Any]) -> None:
    assert agree(told(udi(text), "PRT-10"), Told(place="PRT", **other)) == ()


def test_all_contradictions_are_named_with_their_places_and_without_their_values() -> None:
    found = agree(
        CODE,
        Told(place="PRT-16 to PRT-20", di=DI, lot="B2", serial="21a"),
        Told(place="OBX", serial="X9", expiry="soon"),
    )
    assert [(it.field, it.places) for it in found] == [
        ("lot", ("PRT-10", "PRT-16 to PRT-20")),
        ("serial", ("PRT-10", "PRT-16 to PRT-20", "OBX")),
        ("expiry", ("PRT-10", "OBX")),
    ]
    words = " ".join(it.words for it in found)
    assert not any(value in words for value in ("A1", "B2", "21a", "X9", "soon"))
    assert "OBX" in words


def test_another_place_narrows_an_ambiguous_code_down() -> None:
    readings = ambiguous(f"01{DI}10NYFUL0121192837").readings
    prt = Told(place="PRT-19", lot="NYFUL01")
    assert [each.serial for each in readings if not agree(told(each, "PRT-10"), prt)] == ["192837"]
