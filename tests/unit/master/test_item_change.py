"""From the documents of an item to what another system is told of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from casecart.canonical.item_change import (
    ItemChange,
    ItemPackaging,
    ItemStock,
    ItemSupplier,
    NotAnItem,
    decode_item_change,
    encode_item_change,
)
from casecart.canonical.master import Identifier, Item, Stock, Unit
from casecart.master.item_change import ItemState, item_change

DAY = date(2026, 11, 3)
NAMES = {"ORTHO": "Example Orthopaedics"}


def change(*documents: Item, receiver: str = "") -> ItemChange:
    return item_change("NORTH", ItemState(documents, 7, DAY), receiver=receiver, name_of=NAMES.get)


def identifier(
    system: str, value: str, issuer: str = "", quantity: str = "1", unit: str = "", **more: object
) -> Identifier:
    return Identifier(system=system, value=value, issuer=issuer, quantity=quantity, unit=unit, **more)  # type: ignore[arg-type]  # fields of it


def test_what_the_facility_says_stands_over_what_holds_everywhere() -> None:
    local = Item(number="I", description="here", lot=False)
    told = change(local, Item(number="I", description="everywhere", brand="B", lot=True, serial=True))
    assert (told.description, told.brand, told.lot, told.serial, told.expiry) == ("here", "B", "no", "yes", None)


def test_rows_are_those_of_the_facility_first_and_none_of_another_or_of_the_past() -> None:
    rows = (
        identifier("GS1", "1"),
        identifier("GS1", "2", facility="NORTH"),
        identifier("GS1", "3", facility="SOUTH"),
        identifier("GS1", "4", valid_to=date(2026, 11, 2)),
        identifier("GS1", "5", valid_to=DAY),
        identifier("GS1", "6", valid_from=date(2027, 1, 1)),
    )
    assert [each.value for each in change(Item(number="I", identifiers=rows)).numbers] == ["2", "1", "5", "6"]


def test_units_and_gtins_of_one_quantity_are_one_packaging_and_the_own_unit_is_the_first() -> None:
    item = Item(
        number="I",
        unit="EA",
        identifiers=(identifier("GS1", "BOX", quantity="10"), identifier("GS1", "EACH"), identifier("HIBCC", "H")),
        units=(Unit(unit="BX", quantity="10"), Unit(unit="CS", quantity="100"), Unit(unit="TH", quantity="1/3")),
    )
    assert change(item).packagings == (
        ItemPackaging(number=1, unit="EA", quantity=Decimal(1), gtin="EACH"),
        ItemPackaging(number=2, unit="BX", quantity=Decimal(10), gtin="BOX"),
        ItemPackaging(number=3, unit="CS", quantity=Decimal(100)),
        ItemPackaging(number=4, unit="TH"),  # a third has no end
    )


@pytest.mark.parametrize(("quantity", "decimal"), [("1/2", Decimal("0.5")), ("3/8", Decimal("0.375")), ("2/3", None)])
def test_a_fraction_is_told_where_it_is_a_decimal_number(quantity: str, decimal: Decimal | None) -> None:
    item = Item(number="I", units=(Unit(unit="X", quantity=quantity),))
    assert change(item).packagings == (ItemPackaging(number=1, unit="X", quantity=decimal),)


def test_an_item_without_anything_is_told_all_the_same() -> None:
    told = change(Item(number="I"))
    assert told == ItemChange(facility="NORTH", item="I", version=7, changed_on=DAY)


def test_suppliers_have_their_names_and_numbers() -> None:
    item = Item(
        number="I",
        supplier="ORTHO",
        identifiers=(
            identifier("supplier", "71-BOX", "ORTHO", "10"),
            identifier("supplier", "71", "ORTHO"),
            identifier("supplier", "T-6", "TRADE"),
        ),
    )
    told = change(item)
    assert (told.supplier, told.supplier_name, told.supplier_item) == ("ORTHO", "Example Orthopaedics", "71")
    assert told.other_suppliers == (ItemSupplier(number=2, supplier="TRADE", supplier_item="T-6"),)


@pytest.mark.parametrize(("receiver", "number"), [("ORSYS", "E-1"), ("orsys", "E-1"), ("OTHER", None), ("", None)])
def test_the_receivers_own_number_is_told_where_it_is_known(receiver: str, number: str | None) -> None:
    item = Item(number="I", identifiers=(identifier("ehr", "E-2", "ELSE"), identifier("ehr", "E-1", "ORSYS")))
    assert change(item, receiver=receiver).ehr_item == number


def test_stock_is_told_by_location() -> None:
    rows = (
        Stock(ownership="owned"),
        Stock(location="OR", ownership="consigned", supplier="ORTHO"),
        Stock(location="WARD", ownership="owned", facility="SOUTH"),
    )
    told = change(Item(number="I", stock=rows))
    assert told.stock == (ItemStock(number=1, location="OR", ownership="consigned", supplier="ORTHO"),)


def test_the_same_item_is_the_same_bytes_and_is_read_again() -> None:
    item = Item(number="I", unit="EA", identifiers=(identifier("GS1", "1"),), valid_to=DAY)
    assert encode_item_change(change(item)) == encode_item_change(change(item))
    assert decode_item_change(encode_item_change(change(item))) == change(item)


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 100_000, b'{"facility":1}', b"MSH|^~\\&|"])
def test_bytes_that_are_no_item_are_told_without_content(data: bytes) -> None:
    with pytest.raises(NotAnItem, match="It is no item as casecart writes one"):
        decode_item_change(data)
