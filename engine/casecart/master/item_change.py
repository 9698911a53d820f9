"""From the documents of an item to what another system is told of it, as one facility has it on one day."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from casecart.canonical.item_change import ItemChange, ItemNumber, ItemPackaging, ItemStock, ItemSupplier
from casecart.master.items import exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from casecart.canonical.item_change import YesNo
    from casecart.canonical.master import Identifier, Item, Stock, Unit

__all__ = ["ItemState", "item_change"]


class ItemState(NamedTuple):
    """An item, and how it came to be so."""

    documents: Sequence[Item]
    """One or two: what the facility says of it, whose values stand over the other's; and what holds everywhere."""
    version: int
    """Of the master data: the newest of both."""
    changed_on: date
    """The day of that version, at the facility."""
    gone: bool = False
    """It is no more: the documents are what they were last."""
    known: bool = False
    """Whether the receiver had it before it was told anything."""


def item_change(facility: str, state: ItemState, *, receiver: str, name_of: Callable[[str], str | None]) -> ItemChange:
    """What is told of an item. It depends on nothing but what is given: the same state is the same document.

    Args:
        facility: whose view it is.
        state: of the item.
        receiver: whose numbers are `ehr_item`: their issuer in the master data; empty: nobody's.
        name_of: a supplier's name.
    """
    said = _Said(facility, state)
    identifiers: list[Identifier] = said.rows("identifiers")
    stock: list[Stock] = [each for each in said.rows("stock") if each.location]
    supplier: str | None = said.value("supplier")
    return ItemChange(
        facility=facility,
        item=state.documents[0].number,
        version=state.version,
        changed_on=state.changed_on,
        gone=state.gone,
        known=state.known,
        description=said.value("description"),
        status=said.value("status"),
        manufacturer=said.value("manufacturer"),
        catalog_number=said.value("catalog_number"),
        brand=said.value("brand"),
        unit=said.value("unit"),
        fractions=said.answer("fractions"),
        lot=said.answer("lot"),
        serial=said.answer("serial"),
        expiry=said.answer("expiry"),
        valid_from=said.value("valid_from"),
        valid_to=said.value("valid_to"),
        supplier=supplier,
        supplier_name=None if supplier is None else name_of(supplier),
        supplier_item=None if supplier is None else _number(identifiers, "supplier", supplier),
        ehr_item=_number(identifiers, "ehr", receiver) if receiver else None,
        charge_code=next((each.value for each in identifiers if each.system == "charge"), None),
        numbers=tuple(_numbers(identifiers)),
        packagings=tuple(_packagings(said.value("unit"), identifiers, said.rows("units"))),
        other_suppliers=tuple(_others(identifiers, supplier, name_of)),
        stock=tuple(
            ItemStock(number=number, location=each.location, ownership=each.ownership, supplier=each.supplier or None)
            for number, each in enumerate(stock, 1)
        ),
    )


class _Said:
    """What the documents say together."""

    def __init__(self, facility: str, state: ItemState) -> None:
        self._facility, self._state = facility, state

    def value(self, name: str) -> Any:  # noqa: ANN401 - of the field
        """The first that one of them has."""
        found = (getattr(each, name) for each in self._state.documents)
        return next((value for value in found if value is not None), None)

    def answer(self, name: str) -> YesNo | None:
        """Of what is so or not."""
        told = self.value(name)
        return None if told is None else "yes" if told else "no"

    def rows(self, name: str) -> list[Any]:
        """Of both, those of the facility first; without what holds elsewhere, or had ended by then."""
        day, facility = self._state.changed_on, self._facility
        found = [
            row
            for document in self._state.documents
            for row in getattr(document, name)
            if row.facility in {"", facility} and (row.valid_to is None or row.valid_to >= day)
        ]
        return sorted(dict.fromkeys(found), key=lambda row: not row.facility)


def _number(identifiers: Sequence[Identifier], system: str, issuer: str) -> str | None:
    """Somebody's number of the item; the one of a single unit before those of packagings."""
    found = [each for each in identifiers if each.system == system and each.issuer.casefold() == issuer.casefold()]
    return min(found, key=lambda each: each.quantity != "1").value if found else None


def _numbers(identifiers: Sequence[Identifier]) -> Iterator[ItemNumber]:
    for number, each in enumerate(identifiers, 1):
        yield ItemNumber(
            number=number,
            system=each.system,
            value=each.value,
            issuer=each.issuer or None,
            quantity=_decimal(each.quantity),
            unit=each.unit or None,
        )


def _packagings(own: str | None, identifiers: Sequence[Identifier], units: Sequence[Unit]) -> Iterator[ItemPackaging]:
    """The item's own unit, and what else it comes in: units and GTINs of one quantity belong together."""
    names = {each.quantity: each.unit for each in reversed(units)}
    if own is not None:
        names["1"] = own
    found: dict[tuple[str | None, str, str | None], None] = {
        (each.unit or names.get(each.quantity), each.quantity, each.value): None
        for each in identifiers
        if each.system == "GS1"
    }
    have = {(unit, quantity) for unit, quantity, _ in found}
    plain = [(own, "1"), *((each.unit, each.quantity) for each in units)]
    found |= {(unit, quantity, None): None for unit, quantity in plain if unit and (unit, quantity) not in have}
    for number, (unit, quantity, gtin) in enumerate(sorted(found, key=lambda each: each[1] != "1"), 1):
        yield ItemPackaging(number=number, unit=unit, quantity=_decimal(quantity), gtin=gtin)


def _others(
    identifiers: Sequence[Identifier], first: str | None, name_of: Callable[[str], str | None]
) -> Iterator[ItemSupplier]:
    issuers = dict.fromkeys(each.issuer for each in identifiers if each.system == "supplier" and each.issuer)
    others = [issuer for issuer in issuers if issuer != first]
    for number, issuer in enumerate(others, 2):
        value = _number(identifiers, "supplier", issuer)
        yield ItemSupplier(number=number, supplier=issuer, name=name_of(issuer), supplier_item=value)


def _decimal(quantity: str) -> Decimal | None:
    """A quantity as HL7 can say it; None for one that has no end, such as a third."""
    told = exact(quantity)
    found = Decimal(told.numerator) / Decimal(told.denominator)
    return found if Fraction(found) == told else None
