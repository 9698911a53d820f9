"""Quantities in the item's unit: exactly, of the facility's packaging, and never with the wrong unit."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from casecart.canonical import Usage
from casecart.canonical.master import Identifier, Item, Unit
from casecart.master.catalogue import Catalogue
from casecart.rules import Trouble, compile_resolve
from casecart.rules.item import ORDER

UNITS = (
    Unit(unit="BX", quantity="10"),
    Unit(unit="BX", quantity="5", facility="NORTH"),
    Unit(unit="CS", quantity="100", valid_to=date(2026, 6, 30)),
    Unit(unit="CS", quantity="120", valid_from=date(2026, 7, 1)),
)


def resolved(item: Item, usage: Usage) -> Usage | tuple[Trouble, ...]:
    catalogue = Catalogue()
    catalogue.put("item", "", "A", item)
    resolve = compile_resolve(item=ORDER, location=None, supplier=None, cost_center=None, gl_account=None)
    return resolve(usage, catalogue, None)


@pytest.mark.parametrize(
    ("facility", "unit", "day", "quantity"),
    [
        ("NORTH", "BX", date(2026, 11, 3), 5),
        ("SOUTH", "BX", date(2026, 11, 3), 10),
        ("NORTH", "CS", date(2026, 6, 30), 100),
        ("NORTH", "CS", date(2026, 7, 1), 120),
    ],
)
def test_a_unit_is_what_it_is_at_the_facility_on_the_day(facility: str, unit: str, day: date, quantity: int) -> None:
    usage = Usage(item="A", facility=facility, unit=unit, used_on=day, quantity=Decimal(1))
    found = resolved(Item(number="A", unit="EA", units=UNITS), usage)
    assert isinstance(found, Usage)
    assert found.quantity == quantity


def test_a_unit_that_changed_is_a_question_when_no_day_was_told() -> None:
    found = resolved(Item(number="A", unit="EA", units=UNITS), Usage(item="A", unit="CS", quantity=Decimal(1)))
    assert isinstance(found, tuple)
    assert [(each.code, each.subject) for each in found] == [("unit-several", "unit:CS item:A")]


@pytest.mark.parametrize("told", ["1" + "0" * 30, "9" * 60, "9" * 60 + ".0"])
def test_a_quantity_may_have_any_number_of_digits(told: str) -> None:
    found = resolved(Item(number="A", unit="EA"), Usage(item="A", quantity=Decimal(told)))
    assert isinstance(found, Usage)
    assert found.quantity == Decimal(told)


def test_a_fraction_with_any_number_of_digits_is_one() -> None:
    found = resolved(Item(number="A", unit="EA"), Usage(item="A", quantity=Decimal("9" * 60 + ".5")))
    assert isinstance(found, tuple)
    assert found[0].code in {"quantity-fraction", "quantity-inexact"}


def test_what_was_multiplied_has_not_the_unit_that_was_told() -> None:
    box = Identifier(system="GS1", value="14012345000013", quantity="10", unit="BX")
    found = resolved(Item(number="A", identifiers=(box,)), Usage(di="14012345000013", unit="BX", quantity=Decimal(2)))
    assert isinstance(found, Usage)
    assert (found.quantity, found.unit, found.told_unit) == (Decimal(20), None, "BX")
