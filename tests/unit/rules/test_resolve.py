"""Resolve, rule by rule: one item, its quantity, its place, or a question for a person."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from casecart.canonical import Usage
from casecart.canonical.master import (
    Assignment,
    Department,
    Dimension,
    Identifier,
    Item,
    Location,
    MasterDocument,
    Stock,
    Supplier,
    Unit,
    key_of,
)
from casecart.master.catalogue import Catalogue
from casecart.rules import Trouble, compile_resolve
from casecart.rules.item import ORDER
from casecart.rules.trouble import CODES
from support.master import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

EACH, BOX = "04012345000016", "14012345000013"
DAY = date(2026, 11, 3)


def row(system: str, value: str, **said: Any) -> Identifier:  # noqa: ANN401 - fields of an identifier
    return Identifier(system=system, value=value, **said)  # type: ignore[arg-type]  # one of the systems


SCREW = Item(
    number="SCREW",
    unit="EA",
    identifiers=(
        row("GS1", EACH),
        row("GS1", BOX, quantity="10", unit="BX"),
        row("HIBCC", "H123CS350"),
        row("catalog", "CS-35", issuer="Example"),
        row("ehr", "E-1"),
        row("supplier", "S-1", issuer="ACME"),
        row("charge", "C-1"),
        row("ehr", "OLD", valid_to=date(2026, 10, 31)),
    ),
    units=(Unit(unit="CS", quantity="100"), Unit(unit="THIRD", quantity="1/3")),
)
STEM_12 = Item(number="STEM-12", unit="EA", identifiers=(row("GS1", "00643169001763"), row("charge", "C-STEM")))
STEM_13 = Item(number="STEM-13", unit="EA", identifiers=(row("ehr", "E-13"), row("charge", "C-STEM")))
MESH = Item(
    number="MESH", unit="cm2", fractions=True, identifiers=(row("ehr", "M"),), units=(Unit(unit="PC", quantity="1/3"),)
)
OR = Department(
    number="OR",
    assignments=(Assignment(dimension="location", value="CORE"), Assignment(dimension="cost_center", value="7100")),
)


def catalogue(*documents: MasterDocument, facility: str = "") -> Catalogue:
    made = Catalogue()
    for each in (SCREW, STEM_12, STEM_13, MESH, OR, Location(number="CORE"), *documents):
        made.put(kind_of(each), facility, key_of(each), each)
    return made


def resolved(
    usage: Usage,
    *documents: MasterDocument,
    decided: str | None = None,
    order: Sequence[str] = ORDER,
    **steps: Any,  # noqa: ANN401 - fields of a step
) -> Usage | tuple[Trouble, ...]:
    given: dict[str, Any] = {"location": None, "supplier": None, "cost_center": None, "gl_account": None, **steps}
    resolve = compile_resolve(item=order, **given)
    known = catalogue(*documents)
    found = resolve(usage, known, decided)
    assert resolve(usage, known, decided) == found  # also from memory
    return found


def line(**said: Any) -> Usage:  # noqa: ANN401 - fields of a usage
    usual: dict[str, Any] = {"facility": "NORTH", "used_on": DAY, "quantity": Decimal(2), "department": "OR"}
    return Usage(**usual | said)


def trouble(found: Usage | tuple[Trouble, ...]) -> Trouble:
    assert isinstance(found, tuple)
    (only,) = found
    assert only.code in CODES
    return only


@pytest.mark.parametrize(
    ("said", "item", "found_by", "quantity"),
    [
        ({"di": EACH}, "SCREW", "di", "2"),
        ({"di": EACH[1:]}, "SCREW", "di", "2"),
        ({"di": BOX}, "SCREW", "di", "20"),
        ({"di": "H123CS350"}, "SCREW", "di", "2"),
        ({"catalog_number": "CS-35", "manufacturer": "EXAMPLE"}, "SCREW", "catalog_number", "2"),
        ({"catalog_number": "CS-35"}, "SCREW", "catalog_number", "2"),
        ({"item": "SCREW"}, "SCREW", "item", "2"),
        ({"ehr_item": "E-1"}, "SCREW", "ehr_item", "2"),
        ({"supplier_item": "S-1", "supplier": "ACME"}, "SCREW", "supplier_item", "2"),
        ({"charge_code": "C-1"}, "SCREW", "charge_code", "2"),
        ({"di": EACH, "charge_code": "C-1"}, "SCREW", "di", "2"),
        ({"di": "00643169001763", "charge_code": "C-STEM"}, "STEM-12", "di", "2"),
        ({"charge_code": "C-STEM", "ehr_item": "E-13"}, "STEM-13", "ehr_item", "2"),
        ({"di": "04012345000047", "item": "SCREW"}, "SCREW", "item", "2"),
    ],
)
def test_a_line_is_found_by_the_most_exact_number_that_is_known(
    said: dict[str, Any], item: str, found_by: str, quantity: str
) -> None:
    found = resolved(line(**said))
    assert isinstance(found, Usage)
    assert (found.item, found.found_by, str(found.quantity), found.unit) == (item, found_by, quantity, "EA")


@pytest.mark.parametrize(
    ("said", "code", "subject", "words"),
    [
        ({"di": "04012345000047"}, "item-unknown", "di:04012345000047", "no item has the device identifier 0401234500"),
        ({"di": "04012345000047", "charge_code": "C-1"}, "item-unknown", "di:04012345000047", "no item has the device"),
        ({"charge_code": "C-STEM"}, "item-several", "charge_code:C-STEM", "2 items have the charge code C-STEM"),
        ({"di": EACH, "item": "STEM-12"}, "item-conflict", f"di:{EACH} item:STEM-12", "numbers of different items"),
        ({"di": EACH, "charge_code": "C-STEM"}, "item-conflict", f"di:{EACH} charge_code:C-STEM", "different items"),
        ({}, "item-untold", "item:", "told by no number"),
        ({"ehr_item": "OLD"}, "item-not-valid", "ehr_item:OLD", "was no item's on the day of use"),
        ({"catalog_number": "CS-35", "manufacturer": "Other"}, "item-unknown", "catalog_number:CS-35", "no item has"),
        ({"item": "ANNA SMITH"}, "item-unknown", "item:", "no item has the item number that does not look like one"),
        ({"di": EACH, "unit": "PALLET"}, "unit-unknown", "unit:PALLET item:SCREW", "has no unit PALLET"),
        ({"di": EACH, "quantity": Decimal("0.5")}, "quantity-fraction", "item:SCREW", "is used whole"),
        ({"item": "SCREW", "unit": "THIRD", "quantity": Decimal(1)}, "quantity-inexact", "item:SCREW", "no exact"),
    ],
)  # fmt: skip
def test_zero_or_several_is_a_question_and_never_a_pick(
    said: dict[str, Any], code: str, subject: str, words: str
) -> None:
    found = trouble(resolved(line(**said)))
    assert (found.code, found.subject) == (code, subject)
    assert words in found.words
    assert "ANNA" not in found.words


@pytest.mark.parametrize(
    ("said", "quantity", "told", "unit"),
    [
        ({"di": BOX}, "20", "2", "BX"),
        ({"di": BOX, "unit": "EA"}, "2", None, None),
        ({"di": BOX, "unit": "BX"}, "20", "2", "BX"),
        ({"item": "SCREW", "unit": "CS"}, "200", "2", "CS"),
        ({"item": "MESH", "quantity": Decimal("12.5")}, "12.5", None, None),
        ({"item": "MESH", "unit": "PC", "quantity": Decimal("1.5")}, "0.5", "1.5", "PC"),
        ({"item": "SCREW", "unit": "THIRD", "quantity": Decimal(3)}, "1", "3", "THIRD"),
    ],
)
def test_a_quantity_becomes_the_items_own_unit_exactly(
    said: dict[str, Any], quantity: str, told: str | None, unit: str | None
) -> None:
    found = resolved(line(**said))
    assert isinstance(found, Usage)
    assert str(found.quantity) == quantity
    assert (None if found.told_quantity is None else str(found.told_quantity), found.told_unit) == (told, unit)


def test_what_the_order_leaves_out_is_not_looked_at() -> None:
    found = resolved(line(di=EACH, charge_code="C-STEM"), order=["di"])
    assert isinstance(found, Usage)
    assert found.item == "SCREW"


def test_a_person_decides_whatever_the_numbers_say() -> None:
    found = resolved(line(di=EACH, charge_code="C-STEM"), decided="STEM-13")
    assert isinstance(found, Usage)
    assert (found.item, found.found_by) == ("STEM-13", "person")


@pytest.mark.parametrize(
    ("said", "documents", "expected"),
    [
        ({}, (), ("CORE", "7100")),
        ({"location": "CORE"}, (), ("CORE", "7100")),
        ({"cost_center": "9"}, (), ("CORE", "9")),
    ],
)
def test_places_come_from_what_was_told_and_from_the_department(
    said: dict[str, Any], documents: tuple[MasterDocument, ...], expected: tuple[str, str]
) -> None:
    both: dict[str, Any] = {"location": ["location", "department"], "cost_center": ["cost_center", "department"]}
    found = resolved(line(item="SCREW", **said), *documents, **both)
    assert isinstance(found, Usage)
    assert (found.location, found.cost_center) == expected


@pytest.mark.parametrize(
    ("said", "documents", "code"),
    [
        ({"location": "MOON"}, (), "location-unknown"),
        ({"department": "MOON"}, (), "department-unknown"),
        ({"department": None}, (), "location-untold"),
        ({"department": "NEW"}, (Department(number="NEW"),), "location-unknown"),
        (
            {"department": "TWO"},
            (Department(number="TWO", assignments=(*OR.assignments, Assignment(dimension="location", value="B"))),),
            "location-several",
        ),
        ({"cost_center": "9"}, (Dimension(dimension="cost_center", code="1"),), "cost_center-unknown"),
    ],
)
def test_a_place_that_nobody_knows_is_one_question(
    said: dict[str, Any], documents: tuple[MasterDocument, ...], code: str
) -> None:
    both: dict[str, Any] = {"location": ["location", "department"]}
    if "cost_center" in said:
        both = {"cost_center": ["cost_center", "department"]}
    assert trouble(resolved(line(item="SCREW", **said), *documents, **both)).code == code


def test_an_unknown_department_is_one_question_however_much_is_asked_of_it() -> None:
    places: dict[str, Any] = {"location": ["department"], "cost_center": ["department"], "gl_account": ["department"]}
    assert trouble(resolved(line(item="SCREW", department="MOON"), **places)).code == "department-unknown"


CUP = Item(
    number="CUP",
    unit="EA",
    supplier="MAKER",
    stock=(Stock(ownership="owned"), Stock(location="CORE", ownership="consigned", supplier="ACME")),
)


def test_whose_it_is_depends_on_the_location() -> None:
    found = resolved(line(item="CUP"), CUP, location=["department"], supplier=["item"])
    assert isinstance(found, Usage)
    assert (found.ownership, found.supplier) == ("consigned", "ACME")
    elsewhere = resolved(line(item="CUP", location="X"), CUP, supplier=["item"])
    assert isinstance(elsewhere, Usage)
    assert (elsewhere.ownership, elsewhere.supplier) == ("owned", "MAKER")


def test_a_supplier_that_was_told_must_be_known() -> None:
    found = resolved(line(item="SCREW", supplier="V-1"), Supplier(number="V-1"), supplier=["supplier", "item"])
    assert isinstance(found, Usage)
    assert found.supplier == "V-1"
    assert trouble(resolved(line(item="SCREW", supplier="V-2"), supplier=["supplier"])).code == "supplier-unknown"


def test_nobody_guesses_who_owns_what_is_consigned() -> None:
    loose = Item(number="LOOSE", stock=(Stock(ownership="consigned"),))
    assert trouble(resolved(line(item="LOOSE"), loose, supplier=["item"])).code == "supplier-untold"


def test_what_was_remembered_is_forgotten_when_the_catalogue_changes() -> None:
    known = catalogue()
    resolve = compile_resolve(item=ORDER, location=["department"], supplier=None, cost_center=None, gl_account=None)
    usage = line(ehr_item="E-13")
    first = resolve(usage, known, None)
    known.put(
        "department", "", "OR", Department(number="OR", assignments=(Assignment(dimension="location", value="B"),))
    )
    known.put("item", "", "STEM-13", None)
    second = resolve(usage, known, None)
    assert isinstance(first, Usage)
    assert isinstance(second, tuple)
    assert first.location == "CORE"
