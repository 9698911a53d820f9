"""Consumption: the posting document that tells a destination to take (or take back) stock for one line of usage."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

__all__ = ["Consumption"]


class Consumption(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What may leave for an ERP, and nothing else: an allow-list, not a copy of the usage.

    `case` is a token, never the sender's case number; names, record numbers and free text have no field here.
    """

    key: str
    revision: int
    facility: str
    case: str
    line: str
    action: Literal["use", "reverse"]
    quantity: Decimal
    disposition: str | None = None
    item: str | None = None
    di: str | None = None
    unit: str | None = None
    lot: str | None = None
    serial: str | None = None
    expiry: date | None = None
    udi: str | None = None
    used_on: date | None = None
    department: str | None = None
    location: str | None = None
    cost_center: str | None = None
    gl_account: str | None = None
    charge_code: str | None = None
    supplier: str | None = None
    ownership: str | None = None
    flags: str | None = None
    source: str | None = None
    reverses: str | None = None
    """With `reverse`: the key of the posting that is taken back, whole or in part."""
