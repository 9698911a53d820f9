"""Which item: a charge code never decides for a product, and a number with two meanings is a question."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from casecart.canonical import Usage
from casecart.canonical.master import Identifier, Item, MasterDocument, Name, Stock, Supplier, Unit, key_of
from casecart.master.catalogue import Catalogue
from casecart.rules import Trouble, compile_resolve
from casecart.rules.item import ORDER
from support.master import kind_of

DAY = date(2026, 11, 3)


def resolved(
    *documents: MasterDocument,
    decided: str | None = None,
    order: tuple[str, ...] = ORDER,
    **said: Any,  # noqa: ANN401 - fields of a usage
) -> Usage | tuple[Trouble, ...]:
    catalogue = Catalogue()
    for each in documents:
        catalogue.put(kind_of(each), "", key_of(each), each)
    resolve = compile_resolve(item=order, location=None, supplier=None, cost_center=None, gl_account=None)
    usual: dict[str, Any] = {"facility": "NORTH", "used_on": DAY, "quantity": Decimal(2)}
    return resolve(Usage(**usual | said), catalogue, decided)


def codes(found: Usage | tuple[Trouble, ...]) -> list[str]:
    assert isinstance(found, tuple)
    return [each.code for each in found]


BOTH = Item(
    number="A",
    unit="EA",
    identifiers=(
        Identifier(system="catalog", value="C", issuer="one", quantity="10", unit="BX"),
        Identifier(system="catalog", value="C", issuer="two"),
    ),
    units=(Unit(unit="CS", quantity="100"),),
)


def test_a_number_of_two_packagings_is_a_question() -> None:
    assert codes(resolved(BOTH, catalog_number="C")) == ["item-several"]


@pytest.mark.parametrize(
    ("said", "quantity"),
    [
        ({"manufacturer": "one"}, 20),
        ({"manufacturer": "two"}, 2),
        ({"unit": "BX"}, 20),
        ({"unit": "EA"}, 2),
        ({"unit": "CS"}, 200),
    ],
)
def test_what_else_was_told_says_which_packaging_is_meant(said: dict[str, Any], quantity: int) -> None:
    found = resolved(BOTH, catalog_number="C", **said)
    assert isinstance(found, Usage)
    assert found.quantity == quantity


def test_a_person_can_decide_for_an_item_of_two_packagings() -> None:
    found = resolved(BOTH, catalog_number="C", decided="A")
    assert isinstance(found, Usage)
    assert (found.item, found.quantity) == ("A", Decimal(2))


CHARGED = Item(
    number="A",
    identifiers=(
        Identifier(system="charge", value="C"),
        Identifier(system="ehr", value="E"),
        Identifier(system="charge", value="OLD", valid_to=date(2026, 1, 1)),
    ),
)


def test_a_number_behind_a_charge_code_in_the_order_still_decides() -> None:
    found = resolved(CHARGED, order=("di", "charge_code", "ehr_item"), di="1", charge_code="C", ehr_item="E")
    assert isinstance(found, Usage)
    assert found.found_by == "ehr_item"


def test_an_old_charge_code_does_not_hide_the_number_that_nobody_knows() -> None:
    found = resolved(CHARGED, di="1", charge_code="OLD")
    assert codes(found) == ["item-unknown"]


def test_a_charge_code_alone_may_be_too_old() -> None:
    assert codes(resolved(CHARGED, charge_code="OLD")) == ["item-not-valid"]


def test_a_suppliers_number_is_found_by_any_name_of_the_supplier() -> None:
    item = Item(number="A", identifiers=(Identifier(system="supplier", value="S", issuer="V-1"),))
    acme = Supplier(number="V-1", names=(Name(system="ehr", value="Acme"),))
    found = resolved(item, acme, supplier_item="S", supplier="Acme")
    assert isinstance(found, Usage)
    assert found.item == "A"
    assert codes(resolved(item, acme, supplier_item="S", supplier="Other")) == ["item-unknown"]


def test_everything_that_is_wrong_with_a_line_is_told_at_once() -> None:
    catalogue = Catalogue()
    catalogue.put("item", "", "A", Item(number="A"))
    resolve = compile_resolve(
        item=ORDER, location=["location"], supplier=["supplier"], cost_center=None, gl_account=None
    )
    half = Usage(item="A", quantity=Decimal("0.5"), supplier="X", location="Y")
    unknown = Usage(item="B", supplier="X")
    assert codes(resolve(half, catalogue, None)) == ["location-unknown", "quantity-fraction", "supplier-unknown"]
    assert codes(resolve(unknown, catalogue, None)) == ["location-untold", "item-unknown", "supplier-unknown"]


def test_rows_of_stock_that_say_two_owners_are_a_question() -> None:
    old = Stock(ownership="consigned", supplier="V-1", valid_to=date(2026, 6, 30))
    new = Stock(ownership="owned", valid_from=date(2026, 7, 1))
    item = Item(number="A", stock=(old, new))
    assert codes(resolved(item, item="A", used_on=None)) == ["ownership-several"]
    found = resolved(item, item="A")
    assert isinstance(found, Usage)
    assert found.ownership == "owned"
