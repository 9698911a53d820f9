"""Ranges of recalled numbers: nothing that was called back is missed for how it is written."""

from __future__ import annotations

import pytest

from casecart.master.lots import within


@pytest.mark.parametrize(
    ("value", "first", "last", "inside"),
    [
        ("998", "998", "1002", True),
        ("1000", "998", "1002", True),
        ("1002", "998", "1002", True),
        ("1003", "998", "1002", False),
        ("0999", "998", "1002", False),
        ("A9", "A9", "A10", True),
        ("A10", "A9", "A10", True),
    ],
)
def test_a_range_of_numbers_of_two_lengths_has_both_its_ends(
    value: str, first: str, last: str, *, inside: bool
) -> None:
    assert within(value, first, last) is inside
