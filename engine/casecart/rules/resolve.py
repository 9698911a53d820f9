"""Resolve: from what a line was told to one item, its quantity in that item's unit, one location and account."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from casecart.canonical.master import Stock
from casecart.master.items import Facts, Hit
from casecart.master.places import valid
from casecart.rules.item import choose_item
from casecart.rules.quantity import factor, multiplied, whole
from casecart.rules.trouble import Trouble, shown, subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from casecart.canonical import Usage
    from casecart.master.catalogue import Catalogue
    from casecart.master.items import Entry

__all__ = ["compile_resolve"]

REMEMBERED = 10_000
"""Answers that are remembered of each sort: what is used in a day, and the departments that use it."""

PERSON = "person"
"""`found_by` of an item that a person decided."""


class _Chosen(NamedTuple):
    """An item, and what a quantity that was told is multiplied by."""

    facts: Facts
    found_by: str
    times: int | Fraction
    meant: str | None
    """The unit that was meant where that is not the item's own."""


class _Whose(NamedTuple):
    """Whose the item is, and whom it comes from."""

    ownership: str | None
    supplier: str | None


_told_places = attrgetter("facility", "location", "department", "cost_center", "gl_account", "used_on")


def compile_resolve(
    *,
    item: Sequence[str] | None,
    location: Sequence[str] | None,
    supplier: Sequence[str] | None,
    cost_center: Sequence[str] | None,
    gl_account: Sequence[str] | None,
) -> Callable[[Usage, Catalogue, str | None], Usage | tuple[Trouble, ...]]:
    """The resolve step of a channel, as a function.

    Args:
        item: the fields of numbers that count, in their order; None: the item is left as it was told.
        location: `location` and `department`, in the order in which they count; likewise the others.
        supplier: `supplier` and `item`.
        cost_center: `cost_center` and `department`.
        gl_account: `gl_account` and `department`.

    Returns:
        A function of a usage, the catalogue, and the item number that a person decided on or None. It gives the usage
        with all that was found, or why something was not.
    """
    return _Resolving(item, location, supplier, {"cost_center": cost_center, "gl_account": gl_account}).resolve


class _Resolving:
    """What was found is remembered until the catalogue changes: things of one kind are used again and again."""

    def __init__(
        self,
        item: Sequence[str] | None,
        location: Sequence[str] | None,
        supplier: Sequence[str] | None,
        dimensions: dict[str, Sequence[str] | None],
    ) -> None:
        self._item, self._supplier = item, supplier
        # All that the choice of an item depends on.
        self._told: Callable[[Usage], tuple[Any, ...]] = attrgetter(
            *(item or ()), "unit", "facility", "used_on", "manufacturer", "supplier"
        )
        self._places = [("location", location)] if location is not None else []
        self._places += [(name, sources) for name, sources in dimensions.items() if sources is not None]
        self._items: dict[tuple[Any, ...], _Chosen] = {}
        self._found: dict[tuple[Any, ...], tuple[str | None, str | None, str | None]] = {}
        self._changes = -1

    def resolve(self, usage: Usage, catalogue: Catalogue, decided: str | None) -> Usage | tuple[Trouble, ...]:
        if catalogue.changes != self._changes:
            self._changes = catalogue.changes
            self._items.clear()
            self._found.clear()
        found = self._found.get(_told_places(usage)) or self._find_places(usage, catalogue)
        chosen: _Chosen | Trouble | None = None
        if decided is not None:
            chosen = _decided(decided, usage, catalogue)
        elif self._item is not None:
            chosen = self._items.get(self._told(usage)) or self._choose(usage, catalogue)
        if isinstance(found, list) or isinstance(chosen, Trouble):
            return self._troubles(usage, catalogue, found, chosen)
        if chosen is None:
            return self._without_item(usage, catalogue, found)
        facts, found_by, times, meant = chosen
        location, cost_center, gl_account = found
        quantity, told_quantity = usage.quantity, None
        if quantity is not None and (times != 1 or not (facts.fractions or whole(quantity))):
            exactly = multiplied(quantity, times, facts)
            if isinstance(exactly, Trouble):
                return self._troubles(usage, catalogue, found, chosen)
            quantity, told_quantity = exactly, quantity
        ownership, supplier = None, usage.supplier
        if facts.stock or self._supplier is not None:
            whose = self._whose(usage, catalogue, facts, location)
            if isinstance(whose, Trouble):
                return (whose,)
            ownership, supplier = whose
        return msgspec.structs.replace(
            usage,
            item=facts.number,
            found_by=found_by,
            unit=facts.unit or (usage.unit if times == 1 else None),
            quantity=quantity,
            told_quantity=told_quantity,
            told_unit=meant,
            location=location,
            cost_center=cost_center,
            gl_account=gl_account,
            ownership=ownership,
            supplier=supplier,
        )

    def _troubles(
        self,
        usage: Usage,
        catalogue: Catalogue,
        found: tuple[str | None, str | None, str | None] | list[Trouble],
        chosen: _Chosen | Trouble | None,
    ) -> tuple[Trouble, ...]:
        """All that is wrong with a line, so that a person need not find one thing after the other."""
        troubles = found.copy() if isinstance(found, list) else []
        if isinstance(chosen, Trouble):
            troubles.append(chosen)
        elif chosen is not None and usage.quantity is not None:
            quantity = multiplied(usage.quantity, chosen.times, chosen.facts)
            if isinstance(quantity, Trouble):
                troubles.append(quantity)
        # Whose it is depends on the item and the location; the supplier that was told does not.
        facts = chosen.facts if isinstance(chosen, _Chosen) and not isinstance(found, list) else None
        whose = self._whose(usage, catalogue, facts, None if isinstance(found, list) else found[0])
        if isinstance(whose, Trouble):
            troubles.append(whose)
        return tuple(troubles)

    def _without_item(
        self, usage: Usage, catalogue: Catalogue, found: tuple[str | None, str | None, str | None]
    ) -> Usage | tuple[Trouble, ...]:
        location, cost_center, gl_account = found
        whose = self._whose(usage, catalogue, None, location)
        if isinstance(whose, Trouble):
            return (whose,)
        return msgspec.structs.replace(
            usage, location=location, cost_center=cost_center, gl_account=gl_account, supplier=whose.supplier
        )

    def _find_places(
        self, usage: Usage, catalogue: Catalogue
    ) -> tuple[str | None, str | None, str | None] | list[Trouble]:
        troubles: list[Trouble] = []
        found = {"location": usage.location, "cost_center": usage.cost_center, "gl_account": usage.gl_account}
        for dimension, sources in self._places:
            value = _place(dimension, sources, usage, catalogue)
            if not isinstance(value, Trouble):
                found[dimension] = value
            elif value not in troubles:  # a department that nobody knows is one trouble, whatever it is asked for
                troubles.append(value)
        if troubles:
            return troubles
        if len(self._found) > REMEMBERED:
            self._found.clear()
        places = self._found[_told_places(usage)] = (found["location"], found["cost_center"], found["gl_account"])
        return places

    def _choose(self, usage: Usage, catalogue: Catalogue) -> _Chosen | Trouble:
        values = zip(self._item or (), self._told(usage), strict=False)
        told = [(name, value) for name, value in values if value is not None]
        facility = usage.facility or ""
        chosen = choose_item(usage, told, catalogue, facility)
        if isinstance(chosen, Trouble):
            return chosen
        field, entry = chosen
        facts = catalogue.items.item(entry.number if isinstance(entry, Hit) else entry, facility)
        assert facts is not None  # noqa: S101 - it was chosen for being there
        found = _measured(usage, facts, field, entry)
        if not isinstance(found, Trouble):
            if len(self._items) > REMEMBERED:
                self._items.clear()
            self._items[self._told(usage)] = found
        return found

    def _whose(self, usage: Usage, catalogue: Catalogue, facts: Facts | None, location: str | None) -> _Whose | Trouble:
        stock = _stock(facts, location or "", usage) if facts is not None else None
        ownership = stock.ownership if isinstance(stock, Stock) else None
        if isinstance(stock, Trouble) or self._supplier is None:
            return stock if isinstance(stock, Trouble) else _Whose(ownership, usage.supplier)
        for source in self._supplier:
            if source == "item" and facts is not None:
                known = (stock.supplier if stock is not None else "") or facts.supplier
                if known:
                    return _Whose(ownership, known)
            elif source == "supplier" and usage.supplier is not None:
                numbers = catalogue.places.find("supplier", usage.supplier, usage.facility or "", usage.used_on)
                if len(numbers) == 1:
                    return _Whose(ownership, numbers[0])
                return _not_one("supplier", usage.supplier, numbers)
        # For what the hospital owns, nobody need know who sold it.
        if facts is not None and stock is not None and stock.ownership != "owned":
            words = f"nothing says who owns item {facts.number}, which is {stock.ownership}"
            return Trouble("supplier-untold", "supplier", words, f"item:{facts.number}")
        return _Whose(ownership, None)


def _decided(number: str, usage: Usage, catalogue: Catalogue) -> _Chosen | Trouble:
    """A person said which item it is, whatever its numbers say."""
    facility = usage.facility or ""
    facts = catalogue.items.item(number, facility)
    if facts is None:
        words = f"no item has the item number {shown(number)}"
        return Trouble("item-unknown", "item", words, subject("item", number))
    return _measured(usage, facts, PERSON, facts.number)


def _measured(usage: Usage, facts: Facts, field: str, entry: Entry) -> _Chosen | Trouble:
    by = factor(usage, entry, facts, usage.facility or "")
    return by if isinstance(by, Trouble) else _Chosen(facts, field, *by)


def _stock(facts: Facts, location: str, usage: Usage) -> Stock | Trouble | None:
    """Whose the item is at a location: the row for it, else the one for all."""
    facility = usage.facility or ""
    first: Stock | None = None
    several = False
    for row in facts.stock:  # those of the facility come first
        if (
            row.location not in {location, ""}
            or (row.facility and row.facility != facility)
            or not valid(row.valid_from, row.valid_to, usage.used_on)
        ):
            continue
        if first is None or (row.location and not first.location):
            first, several = row, False
        elif (row.location, row.facility) == (first.location, first.facility):
            several = several or (row.ownership, row.supplier) != (first.ownership, first.supplier)
    if several:
        words = f"whose item {facts.number} is differs from row to row of its stock"
        return Trouble("ownership-several", "ownership", words, f"item:{facts.number}")
    return first


def _place(dimension: str, sources: Sequence[str] | None, usage: Usage, catalogue: Catalogue) -> str | Trouble:
    """A location, or a value of a financial dimension: as it was told, else as the department is assigned it."""
    places, day, facility = catalogue.places, usage.used_on, usage.facility or ""
    for source in sources or ():
        told = getattr(usage, source)
        if told is None:
            continue
        if source == "department":
            return _of_department(dimension, told, usage, catalogue)
        if dimension == "location":
            numbers = places.find("location", told, facility, day)
            return numbers[0] if len(numbers) == 1 else _not_one("location", told, numbers)
        if places.dimension(dimension, told, facility, day):
            return str(told)
        words = f"there is no {_word(dimension)} {shown(told)} on the day of use"
        return Trouble(f"{dimension}-unknown", dimension, words, subject(dimension, told))
    words = f"nothing says which {_word(dimension)} it is"
    return Trouble(f"{dimension}-untold", dimension, words, f"{dimension}:")


def _of_department(dimension: str, told: str, usage: Usage, catalogue: Catalogue) -> str | Trouble:
    facility, day = usage.facility or "", usage.used_on
    departments = catalogue.places.find("department", told, facility, day)
    if len(departments) != 1:
        return _not_one("department", told, departments)
    values = catalogue.places.assigned(departments[0], dimension, facility, day)
    if len(values) == 1:
        return values[0]
    how_many = "several values" if values else "none"
    words = f"for the {_word(dimension)} of department {shown(told)} there are {how_many} on the day of use"
    if not values:
        words = f"department {shown(told)} has no {_word(dimension)} on the day of use"
    return Trouble(f"{dimension}-{'several' if values else 'unknown'}", dimension, words, subject("department", told))


def _not_one(kind: str, told: str, numbers: Sequence[str]) -> Trouble:
    if numbers:
        words = f"{len(numbers)} {kind}s are called {shown(told)}"
        return Trouble(f"{kind}-several", kind, words, subject(kind, told))
    return Trouble(f"{kind}-unknown", kind, f"no {kind} is called {shown(told)}", subject(kind, told))


def _word(dimension: str) -> str:
    return dimension.replace("_", " ").replace("center", "centre")
