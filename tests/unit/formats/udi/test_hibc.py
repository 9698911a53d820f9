"""HIBCC's codes."""

from __future__ import annotations

import pytest

from casecart.formats.udi.hibc import check_character
from unit.formats.udi.codes import ambiguous, refusal, said, udi, warnings

PRIMARY = "+X999123ABC0"  # OpenText IDOL's grammar
DI = {"di": "X999123ABC0"}


def checked(code: str) -> str:
    return code + check_character(code)


def test_the_check_character_is_that_of_the_published_code() -> None:
    # IDAutomation, HIBCC's own literature
    assert check_character("+A123BJC5D6E71") == "G"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # ANSI/HIBC 2.x, secondary data: each form of the date
        ("$$0519LOT", {"expiry": "2019-05-31", "lot": "LOT"}),
        ("$$1219LOT", {"expiry": "2019-12-31", "lot": "LOT"}),
        ("$$2051519LOT", {"expiry": "2019-05-15", "lot": "LOT"}),
        ("$$3190515LOT", {"expiry": "2019-05-15", "lot": "LOT"}),
        ("$$419051521LOT", {"expiry": "2019-05-15", "expiry_time": "21:00:00", "lot": "LOT"}),
        ("$$519135LOT", {"expiry": "2019-05-15", "lot": "LOT"}),
        ("$$61913521LOT", {"expiry": "2019-05-15", "expiry_time": "21:00:00", "lot": "LOT"}),
        ("$$7LOT", {"lot": "LOT"}),
        # with a serial number in the lot's place
        ("$$+0519SER", {"expiry": "2019-05-31", "serial": "SER"}),
        ("$$+7SER", {"serial": "SER"}),
        ("$$+3190515SER", {"expiry": "2019-05-15", "serial": "SER"}),
        # quantity of two or five digits, then a date, none, or nothing
        ("$$8240519LOT", {"quantity": 24, "expiry": "2019-05-31", "lot": "LOT"}),
        ("$$9001007LOT", {"quantity": 100, "lot": "LOT"}),
        ("$$90010", None),
        ("$$824", {"quantity": 24}),
        ("$$8243190515LOT", {"quantity": 24, "expiry": "2019-05-15", "lot": "LOT"}),
        # lot only, serial only
        ("$LOT", {"lot": "LOT"}),
        ("$+SER", {"serial": "SER"}),
        # the old form: day of the year and lot, no $
        ("19135LOT", {"expiry": "2019-05-15", "lot": "LOT"}),
        # date without a lot
        ("$$0519", {"expiry": "2019-05-31"}),
        # supplemental data
        ("$LOT/SSER/16D20151001/14D20190515/Q24",
         {"lot": "LOT", "serial": "SER", "manufactured": "2015-10-01", "expiry": "2019-05-15", "quantity": 24}),
        # the month and the day in it, told twice
        ("$$0519LOT/14D20190515", {"expiry": "2019-05-15", "lot": "LOT"}),
        ("14D20190515/$$0519LOT", {"expiry": "2019-05-15", "lot": "LOT"}),
    ],
)  # fmt: skip
def test_secondary_data_is_read(data: str, expected: dict[str, object] | None) -> None:
    text = checked(f"{PRIMARY}/{data}")
    if expected is None:
        assert refusal(text) == "bad-element"
        return
    reading = udi(text)
    assert said(reading) == DI | expected
    assert warnings(reading) == []
    assert "".join(piece.text for piece in reading.pieces) == text


def test_a_secondary_code_alone_ends_with_link_and_check_character() -> None:
    # ANSI/HIBC 2.x: the link character is the primary's check character
    text = checked("+$$3190515LOTG")
    reading = udi(text)
    assert said(reading) == {"expiry": "2019-05-15", "lot": "LOT"}
    assert warnings(reading) == ["no-di"]
    assert [piece.value for piece in reading.pieces if piece.kind == "link"] == ["G"]


def with_check(character: str) -> str:
    """A primary code whose check character this is."""
    codes = (f"+X999{number}0" for number in range(1, 1000))
    return next(code for code in codes if check_character(code) == character)


@pytest.mark.parametrize("character", [" ", "/", "+", "$", "%", "-", "."])
def test_every_character_may_be_the_check_character(character: str) -> None:
    code = with_check(character)
    reading = udi(code + character)
    assert said(reading) == {"di": code[1:]}
    assert warnings(reading) == []


def test_a_printed_code_stands_between_asterisks_with_a_blank_as_a_line() -> None:
    # hibcc.org/m43/terms.htm
    code = with_check(" ")
    assert said(udi(f"*{code}_*")) == {"di": code[1:]}
    assert said(udi("*+A123BJC5D6E71G*")) == {"di": "A123BJC5D6E71"}


def test_a_blank_that_got_lost_is_noted_where_nothing_else_fits() -> None:
    # the code without its blank ends with a letter where the unit of measure belongs
    code = next(
        code for number in range(1, 9999) if check_character(code := f"+X999{number}C0") == " "
    )  # fmt: skip
    reading = udi(code)
    assert said(reading) == {"di": code[1:]}
    assert warnings(reading) == ["check-blank"]


def test_a_blank_that_may_have_got_lost_makes_it_ambiguous() -> None:
    code = with_check(" ")
    result = ambiguous(code)
    assert [each.di for each in result.readings] == [code[1:-1], code[1:]]
    assert result.di is None
    assert result.code == "check-lost"


def test_a_wrong_check_character_is_noted_and_never_corrected() -> None:
    reading = udi("+A123BJC5D6E71H")
    assert said(reading) == {"di": "A123BJC5D6E71"}
    assert warnings(reading) == ["check-character"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("$$3191315LOT", "date"),  # no thirteenth month
        ("$$519366LOT", "date"),  # 2019 has 365 days
        ("$$519000LOT", "date"),
        ("$$419051525LOT", "date"),  # no such hour
        ("$$3000000LOT", "no-date"),
        ("$$0000LOT", "no-date"),
        ("$LOT/14D00000000", "no-date"),
        ("$LOT-1", "character"),
        (f"${'A' * 19}", "length"),
        ("$LOT/ZZ9", "element"),
    ],
)
def test_what_is_odd_is_noted_and_read(data: str, code: str) -> None:
    reading = udi(checked(f"{PRIMARY}/{data}"))
    assert reading.di == DI["di"]
    assert warnings(reading) == [code]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("+X99", "structure"),
        ("+", "structure"),
        ("++X999123ABC0", "structure"),
        (checked("+X999123ABC0/"), "structure"),
        (checked("+X999123ABC0//SSER"), "structure"),
        (checked("+X999123ABC0/SSER/"), "structure"),
        (checked("+X999-0"), "structure"),  # a product number has letters and digits
        (checked(f"+X999{'1' * 19}0"), "structure"),  # and eighteen at most
        (checked("+X999123ABC0/$$"), "structure"),
        (checked("+X999123ABC0/$$X"), "structure"),
        (checked("+X999123ABC0/$$$LOT"), "structure"),
        (checked("+X999123ABC0/$$30101"), "bad-element"),
        (checked("+X999123ABC0/$$8A"), "bad-element"),
        (checked("+X999123ABC0/$"), "bad-element"),
        (checked("+X999123ABC0/$LOT/SA/SB"), "contradiction"),
        (checked("+X999123ABC0/$$3190515LOT/14D20190516"), "contradiction"),
        ("+x999123abc0z", "structure"),
        ("+X999\x00123ABC0", "control-character"),
        ("+$$$$", "structure"),
        ("+$", "structure"),
    ],
)
def test_what_breaks_the_grammar_says_how(code: str, reason: str) -> None:
    assert refusal(code) == reason


def test_the_identifier_as_gudid_has_it_needs_its_agency() -> None:
    assert said(udi("X999123ABC0", agency="HIBCC")) == DI
    assert refusal("X999123ABC0") == "agency-unknown"


def test_parts_of_the_identifier_are_explained() -> None:
    pieces = {piece.kind: (piece.value, piece.means) for piece in udi("+A123BJC5D6E71G").pieces}
    assert pieces["labeler"] == ("A123", "")
    assert pieces["product"] == ("BJC5D6E7", "")
    assert pieces["level"] == ("1", "packaging level 1")
