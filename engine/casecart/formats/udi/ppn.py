"""IFA's Pharmacy Product Number: agency's code, national number, two check digits."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["fits", "is_ppn"]

_PPN: Final = re.compile(r"[0-9A-Z]{2}[0-9A-Z.\-]{2,18}[0-9]{2}")


def is_ppn(text: str) -> bool:
    """Whether it looks like one."""
    return _PPN.fullmatch(text) is not None


def fits(ppn: str) -> bool:
    """Whether its check digits are right: ASCII values by 2, 3, 4 ... from the left, modulus 97 (IFA, appendix B)."""
    total = sum(weight * ord(character) for weight, character in enumerate(ppn[:-2], start=2))
    return total % 97 == int(ppn[-2:])
