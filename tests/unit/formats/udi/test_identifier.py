"""The table of application identifiers."""

from __future__ import annotations

import pytest

from casecart.formats.udi.identifier import ROWS, row_at


@pytest.mark.parametrize(
    ("identifier", "minimum", "maximum", "digits"),
    [
        # GS1 General Specifications §3.2, the identifiers that reference §6.1 lists
        ("01", 14, 14, True),
        ("02", 14, 14, True),
        ("10", 1, 20, False),
        ("11", 6, 6, True),
        ("13", 6, 6, True),
        ("15", 6, 6, True),
        ("17", 6, 6, True),
        ("20", 2, 2, True),
        ("21", 1, 20, False),
        ("22", 1, 20, False),
        ("30", 1, 8, True),
        ("37", 1, 8, True),
        ("235", 1, 28, False),
        ("240", 1, 30, False),
        ("241", 1, 30, False),
        ("250", 1, 30, False),
        ("422", 3, 3, True),
        ("710", 1, 20, False),
        ("715", 1, 20, False),
        ("7003", 10, 10, True),
        ("8012", 1, 20, False),
        ("8013", 1, 25, False),
        # ranges and composed values
        ("3105", 6, 6, True),
        ("3919", 4, 18, True),
        ("421", 4, 12, False),
        ("253", 13, 30, False),
        ("99", 1, 90, False),
    ],
)
def test_a_value_has_the_length_of_the_standard(identifier: str, minimum: int, maximum: int, digits: bool) -> None:  # noqa: FBT001 - a column
    row = ROWS[identifier]
    assert (row.minimum, row.maximum, row.digits) == (minimum, maximum, digits)
    assert row.fixed == (minimum if minimum == maximum else 0)


def test_an_identifier_is_told_by_its_first_two_digits() -> None:
    # §7.8.5: none begins like another
    assert all(row_at(f"{identifier}XYZ", 0) is row for identifier, row in ROWS.items())
    assert row_at("05", 0) is None
    assert row_at("3199", 0) is None
    assert row_at("", 0) is None


def test_the_table_has_all_of_them() -> None:
    # the count of GS1's Barcode Syntax Dictionary, July 2026
    assert len(ROWS) == 541
    assert all(row.title for row in ROWS.values())
