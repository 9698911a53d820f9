"""GS1 as printed for people."""

from __future__ import annotations

import pytest

from unit.formats.udi.codes import ambiguous, refusal, said, udi, warnings

DI = "00643169001763"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # HL7 v2 PRT-10 text
        ("(01)00643169001763(17)160712(21)21A11F4855", {"di": DI, "expiry": "2016-07-12", "serial": "21A11F4855"}),
        # FHIR R5 Device-example-udi1 carrierHRF: braces
        ("{01}00844588003288{17}141120{10}7654321D{21}10987654d321",
         {"di": "00844588003288", "expiry": "2014-11-20", "lot": "7654321D", "serial": "10987654d321"}),
        # reference §6.1: blanks occur
        ("(01) 00643169001763 (17) 160712 (21) 21A11F4855 ",
         {"di": DI, "expiry": "2016-07-12", "serial": "21A11F4855"}),
        ("(01)0 06 43169 00176 3(17)16 07 12", {"di": DI, "expiry": "2016-07-12"}),
        # and missing parentheses
        ("01 00643169001763 17 160712 21 21A11F4855", {"di": DI, "expiry": "2016-07-12", "serial": "21A11F4855"}),
        # a lot may contain parentheses (character set 82)
        (f"(01){DI}(10)A(B)C(21)D", {"di": DI, "lot": "A(B)C", "serial": "D"}),
        # (05) is no identifier
        (f"(01){DI}(10)A(05)C(21)D", {"di": DI, "lot": "A(05)C", "serial": "D"}),
        # a GTIN-8 alone: GS1 General Specifications §7.9.1's example of a check digit is 95050003
        ("95050003", {"di": "00000095050003"}),
        ("643169001763", {"di": DI}),
        ("0643169001763", {"di": DI}),
        ("00643169001763 ", {"di": DI}),
    ],
)  # fmt: skip
def test_what_is_printed_is_read(text: str, expected: dict[str, str]) -> None:
    reading = udi(text)
    assert said(reading) == expected
    assert warnings(reading) == []
    assert "".join(piece.text for piece in reading.pieces) == text


@pytest.mark.parametrize(
    ("text", "expected", "code"),
    [
        # US Core: 12 digits in (01)
        ("(01)987979879879", {"di": "00987979879879"}, "gtin-length"),
        # (17) with no date behind it is part of the lot
        (f"(01){DI}(10)A(17)(21)D", {"di": DI, "lot": "A(17)", "serial": "D"}, "parentheses"),
        (f"(01){DI}(10)A B(21)D", {"di": DI, "lot": "A B", "serial": "D"}, "character"),
        ("(01)99863313444316", {"di": "99863313444316"}, "check-digit"),  # US Core
        ("(17)160712(10)A", {"expiry": "2016-07-12", "lot": "A"}, "no-di"),
    ],
)
def test_what_is_odd_is_noted_and_read(text: str, expected: dict[str, str], code: str) -> None:
    reading = udi(text)
    assert said(reading) == expected
    assert code in warnings(reading)


def test_an_identifier_that_comes_twice_makes_it_ambiguous() -> None:
    result = ambiguous(f"(01){DI}(10)A(21)B(21)C")
    assert {(each.lot, each.serial) for each in result.readings} == {("A", "B(21)C"), ("A(21)B", "C")}
    assert result.code == "parentheses"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(05)123", "unknown-element"),
        ("(patient)", "unknown-element"),
        ("(01)", "bad-element"),
        ("(01)123", "bad-element"),
        (f"(01){DI}(17)1607", "bad-element"),
        (f"(01){DI}(10)A\x07", "control-character"),
        (f"(01){DI}(10)", "bad-element"),
        ("(01)\u0660\u0660643169001763", "foreign-digit"),  # zeros of another script
        ("(8013)1987654Ad4X4bL5ttr2310c2K", "basic-udi-di"),
        (f"(01){DI}(17)160712(7003)1607130000", "contradiction"),
        (f"(01){DI}" + "(10)A(10)B" * 10, "contradiction"),
    ],
)
def test_what_breaks_the_grammar_says_how(text: str, code: str) -> None:
    assert refusal(text) == code
