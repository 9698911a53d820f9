"""ICCBBA's ISBT 128."""

from __future__ import annotations

import pytest

from unit.formats.udi.codes import refusal, said, udi, warnings

# FDA's table "UDI formats by FDA-accredited issuing agency", element by element
DI = "=/A9999XYZ100T0944"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DI, {}),
        (f"{DI}=,000025", {"serial": "000025"}),
        (f"{DI}=A99971312345600", {"donation_id": "A99971312345600"}),
        (f"{DI}=>014032", {"expiry": "2014-02-01"}),
        (f"{DI}=>999365", {"expiry": "1999-12-31"}),  # ISBT 128's cYYJJJ: c is the century's last digit
        (f"{DI}=}}013032", {"manufactured": "2013-02-01"}),
        (f"{DI}&,1000000000000XYZ123", {"lot": "000000000000XYZ123"}),
        # the order is free, the header announces how many come
        (f"=+02123=>014032{DI}", {"expiry": "2014-02-01"}),
    ],
)
def test_data_structures_are_read(text: str, expected: dict[str, str]) -> None:
    reading = udi(text)
    assert said(reading) == {"di": "A9999XYZ100T0944"} | expected
    assert warnings(reading) == []
    assert "".join(piece.text for piece in reading.pieces) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"{DI}=,000000", "no-serial"),
        (f"{DI}=>014366", "date"),  # 2014 has 365 days
        (f"{DI}=>000000", "no-date"),
        ("=,000025", "no-di"),
        (f"=+03123{DI}", "count"),
        (f"=+AA123{DI}", "count"),
        (f"{DI}&,100000000000-XYZ123", "character"),
    ],
)
def test_what_is_odd_is_noted_and_read(text: str, code: str) -> None:
    assert code in warnings(udi(text))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("=/A9999", "bad-element"),
        (f"{DI}=>0140", "bad-element"),
        (f"{DI}=>01403A", "bad-element"),
        (f"{DI}&x", "unknown-element"),
        (f"{DI}\\T\\,1000000000000XYZ123", "unknown-element"),  # HL7's escape is taken off before
        (f"{DI}=", "unknown-element"),
        ("=", "unknown-element"),
        (f"{DI}{DI[:-1]}5", "contradiction"),
        (f"{DI}\x00", "control-character"),
        (f"{DI}=\u00c4", "structure"),
    ],
)
def test_what_breaks_the_grammar_says_how(text: str, code: str) -> None:
    assert refusal(text) == code


def test_a_bare_identifier_needs_its_agency() -> None:
    assert said(udi("A9999XYZ100T0944", agency="ICCBBA")) == {"di": "A9999XYZ100T0944"}
    assert said(udi("1AB370000007JC89", agency="ICCBBA")) == {"di": "1AB370000007JC89"}  # begins like GS1
    assert said(udi("1TE123456A", agency="ICCBBA")) == {"di": "1TE123456A"}


def test_parts_of_the_identifier_are_explained() -> None:
    (piece,) = udi(DI).pieces
    assert piece.means == "processor A9999, its product XYZ100, description code T0944"
