"""Movement: what an ERP says of one movement of stock."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec

__all__ = ["Movement"]


class Movement(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One item, and one lot or serial number of it, from one place to another."""

    number: str
    """The ERP's own number of the document that it stands in; empty where it has none yet."""
    reference: str
    """The text by which the document is found there: of what casecart made, the group of its postings."""
    ours: bool
    """Whether the reference is one that casecart gives."""
    item: str
    lot: str
    """Lot or serial number; empty: none."""
    quantity: Decimal
    """In the item's own unit; zero: a document without movements."""
    source: str
    """The code of the location that it is taken from."""
    target: str
    day: date | None
    """The day that it counts for."""
    state: str
    """In the ERP's words. ``done``: it was moved; ``cancelled``: it never will be; any other: it was not, so far."""
    key: str = ""
    """Of what casecart made: of the first posting that its reference stands for; empty: the reference does not tell."""
