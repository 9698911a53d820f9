"""GTINs: one length to compare them on, and their check digit."""

from __future__ import annotations

from typing import Final

__all__ = ["LENGTHS", "fits", "gtin"]

LENGTHS: Final = frozenset({8, 12, 13, 14})
_LONGEST: Final = 14

# Each digit's byte is 48 too high; so far the weighted sum of 14 of them (seven by 3, seven by 1) is.
_OFFSET: Final = ord("0") * (7 * 3 + 7)


def gtin(text: str) -> str | None:
    """The GTIN on 14 digits, as items are compared; None if these aren't 8, 12, 13 or 14 digits."""
    digits = text.strip()
    return digits.rjust(_LONGEST, "0") if len(digits) in LENGTHS and digits.isdecimal() and digits.isascii() else None


def fits(digits: str) -> bool:
    """Whether the check digit of 14 ASCII digits is right: weights 3, 1, 3 ... (GS1 General Specifications §7.9)."""
    octets = digits.encode()
    return (3 * sum(octets[::2]) + sum(octets[1::2]) - _OFFSET) % 10 == 0
