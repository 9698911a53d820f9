"""Items of the catalogue: rows of a facility first, and nothing lost when one of two documents goes."""

from __future__ import annotations

from casecart.canonical.master import Identifier, Item, Stock, Unit
from casecart.master.catalogue import Catalogue
from casecart.master.items import Hit, ItemIndex


def test_rows_of_a_facility_come_before_those_that_hold_everywhere() -> None:
    catalogue = Catalogue()
    units = (Unit(unit="BX", quantity="10"), Unit(unit="BX", quantity="5", facility="NORTH"))
    stock = (Stock(ownership="owned"), Stock(ownership="loaner", facility="NORTH"))
    catalogue.put("item", "", "A", Item(number="A", units=units, stock=stock))
    facts = catalogue.items.item("A", "NORTH")
    assert facts is not None
    assert ([row.facility for row in facts.units], [row.facility for row in facts.stock]) == (["NORTH", ""],) * 2


def test_an_overlay_keeps_its_number_when_the_item_everywhere_loses_it() -> None:
    number = "7"  # the interpreter has only one such string, whoever reads it
    catalogue = Catalogue()
    local = Item(number=number, identifiers=(Identifier(system="ehr", value="1", facility="NORTH"),))
    catalogue.put("item", "", number, local)
    catalogue.put("item", "NORTH", number, Item(number=number, identifiers=(Identifier(system="ehr", value="1"),)))
    catalogue.put("item", "", number, Item(number=number))
    assert catalogue.items.find("ehr_item", "1", "NORTH") == number


def test_a_device_identifier_of_an_overlay_is_one_of_the_item_there() -> None:
    catalogue = Catalogue()
    catalogue.put("item", "", "A", Item(number="A", identifiers=(Identifier(system="GS1", value="1"),)))
    catalogue.put("item", "NORTH", "A", Item(number="A", identifiers=(Identifier(system="GS1", value="2"),)))
    here, there = catalogue.items.item("A", "NORTH"), catalogue.items.item("A", "SOUTH")
    assert here is not None
    assert there is not None
    assert (sorted(catalogue.items.device_identifiers(here)), catalogue.items.device_identifiers(there)) == (
        ["1", "2"],
        ["1"],
    )


def test_an_item_is_found_by_the_makers_number_that_stands_with_it() -> None:
    index = ItemIndex()
    index.put("", "A", Item(number="A", manufacturer="Example", catalog_number="CS-1"))
    found = index.find("catalog_number", "CS-1", "")
    assert isinstance(found, Hit)
    assert (found.number, found.issuer) == ("A", "example")
    index.put("", "A", None)
    assert index.find("catalog_number", "CS-1", "") is None
