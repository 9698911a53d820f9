"""GS1 as scanned: elements, separators, prefixes."""

from __future__ import annotations

from datetime import date

import pytest

from unit.formats.udi.codes import TODAY, refusal, said, udi, warnings

GS = "\x1d"
DI = "00643169001763"  # HL7 v2 PRT-10's example
BASE = f"01{DI}17251130"
READ = {"di": DI, "expiry": "2025-11-30"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # GS1 General Specifications §3.4: the usual order, the last value ends with the data
        (f"{BASE}10ABC", READ | {"lot": "ABC"}),
        # §7.8.6: a separator after a value of no fixed length
        (f"{BASE}10ABC{GS}21XYZ", READ | {"lot": "ABC", "serial": "XYZ"}),
        # §7.8.6: a separator that isn't needed, after a fixed length, is allowed
        (f"01{DI}{GS}17251130{GS}10ABC", READ | {"lot": "ABC"}),
        # and at the end
        (f"{BASE}10ABC{GS}", READ | {"lot": "ABC"}),
        # the order is free
        (f"]d217251130{'10ABC'}{GS}21XYZ{GS}01{DI}", READ | {"lot": "ABC", "serial": "XYZ"}),
        # AIM's symbology identifiers: GS1-128, DataBar, DataMatrix, QR
        (f"]C1{BASE}10ABC", READ | {"lot": "ABC"}),
        (f"]e0{BASE}10ABC", READ | {"lot": "ABC"}),
        (f"]d2{BASE}10ABC", READ | {"lot": "ABC"}),
        (f"]Q3{BASE}10ABC", READ | {"lot": "ABC"}),
        # FNC1 in the first place, sent as 0x1D
        (f"{GS}{BASE}10ABC", READ | {"lot": "ABC"}),
        (f"]d2{GS}{BASE}10ABC", READ | {"lot": "ABC"}),
        # a symbology that isn't GS1's own: EAN-13 in ]E0
        ("]E00643169001763", {"di": DI}),
        # date of manufacture, quantity, expiry to the minute (General Specifications §3: 11, 30, 7003)
        (f"01{DI}11240229{'30'}12{GS}7003{'2511302359'}{GS}21A", READ | {
            "manufactured": "2024-02-29", "quantity": 12, "expiry_time": "23:59:00", "serial": "A"}),
        # the same day by 17, and to the minute
        (f"{BASE}7003{'2511302359'}{GS}21A", READ | {"expiry_time": "23:59:00", "serial": "A"}),
        # a small letter makes another serial (reference: US Core Device-udi-1)
        (f"{BASE}2110987654d321", READ | {"serial": "10987654d321"}),
        # an element twice that says the same is one
        (f"{BASE}10ABC{GS}10ABC", READ | {"lot": "ABC"}),
        # a line end that the scanner adds
        (f"{BASE}10ABC\r\n", READ | {"lot": "ABC"}),
        # twenty characters is the longest lot
        (f"{BASE}10{'A' * 20}", READ | {"lot": "A" * 20}),
        # characters of set 82
        (f"{BASE}10A!\"%&'()*+,-./:;<=>?", READ | {"lot": "A!\"%&'()*+,-./:;<=>?"}),
    ],
)  # fmt: skip
def test_elements_are_read_as_scanned(text: str, expected: dict[str, object]) -> None:
    assert said(udi(text)) == expected


@pytest.mark.parametrize(
    "glyph",
    # the ways in which FNC1 arrives from keyboards, JSON, editors; U+2194 is FHIR R5 Device-example-udi1's
    ["<GS>", "{GS}", "[GS]", "^]", "\\x1d", "\\x1D", "\\u001d", "\u2194", "\u241d", "|", "~", " "],
)
def test_a_separator_that_became_something_else_is_understood_and_noted(glyph: str) -> None:
    reading = udi(f"{BASE}10ABC{glyph}21XYZ")
    assert said(reading) == READ | {"lot": "ABC", "serial": "XYZ"}
    assert warnings(reading) == ["separator"]
    assert "".join(piece.text for piece in reading.pieces) == reading.text


def test_beside_real_separators_a_glyph_is_part_of_its_value() -> None:
    reading = udi(f"{BASE}10AB|C{GS}21XYZ")
    assert reading.lot == "AB|C"
    assert warnings(reading) == ["character"]


def test_angle_brackets_that_end_nothing_stay_in_the_value() -> None:
    assert udi(f"{BASE}10ABC<GS>").lot == "ABC"
    assert udi(f"{BASE}10A<GS>C").lot == "A<GS>C"  # no identifier begins with C


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"]d2{BASE}05X", "unknown-element"),  # 05 is not an identifier
        (f"]d201{DI[:-1]}", "bad-element"),  # one digit short
        (f"]d201{DI[:-1]}X", "bad-element"),  # a letter in it
        (f"{BASE}10{'A' * 21}{GS}21X", "bad-element"),  # one too many
        (f"{BASE}10{GS}21X", "bad-element"),  # no lot
        (f"{BASE}30X{GS}21X", "bad-element"),  # a count of letters
        (f"{BASE}10A{GS}10B", "contradiction"),  # two lots
        (f"{BASE}70032512312359{GS}10A", "contradiction"),  # two days of expiry
        ("1725113010ABC", "no-di"),  # nothing shows that this is a scan, and not somebody's number
        ("102345", "no-di"),
        (f"{BASE}10A\x00B{GS}", "control-character"),
        (f"{BASE}\n10AB", "control-character"),
        (f"{BASE}10\u0663", "foreign-digit"),  # a digit of another script
        ("]d2", "structure"),
        (f"]d2{GS}{GS}", "structure"),
        # General Specifications §3, 8013: a family of devices
        (f"]d28013{'1987654Ad4X4bL5ttr2310c2K'}", "basic-udi-di"),
    ],
)
def test_what_breaks_the_grammar_says_how(text: str, code: str) -> None:
    assert refusal(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0199994328998989", "check-digit"),  # C-CDA UDI organizer example: 9, computed 6
        (f"]d217251130{'10ABC'}", "no-di"),  # the second symbol of a label
        (f"]d202{DI}37{'12'}", "contents"),  # a logistic unit's content
        (f"{BASE}8013{'1987654Ad4X4bL5ttr2310c2K'}{GS}", "basic-udi-di"),
        (f"01{DI}17251301", "date"),  # no thirteenth month
        (f"01{DI}17000000", "no-date"),
        (f"01{DI}17991231", "no-date"),  # reference §6.1: 99xxxx
        (f"01{DI}7003{'2511302561'}{GS}", "date"),
        (f"{BASE}10AB\xc4{GS}", "character"),
    ],
)
def test_what_is_odd_is_noted_and_read(text: str, code: str) -> None:
    assert code in warnings(udi(text))


def test_a_wrong_check_digit_is_never_corrected() -> None:
    assert udi("0199994328998989").di == "99994328998989"


@pytest.mark.parametrize(
    ("yymmdd", "today", "expected"),
    [
        # General Specifications §3.4.2: no day is the last of the month
        ("250200", TODAY, date(2025, 2, 28)),
        ("240200", TODAY, date(2024, 2, 29)),
        # §7.12: 51 years ahead is the last century, 50 this one
        ("760101", TODAY, date(2076, 1, 1)),
        ("770101", TODAY, date(1977, 1, 1)),
        # 50 years back is the next
        ("010101", date(2051, 1, 1), date(2101, 1, 1)),
        ("020101", date(2051, 1, 1), date(2002, 1, 1)),
        ("990101", date(2051, 1, 1), date(2099, 1, 1)),
    ],
)
def test_a_year_of_two_digits_slides(yymmdd: str, today: date, expected: date) -> None:
    assert udi(f"01{DI}17{yymmdd}", today=today).expiry == expected


def test_a_month_without_a_day_is_said_to_be_one() -> None:
    assert udi(f"01{DI}1125020017251130").month_only == ("manufactured",)
    assert udi(f"01{DI}1125020017251100").month_only == ("expiry", "manufactured")
