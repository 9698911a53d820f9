"""Usage: what was used on a patient, one line of one case, as all of casecart speaks of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FIELDS", "Action", "Field", "Usage"]

Action = Literal["use", "reverse"]
"""`use` takes from the stock, `reverse` takes a use back."""


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One line of usage. What the sender did not say is None; `quantity` is never a float."""

    facility: str | None = None
    case: str | None = None
    encounter: str | None = None
    line: str | None = None
    action: Action | None = None
    disposition: str | None = None
    di: str | None = None
    manufacturer: str | None = None
    catalog_number: str | None = None
    item: str | None = None
    ehr_item: str | None = None
    supplier_item: str | None = None
    quantity: Decimal | None = None
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
    found_by: str | None = None
    told_quantity: Decimal | None = None
    told_unit: str | None = None
    flags: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a document: its type in an analyst's word, what it means, an example as written."""

    type: Literal["text", "decimal", "date", "action"]
    about: str
    example: str
    made_by: Literal["", "resolve", "verify"] = ""
    """The step that says it; a mapping can't."""


FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "facility": Field("text", "The site the line belongs to; set from the peer, never from the message.", "NORTH"),
        "case": Field("text", "The surgical case or visit, as a token when the mapping says so.", "case-7Q2M"),
        "encounter": Field("text", "The encounter, where it differs from the case.", "V100231"),
        "line": Field("text", "The sender's own id of the line within the case.", "770001"),
        "action": Field("action", "`use` takes from the stock, `reverse` takes an earlier use back.", "use"),
        "disposition": Field("text", "What became of the thing: implanted, wasted, explanted, returned.", "implanted"),
        "di": Field("text", "The device identifier of the UDI; a GTIN on 14 digits.", "00643169001763"),
        "manufacturer": Field("text", "The manufacturer, as the sender names it.", "Example Orthopaedics"),
        "catalog_number": Field("text", "The manufacturer's catalogue number.", "STEM-12-STD"),
        "item": Field("text", "The item number by which the ERP knows it.", "HIP-STEM-12"),
        "ehr_item": Field("text", "The item number by which the sender knows it.", "E-104711"),
        "supplier_item": Field("text", "The number by which the supplier knows it.", "71-0012"),
        "quantity": Field("decimal", "How many units; never negative, `action` says in which direction.", "1"),
        "unit": Field("text", "The unit the quantity is counted in.", "EA"),
        "lot": Field("text", "The lot or batch number.", "21A11F4855"),
        "serial": Field("text", "The serial number.", "SN-4711"),
        "expiry": Field("date", "The last day the thing may be used.", "2027-12-31"),
        "udi": Field("text", "The unique device identifier, as the sender wrote it.", "(01)00643169001763(21)SN-4711"),
        "used_on": Field("date", "The day of use at the facility; not the day the charge was posted.", "2026-11-03"),
        "department": Field("text", "The department that used it.", "OR-MAIN"),
        "location": Field("text", "The storage location it was taken from.", "OR-CORE-2"),
        "cost_center": Field("text", "The cost centre that bears it.", "4711"),
        "gl_account": Field("text", "The general ledger account that it is booked to.", "610200"),
        "charge_code": Field(
            "text", "The code in the hospital's charge list; often several items share one.", "CH-27130"
        ),
        "supplier": Field("text", "Whom it comes from, or who owns it.", "ACME-ORTHO"),
        "ownership": Field(
            "text",
            "Whose it is: owned, consigned, bill-only, bill-and-replace or loaner.",
            "consigned",
            made_by="resolve",
        ),
        "found_by": Field("text", "The identifier by which the item was found.", "di", made_by="resolve"),
        "told_quantity": Field(
            "decimal", "The quantity as it was told, where another unit was meant.", "2", made_by="resolve"
        ),
        "told_unit": Field("text", "The unit or packaging that was meant.", "BX", made_by="resolve"),
        "flags": Field(
            "text", "What a person is to look at although the line was posted.", "expired", made_by="verify"
        ),
        "source": Field("text", "Where in which message the line came from.", "MSG00042#FT1[1]"),
    }
)
"""The fields of `Usage`, in its order; lint, docs and the mapping's did-you-mean are made from this."""
