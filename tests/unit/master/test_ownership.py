"""Who may say what of the master data, facility by facility."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.canonical.master import Item, Location, Stock
from casecart.master.import_plan import ImportPlan, plan_import
from casecart.master.ownership import WORKLIST, OwnershipRule
from casecart.master.table_file import DocumentKey, read_table_file
from casecart.master.tables import TABLES

if TYPE_CHECKING:
    from casecart.canonical.master import MasterDocument

KEY = DocumentKey("item", "", "A")
ERP, NORTH = frozenset({"erp"}), frozenset({"north"})
RULE = OwnershipRule({"item": {"stock": ERP, "description": ERP}}, {"NORTH": {"item": {"stock": NORTH}}})
KNOWN = Stock(location="", ownership="owned", facility="NORTH", source="erp")


def planned(name: str, text: str, *stock: Stock, source: str, part: bool = False) -> ImportPlan:
    rows, findings = read_table_file(text.encode(), f"{name}.csv", TABLES[name])
    assert rows is not None, findings
    current: dict[DocumentKey, MasterDocument] = {
        KEY: Item(number="A", stock=stock),
        DocumentKey("location", "", "OR"): Location(number="OR"),
    }
    return plan_import(current, [rows], source=source, owners=RULE, part=part, facilities={"NORTH", "SOUTH"})


def stock_after(plan: ImportPlan) -> list[tuple[str, str]]:
    """Facility and ownership of the rows, where the item is another one."""
    (change,) = plan.changes
    assert isinstance(change.after, Item)
    return [(row.facility, row.ownership) for row in change.after.stock]


def test_a_row_for_a_facility_is_the_facilitys_owners_to_say() -> None:
    plan = planned("stock", "item,ownership,facility\nA,consigned,NORTH\n", source="north")
    assert (stock_after(plan), plan.conflicts) == ([("NORTH", "consigned")], [])


def test_a_row_for_a_facility_is_not_the_general_owners_to_say() -> None:
    plan = planned("stock", "item,ownership,facility\nA,consigned,NORTH\nA,loaner,SOUTH\n", source="erp")
    (conflict,) = plan.conflicts
    assert (stock_after(plan), conflict.owners) == ([("SOUTH", "loaner")], NORTH)


def test_the_proposal_has_all_that_was_said() -> None:
    plan = planned("stock", "item,ownership,facility\nA,consigned,NORTH\nA,loaner,SOUTH\n", source="erp")
    assert [row.facility for row in plan.conflicts[0].proposal["stock"]] == ["NORTH", "SOUTH"]


@pytest.mark.parametrize(
    "text",
    ["item,ownership,facility\n", "item,ownership,facility\nA,consigned,NORTH\n"],
    ids=["it is not in the file any more", "it is another one in the file"],
)
def test_a_row_that_its_source_may_not_change_stays(text: str) -> None:
    plan = planned("stock", text, KNOWN, source="erp")
    assert (plan.changes, len(plan.conflicts)) == ([], 1)
    assert (plan.tallies["stock"].removed, plan.tallies["stock"].same) == (0, 1)


def test_a_row_that_is_said_again_is_no_conflict() -> None:
    plan = planned("stock", "item,ownership,facility\nA,owned,NORTH\n", KNOWN, source="erp")
    assert (plan.changes, plan.conflicts) == ([], [])


def test_that_there_is_an_item_is_its_owners_to_say() -> None:
    plan = planned("items", "item,unit\nB,EA\n", source="ehr", part=True)
    (conflict,) = plan.conflicts
    assert (plan.changes, conflict.key.key, conflict.group) == ([], "B", "description")
    assert dict(conflict.proposal) == {"unit": "EA"}


def test_what_the_worklist_may_always_say_is_a_number() -> None:
    rule = OwnershipRule({"item": {"identifiers": ERP, "units": ERP}})
    assert [rule.may(WORKLIST, "item", group, "") for group in ("identifiers", "units")] == [True, False]


@pytest.mark.parametrize(
    ("kind", "group", "everybodys"),
    [("item", "stock", False), ("item", "units", True), ("supplier", "names", True)],
)
def test_a_group_that_nobody_owns_anywhere_is_everybodys(kind: str, group: str, everybodys: bool) -> None:  # noqa: FBT001 - a column of the table
    assert RULE.everybodys(kind, group) is everybodys


def test_a_group_that_has_an_owner_at_one_facility_only_is_not_everybodys() -> None:
    assert not OwnershipRule({}, {"NORTH": {"item": {"stock": NORTH}}}).everybodys("item", "stock")


def test_rows_that_stay_stay_in_their_order() -> None:
    others = Stock(location="OR", ownership="owned", source="mm")
    plan = planned("stock", "item,ownership,facility\nA,consigned,NORTH\n", KNOWN, others, source="erp")
    assert (plan.changes, len(plan.conflicts)) == ([], 1)
