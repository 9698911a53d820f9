"""What an import changes, refuses and leaves to its owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.canonical.master import Identifier, Item
from casecart.master.export import describe, export_rows
from casecart.master.import_plan import ImportPlan, groups_of, plan_import
from casecart.master.ownership import OwnershipRule
from casecart.master.table_file import DocumentKey, TableRows, read_table_file
from casecart.master.tables import TABLES
from casecart.workspace import GROUPS

if TYPE_CHECKING:
    from casecart.canonical.master import MasterDocument

    Documents = dict[DocumentKey, MasterDocument]

EVERYBODY = OwnershipRule()
ITEMS = "item,description,unit\nA,Screw,EA\nB,Stem,EA\n"
NUMBERS = "item,system,value\nA,ehr,1\nB,ehr,2\n"


def read(name: str, text: str) -> TableRows:
    rows, findings = read_table_file(text.encode(), f"{name}.csv", TABLES[name])
    assert rows is not None, findings
    return rows


def plan(
    current: Documents,
    *,
    source: str = "erp",
    owners: OwnershipRule = EVERYBODY,
    part: bool = False,
    **tables: str,
) -> ImportPlan:
    made = [read(name.replace("_", "-"), text) for name, text in tables.items()]
    return plan_import(current, made, source=source, owners=owners, part=part, facilities={"NORTH"})


def brought_in(current: Documents, **options: object) -> Documents:
    made = plan(current, **options)  # type: ignore[arg-type]  # options of plan
    assert not made.refused, made.findings
    after = dict(current)
    for change in made.changes:
        if change.after is None:
            del after[change.key]
        else:
            after[change.key] = change.after
    return after


@pytest.fixture
def there() -> Documents:
    return brought_in({}, items=ITEMS, identifiers=NUMBERS)


def item(documents: Documents, number: str) -> Item:
    found = documents[DocumentKey("item", "", number)]
    assert isinstance(found, Item)
    return found


def told(made: ImportPlan) -> list[str]:
    return [f"{each.place} {each.code} {each.message}" for each in made.findings]


def test_documents_and_what_is_in_them_come_in_together(there: Documents) -> None:
    assert item(there, "A").identifiers == (Identifier(system="ehr", value="1", source="erp"),)


def test_the_same_again_changes_nothing(there: Documents) -> None:
    again = plan(there, items=ITEMS, identifiers=NUMBERS)
    assert (again.changes, again.conflicts) == ([], [])
    assert [tally.same for tally in again.tallies.values()] == [2, 2]


def test_what_the_file_lacks_is_removed(there: Documents) -> None:
    made = plan(there, items="item,description,unit\nA,Screw,EA\n")
    assert [words for change in made.changes for words in describe(change)] == ["item B: removed"]
    assert made.tallies["items"].removed == 1


def test_of_a_part_nothing_is_removed(there: Documents) -> None:
    made = plan(there, items="item,description\nA,Bone screw\n", part=True)
    assert [words for change in made.changes for words in describe(change)] == [
        "item A: description 'Screw' → 'Bone screw'"
    ]


def test_a_column_that_the_file_lacks_says_nothing_and_an_empty_cell_says_none(there: Documents) -> None:
    after = brought_in(there, items="item,description\nA,\nB,Stem\n")
    assert (item(after, "A").description, item(after, "A").unit) == (None, "EA")


def test_each_system_has_its_own_rows_of_a_table(there: Documents) -> None:
    after = brought_in(there, identifiers="item,system,value\nA,charge,C\n", source="ehr")
    assert [row.source for row in item(after, "A").identifiers] == ["erp", "ehr"]


def test_what_a_system_does_not_own_is_a_conflict_and_changes_nothing(there: Documents) -> None:
    owners = OwnershipRule({"item": {"description": frozenset({"erp"})}})
    made = plan(there, items="item,description,unit\nA,Other,CS\nB,Stem,EA\n", source="ehr", owners=owners)
    (conflict,) = made.conflicts
    assert (conflict.group, dict(conflict.proposal)) == ("description", {"description": "Other"})
    assert [words for change in made.changes for words in describe(change)] == ["item A: unit 'EA' → 'CS'"]


def test_a_facility_can_have_other_owners() -> None:
    everywhere = {"item": {"stock": frozenset({"erp"})}}
    rule = OwnershipRule(everywhere, {"NORTH": {"item": {"stock": frozenset({"north"})}}})
    assert [rule.may(who, "item", "stock", where) for who in ("erp", "north") for where in ("", "NORTH")] == [
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"identifiers": "item,system,value\nB,ehr,1\n"}, "identifiers.csv:2:3 duplicate-identifier"),
        ({"identifiers": "item,system,value\nB,item,A\n"}, "identifiers.csv:2:3 duplicate-identifier"),
        ({"identifiers": "item,system,value\nC,ehr,9\n"}, "identifiers.csv:2:1 unknown-name column item"),
        (
            {"substitutes": "item,substitute\nA,B\nB,A\n"},
            "cyclic-substitute column substitute: a circle of substitutes",
        ),
        ({"substitutes": "item,substitute\nA,A\n"}, "cyclic-substitute"),
        ({"substitutes": "item,substitute\nA,Z\n"}, "substitutes.csv:2:2 unknown-name column substitute: there is no"),
        ({"units": "item,unit,quantity\nA,BX,2\nA,BX,3\n"}, "units.csv:3:1 duplicate-row"),
        ({"items": "item\nA\nA\n"}, "items.csv:3:1 duplicate-row"),
        ({"items": "item,facility\nA,SOUTH\n"}, "items.csv:2:2 unknown-name column facility: there is no facility"),
        ({"stock": "item,location,ownership\nA,X,owned\n"}, "stock.csv:2:2 unknown-name column location"),
        ({"lots": "item,lot\nZ,L\n"}, "lots.csv:2:1 unknown-name column item"),
        (
            {"departments": "department\nD\n", "assignments": "department,dimension,value\nD,location,X\n"},
            "assignments.csv:2:3 unknown-name column value: there is no location 'X'",
        ),
    ],
)
def test_what_does_not_fit_together_refuses_everything(there: Documents, tables: dict[str, str], words: str) -> None:
    source = "ehr" if "identifiers" in tables else "erp"
    made = plan(there, source=source, part=True, **tables)  # type: ignore[arg-type]  # names of tables only
    assert made.refused
    assert any(words in finding for finding in told(made)), told(made)


def test_one_number_may_name_two_items_one_after_the_other(there: Documents) -> None:
    rows = "item,system,value,valid_from,valid_to\nA,GS1,04012345000016,,2026-06-30\nB,GS1,04012345000016,2026-07-01,\n"
    assert not plan(there, source="x", identifiers=rows).refused
    assert plan(there, source="x", identifiers=rows.replace("2026-07-01", "2026-06-30")).refused


def test_a_charge_code_may_have_several_items(there: Documents) -> None:
    assert not plan(there, source="x", identifiers="item,system,value\nA,charge,C\nB,charge,C\n").refused


def test_a_facility_may_know_an_item_by_a_number_that_is_anothers_elsewhere(there: Documents) -> None:
    assert not plan(there, source="x", identifiers="item,system,value,facility\nB,ehr,1,NORTH\n").refused


def test_the_groups_of_fields_are_those_of_the_ownership_file() -> None:
    made: dict[str, set[str]] = {}
    for table in TABLES.values():
        groups = set(groups_of(table)) if table.row is None else {table.attribute}
        made.setdefault(table.kind, set()).update(groups)
    assert made == {kind: set(groups) for kind, groups in GROUPS.items()}


TEXTS = st.text(alphabet="ABCab 12-./", min_size=1, max_size=6).map(str.strip).filter(bool)
FLAGS = st.sampled_from(["yes", "no", ""])


@given(
    st.lists(st.tuples(TEXTS, TEXTS, FLAGS, st.sampled_from(["", "2026-01-31"])), unique_by=lambda row: row[0]),
    st.data(),
)
def test_to_import_what_was_exported_changes_nothing(
    rows: list[tuple[str, str, str, str]], data: st.DataObject
) -> None:
    items = "item,description,lot,valid_to\n" + "".join(",".join(row) + "\n" for row in rows)
    names = [row[0] for row in rows]
    numbers = (
        data.draw(st.lists(st.tuples(st.sampled_from(names), TEXTS), max_size=5, unique_by=lambda n: n[1]))
        if names
        else []
    )
    units = "item,unit,quantity\n" + "".join(f"{name},{unit},3/2\n" for name, unit in numbers)
    current = brought_in({}, items=items, units=units)
    exported = {}
    for name in ("items", "units"):
        lines = list(export_rows(TABLES[name], current.items()))
        exported[name] = "".join(",".join(line) + "\n" for line in lines)
    again = plan(current, **exported)  # type: ignore[arg-type]  # names of tables only
    assert (again.changes, again.findings) == ([], [])
