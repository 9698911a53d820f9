"""The charges of `support.charge` as a hospital sends them: each with lots and serial numbers of its own.

Where all messages name the same three lots, what the store keeps of lots and serial numbers goes to the same few places
of its tree; here it goes to random ones, as in life.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.charge import ALL_POSTED, charge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.charge import Line

__all__ = ["DIGITS", "case_of", "control_id_of", "item_of", "lot_of", "serial_of", "varied_charge"]

DIGITS = 13
"""Of the number that sets a message apart."""


def control_id_of(digits: str) -> str:
    """MSH-10."""
    return f"B{digits}"


def case_of(digits: str) -> str:
    """PV1-19."""
    return f"V{digits}"


def lot_of(digits: str, line: int) -> str:
    """Of a line, counted from 1."""
    return f"L{digits}{line}"


def serial_of(digits: str, line: int) -> str:
    """Of a line, counted from 1."""
    return f"S{digits}{line}"


def item_of(kind: int, line: int) -> str:
    """Of a line, counted from 1; a message's kind, 0 to 999, is told by the first three of its digits."""
    return f"STEM-{kind:03}-{line}"


def varied_charge(digits: str, lines: Sequence[Line] = ALL_POSTED) -> bytes:
    """One message.

    Args:
        digits: `DIGITS` of them; they stand in the control id, the case, and each lot and serial number.
        lines: as `charge` takes them, but any number.
    """
    body = charge(control_id_of(digits), case_of(digits), lines)
    lot, serial = (name(digits, 0)[:-1].encode() for name in (lot_of, serial_of))
    item = item_of(int(digits[:3]), 0)[:-1].encode()
    return body.replace(b"21A11F485", lot).replace(b"SN-47110", serial).replace(b"HIP-STEM-1", item)
