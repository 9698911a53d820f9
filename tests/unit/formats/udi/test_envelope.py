"""IFA's codes, and HIBCC's and GS1's in ISO 15434 envelopes."""

from __future__ import annotations

import pytest

from unit.formats.udi.codes import refusal, said, udi, warnings

PPN = "110375286414"  # neodynamic.com's IFA PPN page
FULL = f"[)>\x1e06\x1d9N{PPN}\x1d1TABC123\x1dD251130\x1dSXYZ\x1e\x04"
READ = {"di": PPN, "lot": "ABC123", "expiry": "2025-11-30", "serial": "XYZ"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # IFA, PPN-Code Specification, table of data elements
        (FULL, READ),
        (f"[)>\x1e06\x1d9N{PPN}\x1d16D20240229\x1e\x04", {"di": PPN, "manufactured": "2024-02-29"}),
        (f"[)>\x1e06\x1d9N{PPN}\x1dD251100\x1e\x04", {"di": PPN, "expiry": "2025-11-30"}),
        # the trailer is left off
        (f"[)>\x1e06\x1d9N{PPN}\x1d1TABC", {"di": PPN, "lot": "ABC"}),
        # the envelope is left off
        (f"9N{PPN}", {"di": PPN}),
        (f"9N{PPN}\x1d1TABC", {"di": PPN, "lot": "ABC"}),
        # ANSI/HIBC 2.x in ASC data identifiers
        ("[)>\x1e06\x1d25PX999123ABC0\x1d1TLOT\x1dSSER\x1d14D20190515\x1d16D20151001\x1e\x04",
         {"di": "X999123ABC0", "lot": "LOT", "serial": "SER", "expiry": "2019-05-15", "manufactured": "2015-10-01"}),
        # ISO 15434 format 05: GS1
        ("[)>\x1e05\x1d01006431690017631725113010ABC\x1d21XYZ\x1e\x04",
         {"di": "00643169001763", "expiry": "2025-11-30", "lot": "ABC", "serial": "XYZ"}),
    ],
)  # fmt: skip
def test_elements_are_read(text: str, expected: dict[str, str]) -> None:
    reading = udi(text)
    assert said(reading) == expected
    assert warnings(reading) == []
    assert "".join(piece.text for piece in reading.pieces) == text


@pytest.mark.parametrize(
    ("rs", "gs", "eot"), [("<RS>", "<GS>", "<EOT>"), ("^^", "^]", "^D"), ("\u241e", "\u241d", "\u2404")]
)
def test_control_characters_that_became_something_else_are_understood(rs: str, gs: str, eot: str) -> None:
    text = FULL.replace("\x1e", rs).replace("\x1d", gs).replace("\x04", eot)
    reading = udi(text)
    assert said(reading) == READ
    assert warnings(reading) == ["separator"]
    assert "".join(piece.text for piece in reading.pieces) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"[)>\x1e06\x1d9N{PPN[:-1]}5\x1d1TABC", "check-digit"),
        (f"9N{PPN}\x1dD251331", "date"),
        (f"9N{PPN}\x1dZZZ", "element"),
        (f"9N{PPN}\x1d1TAB/C", "character"),
        (f"9N{PPN}\x1d1T{'A' * 21}", "length"),
    ],
)
def test_what_is_odd_is_noted_and_read(text: str, code: str) -> None:
    assert warnings(udi(text)) == [code]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[)>", "structure"),
        ("[)>\x1e12\x1dX", "structure"),  # another format
        ("[)>\x1e06\x1d1TABC\x1e\x04", "no-di"),
        (f"[)>06{'9N'}{PPN}1TABC", "separators-lost"),
        (f"9N{PPN}1TABC", "separators-lost"),
        (f"[)>\x1e06\x1d9N{PPN}\x1d9N120000000051", "contradiction"),
        (f"[)>\x1e06\x1d9N{PPN}\x1d123\x1e\x04", "unknown-element"),
        (f"[)>\x1e06\x1d9N{PPN}\x1dD2511", "bad-element"),
        ("[)>\x1e06\x1d9NX\x1d1TABC", "bad-element"),
        ("[)>\x1e06\x1d25PX\x1d1TABC", "structure"),
        (f"[)>\x1e06\x1d9N{PPN}\x1d1TA\x00", "control-character"),
        # certifico.com's page of formats: a family of devices, not a device
        ("PP12345ABCD.12345678.9004", "basic-udi-di"),
    ],
)
def test_what_breaks_the_grammar_says_how(text: str, code: str) -> None:
    assert refusal(text) == code


def test_a_bare_ppn_needs_its_agency() -> None:
    assert said(udi(PPN, agency="IFA")) == {"di": PPN}
    # to GS1 twelve digits are a GTIN
    assert udi(PPN).agency == "GS1"
    assert warnings(udi(f"{PPN[:-1]}5", agency="IFA")) == ["check-digit"]


def test_parts_of_the_identifier_are_explained() -> None:
    (piece,) = udi(f"9N{PPN}").pieces
    assert piece.means == "agency 11, national number 03752864, check digits 14"
