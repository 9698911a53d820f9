"""ItemChange: an item as it is now, for a system that is told of it; the document of a message and of a posting."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

__all__ = [
    "ITEM_SCHEMA",
    "ItemAction",
    "ItemChange",
    "ItemNumber",
    "ItemPackaging",
    "ItemStock",
    "ItemSupplier",
    "NotAnItem",
    "decode_item_change",
    "encode_item_change",
]

ITEM_SCHEMA = "casecart-item/1"
"""Kind and version of the messages that it is the body of; a later version reads all older ones."""

ItemAction: TypeAlias = Literal["add", "update", "delete"]
YesNo: TypeAlias = Literal["yes", "no"]


class ItemNumber(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A number by which somebody knows the item."""

    number: int
    """From 1, in the item's order."""
    system: str
    """As in the master data: GS1, HIBCC, catalog, ehr, supplier, charge and so on."""
    value: str
    issuer: str | None = None
    quantity: Decimal | None = None
    """Of the item's own unit in what it names; None: no decimal number, such as a third."""
    unit: str | None = None


class ItemPackaging(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A unit in which the item comes; the first is its own."""

    number: int
    unit: str | None = None
    quantity: Decimal | None = None
    """Of the item's own unit; None: no decimal number, such as a third."""
    gtin: str | None = None


class ItemSupplier(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One that the item isn't bought from first."""

    number: int
    """From 2: the first is whom it is bought from."""
    supplier: str
    name: str | None = None
    supplier_item: str | None = None
    """The supplier's number of the item."""


class ItemStock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A location at which it is said whose the item is."""

    number: int
    location: str
    ownership: Literal["owned", "consigned", "bill-only", "bill-and-replace", "loaner"]
    supplier: str | None = None


class ItemChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item as one facility has it: what holds everywhere, and over it what holds there.

    In a message it has no key, revision and action: what a receiver must be told depends on what it has.
    """

    facility: str
    item: str
    version: int
    """Of the master data: the newest that it is made from."""
    changed_on: date
    """The day of that version, where the facility is."""
    gone: bool = False
    """It is no more; what is told of it is how it was."""
    known: bool = False
    """Whether the receiver had it before it was told anything."""
    key: str = ""
    revision: int = 0
    action: ItemAction = "update"
    description: str | None = None
    status: Literal["active", "inactive"] | None = None
    manufacturer: str | None = None
    catalog_number: str | None = None
    brand: str | None = None
    unit: str | None = None
    fractions: YesNo | None = None
    lot: YesNo | None = None
    """Whether each use must name the lot."""
    serial: YesNo | None = None
    expiry: YesNo | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    supplier: str | None = None
    """Whom it is bought from."""
    supplier_name: str | None = None
    supplier_item: str | None = None
    """That supplier's number of it."""
    ehr_item: str | None = None
    """The receiver's own number of it."""
    charge_code: str | None = None
    """The first of the charge list."""
    numbers: tuple[ItemNumber, ...] = ()
    packagings: tuple[ItemPackaging, ...] = ()
    other_suppliers: tuple[ItemSupplier, ...] = ()
    stock: tuple[ItemStock, ...] = ()


class NotAnItem(Exception):
    """Bytes that are no ItemChange."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ItemChange).decode


def encode_item_change(change: ItemChange) -> bytes:
    """As JSON, the same bytes for the same item."""
    return _encode(change)


def decode_item_change(data: bytes) -> ItemChange:
    """From JSON. Raises `NotAnItem`."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NotAnItem("It is no item as casecart writes one") from None
