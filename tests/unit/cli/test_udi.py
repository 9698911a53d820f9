"""`casecart udi`: a device's code, explained."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from casecart.cli.main import run

DI = "00643169001763"
PRINTED = f"(01){DI}(17)160712(21)21A11F4855"


def shown(capsys: pytest.CaptureFixture[str], *typed: str, code: int = 0) -> str:
    assert run(["udi", *typed, "--today", "2026-06-01"]) == code
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *typed: str, code: int = 0) -> Any:  # noqa: ANN401 - a document
    return json.loads(shown(capsys, *typed, "--json", code=code))


def test_it_says_of_each_part_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, PRINTED).splitlines()
    assert lines[0] == f"GS1, printed: {PRINTED}"
    assert [line.split() for line in lines[3:]] == [
        ["1", "01", DI, "GTIN"],
        ["19", "17", "160712", "expiry", "2016-07-12"],
        ["29", "21", "21A11F4855", "serial", "number"],
    ]


def test_it_tells_a_program_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    told = document(capsys, PRINTED)
    assert (told["result"], told["agency"], told["di"], told["serial"]) == ("read", "GS1", DI, "21A11F4855")
    assert told["expiry"] == "2016-07-12"
    assert told["canonical"] == PRINTED
    assert [piece["text"] for piece in told["pieces"]] == [f"(01){DI}", "(17)160712", "(21)21A11F4855"]


def test_warnings_are_shown_and_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert "warning check-digit: " in shown(capsys, "(01)99994328998989")


@pytest.mark.parametrize("separator", ["<GS>", "\\x1d", "\\x1D", "\x1d"])
def test_control_characters_can_be_typed(capsys: pytest.CaptureFixture[str], separator: str) -> None:
    told = document(capsys, f"]d201{DI}10A{separator}21B")
    assert (told["lot"], told["serial"], told["warnings"]) == ("A", "B", [])


def test_an_envelope_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    told = document(capsys, "[)><RS>06<GS>9N110375286414<GS>1TA<RS><EOT>")
    assert (told["agency"], told["di"], told["lot"]) == ("IFA", "110375286414", "A")


def test_an_ambiguous_code_is_shown_in_every_reading_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, f"01{DI}10ABC17251231", code=1)
    assert text.startswith("Ambiguous (separators-lost): ")
    assert "in 2 ways" in text
    assert f"(01){DI}(10)ABC17251231" in text
    assert f"(01){DI}(17)251231(10)ABC" in text
    told = document(capsys, f"01{DI}10ABC17251231", code=1)
    assert told["result"] == "ambiguous"
    assert [each["lot"] for each in told["readings"]] == ["ABC17251231", "ABC"]


def test_an_unreadable_code_says_why_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, f"(01){DI}(17)1607", code=1)
    assert text == "Unreadable (bad-element): The value of (17) does not have its length or digits. At character 19.\n"
    told = document(capsys, "", code=1)
    assert told == {"result": "unreadable", "code": "empty", "words": "Nothing was given.", "position": None}


def test_a_code_never_commands_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in shown(capsys, f"(01){DI}(10)\x1b[2J", code=1)
    assert "\\u202e" in shown(capsys, f"(01){DI}(10)A\u202eB")


@pytest.mark.parametrize(
    ("given", "expected", "code"),
    [
        (f"]d201{DI}10A\x1d21B\r\n".encode(), f"(01){DI}(10)A(21)B", 0),
        (b"+X99990 \n", "HIBCC", 0),  # the blank is the check character
        (b"\xff\xfe", "Unreadable", 1),
        (b"", "Unreadable (empty)", 1),
        (b"0" * 100_000, "Unreadable (too-long)", 1),
    ],
)
def test_a_hyphen_reads_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, given: bytes, expected: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    assert expected in shown(capsys, "-", code=code)


def test_a_bare_identifier_with_letters_is_read_with_its_agency(capsys: pytest.CaptureFixture[str]) -> None:
    assert "agency-unknown" in shown(capsys, "A123BJC5D6E71", code=1)
    assert document(capsys, "A123BJC5D6E71", "--agency", "HIBCC")["di"] == "A123BJC5D6E71"


def test_the_day_decides_the_century(capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, f"(01){DI}(17)760101")["expiry"] == "2076-01-01"
    assert document(capsys, f"(01){DI}(17)770101")["expiry"] == "1977-01-01"
