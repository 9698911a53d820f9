"""What a system that was asked brings in, and what it takes back by saying no more of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.canonical.master import Identifier, Item, Unit
from casecart.master.import_plan import ImportPlan, plan_import
from casecart.master.ownership import OwnershipRule
from casecart.master.pulled import Known, Pulled, pulled
from casecart.master.table_file import DocumentKey

if TYPE_CHECKING:
    from casecart.canonical.master import MasterDocument

EVERYBODY = OwnershipRule()
A, B = DocumentKey("item", "", "A"), DocumentKey("item", "", "B")
FIRST, SECOND = "09521101530018", "04012345000023"

Rows = dict[str, list[dict[str, str]]]


def gtin(value: str = FIRST, *, source: str = "erp", **more: str) -> Identifier:
    return Identifier(system="GS1", value=value, source=source, **more)  # type: ignore[arg-type]  # texts only


def known(*items: Item, maker: str = "erp", owners: OwnershipRule = EVERYBODY) -> Known:
    documents: dict[DocumentKey, MasterDocument] = {DocumentKey("item", "", item.number): item for item in items}
    return Known(documents, dict.fromkeys(documents, maker), owners)


def asked(*items: str, **numbers: str) -> dict[str, list[dict[str, str]]]:
    """Items, and a GTIN of some of them."""
    return {
        "items": [{"item": item, "description": "x"} for item in items],
        "identifiers": [{"item": item, "system": "GS1", "value": value} for item, value in numbers.items()],
    }


def planned(said: Rows, before: Known, systems: frozenset[str] = frozenset({"GS1"})) -> tuple[ImportPlan, Pulled]:
    made = pulled(said, before, source="erp", systems=systems, origin="tryton")
    assert not [finding for finding in made.findings if finding.severity == "error"]
    plan = plan_import(
        before.documents,
        made.tables,
        source="erp",
        owners=before.owners,
        part=False,
        facilities=(),
        reach=made.reach,
    )
    return plan, made


def after(said: Rows, before: Known, key: DocumentKey = A) -> MasterDocument | None:
    plan, _ = planned(said, before)
    assert plan.findings == []
    return {change.key: change.after for change in plan.changes}.get(key, before.documents.get(key))


def identifiers(said: Rows, *there: Identifier) -> list[tuple[str, str, str]]:
    item = after(said, known(Item(number="A", description="x", identifiers=there)))
    assert isinstance(item, Item)
    return [(each.source, each.value, each.quantity) for each in item.identifiers]


def test_an_identifier_that_the_system_has_no_more_is_removed() -> None:
    assert identifiers(asked("A"), gtin()) == []


@pytest.mark.parametrize(
    "other",
    [
        gtin(SECOND, source="gudid"),
        Identifier(system="ehr", value="E-1", source="erp"),
        Identifier(system="HIBCC", value="H123CS65300", source="erp"),
        gtin(SECOND, quantity="10"),
        gtin(SECOND, unit="BX"),
        gtin(SECOND, facility="NORTH"),
    ],
    ids=["another's", "of another kind", "of a kind it does not tell", "of ten", "of a box", "of a facility"],
)
def test_an_identifier_that_the_system_can_not_say_stays(other: Identifier) -> None:
    assert identifiers(asked("A", A=FIRST), other) == [
        (other.source, other.value, other.quantity),
        ("erp", FIRST, "1"),
    ]


@pytest.mark.parametrize("source", ["erp", "gudid"])
def test_a_number_that_is_known_to_be_of_ten_stays_one_of_ten(source: str) -> None:
    assert identifiers(asked("A", A=FIRST), gtin(source=source, quantity="10")) == [(source, FIRST, "10")]


def test_a_number_that_another_system_told_too_is_told_by_both() -> None:
    assert identifiers(asked("A", A=FIRST), gtin(source="gudid")) == [("gudid", FIRST, "1"), ("erp", FIRST, "1")]


def test_an_item_that_the_system_brought_in_and_has_no_more_is_removed() -> None:
    assert after(asked("B"), known(Item(number="A", identifiers=(gtin(),)))) is None


def test_an_item_that_another_system_brought_in_stays() -> None:
    item = Item(number="A")
    assert after(asked("B"), known(item, maker="ehr")) == item


def test_an_item_of_which_others_said_something_stays_without_what_the_system_said() -> None:
    others = (gtin(SECOND, source="gudid"),)
    before = known(Item(number="A", identifiers=(*others, gtin())))
    assert after(asked("B"), before) == Item(number="A", identifiers=others)
    (warning,) = planned(asked("B"), before)[1].findings
    assert (warning.severity, "item A: no longer there" in warning.message) == ("warning", True)


def test_what_it_has_no_word_for_is_not_taken_back() -> None:
    item = Item(number="A", description="x", unit="EA", expiry=True, units=(Unit(unit="BX", quantity="10"),))
    assert after(asked("A"), known(item)) == item


def test_a_facilitys_own_item_stays() -> None:
    local, item = DocumentKey("item", "NORTH", "A"), Item(number="A", identifiers=(gtin(),))
    before = Known({local: item}, {local: "erp"}, EVERYBODY)
    assert after(asked("B"), before, local) == item


def test_what_belongs_to_an_item_that_the_system_may_not_bring_in_waits_for_it() -> None:
    owners = OwnershipRule({"item": {"description": frozenset({"mdm"})}})
    said = asked("A", "B", A=FIRST, B=SECOND) | {"lots": [{"item": "A", "lot": "L"}, {"item": "B", "lot": "L"}]}
    plan, _ = planned(said, known(Item(number="B", description="x"), owners=owners))
    assert not plan.refused
    assert [(each.key, each.group) for each in plan.conflicts] == [(A, "description")]
    assert sorted(change.key.key for change in plan.changes) == ["B", "B\x1fL"]


def test_a_mistake_names_what_it_is_about() -> None:
    taken = known(Item(number="B", identifiers=(gtin(source="gudid"),)), maker="gudid")
    plan, made = planned(asked("A", "B", A=FIRST), taken)
    (finding,) = map(made.named, plan.findings)
    assert str(finding) == (
        "tryton/identifiers:2:3 error duplicate-identifier A GS1 09521101530018: column value: the number is one of "
        "item B too; an item must be told by it alone"
    )


def test_a_cell_that_no_table_may_have_is_told_with_its_row() -> None:
    said = {"lots": [{"item": "A", "lot": "L", "expiry": "2026-02-30"}]}
    made = pulled(said, known(), source="erp", systems=(), origin="tryton")
    assert [str(each) for each in made.findings] == [
        "tryton/lots:2:3 error table-row A L 2026-02-30: column expiry: there is no such day"
    ]
