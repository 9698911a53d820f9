"""Master data: what the hospital uses, from whom, where and for whose account, as documents.

A document is one immutable version of (kind, facility, key). Facility "" holds everywhere; a document of a facility is
an overlay: what it says stands over the one that holds everywhere, and what it leaves out (None) is that one's. A row
within a document has its own facility, its days of validity (both included; None is open) and the system that said it.

Documents are kept as MessagePack arrays: a field may be appended with a default, and none may move.
"""

from __future__ import annotations

from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from casecart.store.seal import Damaged, opened, sealed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "KINDS",
    "Assignment",
    "Department",
    "Dimension",
    "Identifier",
    "Item",
    "Location",
    "Lot",
    "MasterDocument",
    "Ownership",
    "Recall",
    "Stock",
    "Substitute",
    "Supplier",
    "System",
    "Unit",
    "decode_document",
    "encode_document",
    "key_of",
]

System = Literal["GS1", "HIBCC", "ICCBBA", "IFA", "catalog", "item", "ehr", "supplier", "charge"]
"""Whose identifier it is. The first four are device identifiers (UDI-DI); `catalog` is a manufacturer's catalog number
(issuer: the manufacturer), `item` another number that an ERP has for the item (issuer: which ERP), `ehr` an EHR's item
number (issuer: which EHR), `supplier` a supplier's number (issuer: the supplier), `charge` a code of the charge list,
the only one that several items may share."""

Ownership = Literal["owned", "consigned", "bill-only", "bill-and-replace", "loaner"]


class Identifier(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """A number by which somebody knows an item, at one level of packaging."""

    system: System
    value: str
    """A GTIN on 14 digits; other device identifiers as GUDID has them; all else as written, without spaces around."""
    issuer: str = ""
    quantity: str = "1"
    """How many of the item's unit are in what the number names: exact, a whole number or a fraction such as `1/3`."""
    unit: str = ""
    """What that packaging is called: BX, CS."""
    facility: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    source: str = ""


class Unit(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """Another unit in which an item is told or bought."""

    unit: str
    quantity: str
    """Of the item's own unit in one of these, exact: `10`, `1/3`."""
    facility: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    source: str = ""


class Stock(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """Whose an item is, at one location."""

    location: str = ""
    """Empty: at every location that has no row of its own."""
    ownership: Ownership
    supplier: str = ""
    """Who owns it, or is to be asked for another; "" for owned."""
    facility: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    source: str = ""


class Substitute(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """An item that may be used in place of this one."""

    item: str
    facility: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    source: str = ""


class Item(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """Something that is stocked and used, by the number under which the ERP has it."""

    number: str
    description: str | None = None
    status: Literal["active", "inactive"] | None = None
    manufacturer: str | None = None
    catalog_number: str | None = None
    """The manufacturer's."""
    brand: str | None = None
    unit: str | None = None
    """The one that stock is counted in."""
    fractions: bool | None = None
    """Whether less than one unit can be used: bone graft in cc can, a screw can't."""
    lot: bool | None = None
    """Whether each use must name the lot."""
    serial: bool | None = None
    expiry: bool | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    supplier: str | None = None
    """Whom it is bought from."""
    identifiers: tuple[Identifier, ...] = ()
    units: tuple[Unit, ...] = ()
    stock: tuple[Stock, ...] = ()
    substitutes: tuple[Substitute, ...] = ()


class Name(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """What a system calls a supplier, a location or a department."""

    system: str
    value: str
    facility: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    source: str = ""


class Supplier(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """Whom things come from."""

    number: str
    name: str | None = None
    status: Literal["active", "inactive"] | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    names: tuple[Name, ...] = ()


class Location(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """A place that has stock."""

    number: str
    name: str | None = None
    status: Literal["active", "inactive"] | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    names: tuple[Name, ...] = ()


class Assignment(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """What a department's use is taken from, or charged to, for some time."""

    dimension: str
    """`location`, or a financial dimension: `cost_center`, `gl_account` or another that the ERP has."""
    value: str
    facility: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    source: str = ""


class Department(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """Who uses things."""

    number: str
    name: str | None = None
    status: Literal["active", "inactive"] | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    names: tuple[Name, ...] = ()
    assignments: tuple[Assignment, ...] = ()


class Dimension(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """A value of a financial dimension: a cost centre, a GL account, a project."""

    dimension: str
    code: str
    name: str | None = None
    status: Literal["active", "inactive"] | None = None
    valid_from: date | None = None
    valid_to: date | None = None


class Lot(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """A lot of an item that the hospital knows. For an item of which no lot is known, none is asked after."""

    item: str
    lot: str
    expiry: date | None = None
    source: str = ""


class Recall(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """What a manufacturer or an authority has called back. Of the ranges those that are empty don't narrow it down."""

    recall: str
    """The number that it has with who published it."""
    row: str
    """Which row of that recall, such as `1`: one recall may name many products and lots."""
    di: str = ""
    item: str = ""
    lot_from: str = ""
    lot_to: str = ""
    serial_from: str = ""
    serial_to: str = ""
    reason: str = ""
    published: date | None = None


MasterDocument = Item | Supplier | Location | Department | Dimension | Lot | Recall

KINDS: Final[Mapping[str, type[MasterDocument]]] = MappingProxyType(
    {
        "item": Item,
        "supplier": Supplier,
        "location": Location,
        "department": Department,
        "dimension": Dimension,
        "lot": Lot,
        "recall": Recall,
    }
)

SEPARATOR: Final = "\x1f"
"""Between the parts of a key that has two. No identifier has a control character in it."""


def key_of(document: MasterDocument) -> str:
    """The business key, which is unique within kind and facility."""
    match document:
        case Dimension():
            return f"{document.dimension}{SEPARATOR}{document.code}"
        case Lot():
            return f"{document.item}{SEPARATOR}{document.lot}"
        case Recall():
            return f"{document.recall}{SEPARATOR}{document.row}"
        case _:
            return document.number


_decoders = {kind: msgspec.msgpack.Decoder(document).decode for kind, document in KINDS.items()}

_encode = msgspec.msgpack.Encoder().encode


def encode_document(document: MasterDocument) -> bytes:
    """For the store, sealed."""
    return sealed(_encode(document))


def decode_document(kind: str, data: bytes) -> MasterDocument:
    """From the store. Raises `Damaged` where it is not what was encoded."""
    what = f"A stored version of master data ({kind})"
    inside = opened(data, what)
    try:
        return _decoders[kind](inside)
    except msgspec.MsgspecError:
        raise Damaged(f"{what} came out of the store damaged: it can't be read") from None
