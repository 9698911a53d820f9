"""What holds for all input, good and bad."""

from __future__ import annotations

import re
import string
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.formats.udi import (
    AGENCIES,
    LONGEST,
    REFUSALS,
    WARNINGS,
    Ambiguous,
    Udi,
    Unreadable,
    canonical,
    gtin,
    parse,
)
from casecart.formats.udi.hibc import check_character
from casecart.formats.udi.identifier import ROWS
from support.checkout import ROOT
from unit.formats.udi.codes import TODAY, refusal, said, udi

SET_82 = string.ascii_letters + string.digits + "!\"%&'()*+,-./:;<=>?_"
CAPITALS = string.ascii_uppercase + string.digits

# Text that is nearly a code, and any other.
PARTS = [
    *("01", "00643169001763", "17", "251130", "10", "21", "7003", "8013", "\x1d", "<GS>", "\u2194", "]d2", "]C1"),
    *("(01)", "(17)", "(10)", "(21)", "{01}"),
    *("+X999123ABC0", "/", "$$", "$", "$$3", "16D20151001", "S", "7", "8", "*", "_"),
    *("=/A9999XYZ100T0944", "=,000025", "&,1000000000000XYZ123", "=", "&"),
    *("[)>", "\x1e06\x1d", "\x1e05\x1d", "9N110375286414", "25P", "1T", "\x04", "PP"),
    *(" ", "A", "0", "\x00", "\u0663", "\ud800"),
]
NEARLY = st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=4)), max_size=12).map("".join)
DATES = st.dates(min_value=date(1, 1, 1), max_value=date(9999, 12, 31))
HINTS = st.sampled_from(["GS1", "HIBCC", "ICCBBA", "IFA", None])


def all_of(reading: Udi | Ambiguous | Unreadable) -> tuple[Udi, ...]:
    if isinstance(reading, Unreadable):
        assert reading.code in REFUSALS
        return ()
    return reading.readings if isinstance(reading, Ambiguous) else (reading,)


@given(NEARLY | st.text(), DATES, HINTS)
def test_no_text_makes_it_raise_and_no_character_of_a_code_is_left_out(text: str, today: date, agency: None) -> None:
    reading = parse(text, today=today, agency=agency)
    for each in all_of(reading):
        assert each.text == text
        assert "".join(piece.text for piece in each.pieces) == text
        assert all(text[piece.start : piece.end] == piece.text for piece in each.pieces)
        assert all(note in WARNINGS for note in each.warnings)
    if isinstance(reading, Ambiguous):
        assert reading.readings


@given(NEARLY | st.text(), HINTS)
def test_the_canonical_form_of_any_code_is_read_as_the_same_and_is_its_own(text: str, agency: None) -> None:
    reading = parse(text, today=TODAY, agency=agency)
    if isinstance(reading, Ambiguous) and reading.code == "check-lost":
        return  # one of its readings is its own text, which stays as ambiguous as it is
    for each in all_of(reading):
        written = canonical(each)
        again = parse(written, today=TODAY)
        assert isinstance(again, Udi), (written, again)
        assert said(again) == said(each)
        assert canonical(again) == written


def element(identifier: str) -> st.SearchStrategy[tuple[str, str]]:
    row = ROWS[identifier]
    sizes = {"min_size": row.minimum, "max_size": row.maximum}
    return st.text(string.digits if row.digits else SET_82, **sizes).map(lambda value: (identifier, value))


OTHERS = sorted(set(ROWS) - {"01", "17", "7003", "8013"})
CODES = st.lists(st.sampled_from(OTHERS), max_size=5, unique=True).flatmap(
    lambda chosen: st.tuples(*map(element, ["01", "17", *chosen]))
)


@given(CODES)
def test_any_elements_come_out_of_a_scan_as_they_went_in(elements: tuple[tuple[str, str], ...]) -> None:
    scan = "\x1d" + "\x1d".join(f"{identifier}{value}" for identifier, value in elements)
    reading = udi(scan)
    assert {piece.identifier: piece.value for piece in reading.pieces if piece.identifier} == dict(elements)
    assert said(udi(canonical(reading))) == said(reading)


@given(
    st.from_regex(r"[A-Z][A-Z0-9]{3}[A-Z0-9]{1,18}[0-9]", fullmatch=True),
    st.text(CAPITALS, min_size=1, max_size=18),
    st.text(CAPITALS, min_size=1, max_size=18),
    st.dates(min_value=date(2000, 1, 1), max_value=date(2070, 12, 31)),
)
def test_any_hibc_is_canonical_and_says_what_was_put_in(di: str, lot: str, serial: str, day: date) -> None:
    code = f"+{di}/$$3{day:%y%m%d}{lot}/S{serial}"
    code += check_character(code)
    reading = udi(code)
    assert said(reading) == {"di": di, "lot": lot, "serial": serial, "expiry": day.isoformat()}
    assert canonical(reading) == code


@pytest.mark.parametrize(
    "text",
    [
        # FDA's table of formats
        "(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234",
        "=/A9999XYZ100T0944=,000025=A99971312345600=>014032=}013032&,1000000000000XYZ123",
        # ANSI/HIBC
        "+A123BJC5D6E71G",
        "+X999123ABC0/$$20515191234AB/S5678EDFG/16D20151001I",
        # IFA
        "[)>\x1e06\x1d9N110375286414\x1d1TABC\x1e\x04",
        "[)>\x1e06\x1d25PX999123ABC0\x1d1TABC\x1e\x04",
        # a value that has an identifier in parentheses can only be scanned
        "\x1d010064316900176310A(21)B\x1d21C\x1d",
    ],
)
def test_a_canonical_form_comes_back_as_itself(text: str) -> None:
    assert canonical(udi(text)) == text


@pytest.mark.parametrize(
    ("text", "agency", "expected"),
    [
        ("643169001763", None, "(01)00643169001763"),
        ("*+A123BJC5D6E71G*", None, "+A123BJC5D6E71G"),
        ("A123BJC5D6E71", "HIBCC", "+A123BJC5D6E71G"),
        ("A9999XYZ100T0944", "ICCBBA", "=/A9999XYZ100T0944"),
        ("1TE123456A", "ICCBBA", "=)1TE123456A"),
        ("110375286414", "IFA", "[)>\x1e06\x1d9N110375286414\x1e\x04"),
        ("]d2010064316900176321S\x1d1016(10)", None, "\x1d01006431690017631016(10)\x1d21S\x1d"),
    ],
)  # fmt: skip
def test_other_forms_become_the_canonical_one(text: str, agency: None, expected: str) -> None:
    assert canonical(udi(text, agency=agency)) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("\r\n", "empty"),
        ("01" + "0" * 10_000, "too-long"),
        ("x" * (LONGEST + 1), "too-long"),
        ("\x00", "control-character"),
        ("\x07bell", "control-character"),
        ("]C", "unknown-form"),
        ("]C0", "unknown-form"),
        ("hip stem", "unknown-form"),
        ("\ud800", "unknown-form"),
        ("N/A", "unknown-form"),
        ("-", "unknown-form"),
        ("12345", "bad-element"),
    ],
)
def test_what_is_no_code_is_refused_with_a_reason(text: str, code: str) -> None:
    assert refusal(text) == code


@given(st.sampled_from(["(01)006431(10)SECRET77", "+X99-SECRET77", "=/SECRET77", "]d201SECRET77", "SECRET77"]))
def test_a_refusal_never_says_what_was_in_it(text: str) -> None:
    reading = parse(text, today=TODAY)
    assert isinstance(reading, Unreadable)
    assert "SECRET77" not in reading.words


def test_every_code_and_its_words_are_there_once() -> None:
    codes = [note.code for note in WARNINGS]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z-]+", code) for code in [*codes, *REFUSALS])


def test_gtins_of_every_length_are_one_number() -> None:
    assert gtin("643169001763") == gtin("0643169001763") == gtin(" 00643169001763 ") == "00643169001763"
    assert [gtin(text) for text in ("", "123", "6431690017630000", "64316900176X", "\u0660" * 14)] == [None] * 5


def test_the_roots_of_hl7_name_their_agency() -> None:
    # HL7 v2.8.2 PRT-16
    assert AGENCIES["2.51.1.1"] == "GS1"
    assert AGENCIES["1.0.15961.10.816"] == "HIBCC"


def test_the_reference_explains_every_code() -> None:
    page = (ROOT / "docs" / "reference" / "udi.md").read_text("utf-8")
    told = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    assert told == {note.code for note in WARNINGS} | set(REFUSALS) | {"parentheses", "check-lost", "separators-lost"}
