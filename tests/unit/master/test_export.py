"""Tables as they are handed out again, and changes in words."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.canonical.master import KINDS, SEPARATOR, Item, Stock, Unit
from casecart.master.export import describe, export_rows
from casecart.master.import_plan import DocumentChange, plan_import
from casecart.master.ownership import OwnershipRule
from casecart.master.table_file import DocumentKey, TableRows, read_table_file
from casecart.master.tables import OWNERSHIPS, STATUSES, SYSTEMS, TABLES, Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casecart.canonical.master import MasterDocument
    from casecart.master.import_plan import ImportPlan

KEY = DocumentKey("item", "NORTH", "A")
NUMBERS = st.sampled_from(["A", "B", "C,1", 'D"2'])
TEXTS = st.text(st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=5)
DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))


def in_csv(lines: Sequence[Sequence[str]]) -> bytes:
    made = io.StringIO()
    csv.writer(made).writerows(lines)
    return made.getvalue().encode()


def read(table: Table, lines: Sequence[Sequence[str]]) -> TableRows:
    rows, findings = read_table_file(in_csv(lines), f"{table.name}.csv", table)
    assert rows is not None, findings
    return rows


def planned(current: Mapping[DocumentKey, MasterDocument], tables: Sequence[TableRows]) -> ImportPlan:
    return plan_import(current, tables, source="erp", owners=OwnershipRule(), part=False, facilities={"NORTH"})


def exported(current: Mapping[DocumentKey, MasterDocument]) -> list[TableRows]:
    return [read(table, list(export_rows(table, current.items()))) for table in TABLES.values()]


def applied(current: Mapping[DocumentKey, MasterDocument], plan: ImportPlan) -> dict[DocumentKey, MasterDocument]:
    after = dict(current)
    for change in plan.changes:
        if change.after is None:
            del after[change.key]
        else:
            after[change.key] = change.after
    return after


def cells(column: Column) -> st.SearchStrategy[str]:  # noqa: PLR0911 - one return a type
    """What such a column may hold; it refers to nothing that need not be there."""
    if column.name in {"valid_from", "valid_to"}:
        return st.sampled_from(["", "2026-01-31"])
    if column.refers or column.name in {"supplier", "location", "department", "item"}:
        return NUMBERS if column.required else st.just("")
    match column.type:
        case "flag":
            return st.sampled_from(["yes", "no", ""])
        case "date":
            return st.one_of(st.just(""), DAYS.map(str))
        case "quantity":
            return st.sampled_from(["1", "2.5", "1/3", "10.0"] + ([] if column.required else [""]))
        case "system":
            return st.just("charge")
        case "ownership":
            return st.sampled_from(OWNERSHIPS)
        case "status":
            return st.sampled_from(["", *STATUSES])
        case _:
            pass
    if column.name == "facility":
        return st.sampled_from(["", "NORTH"])
    return TEXTS if column.required else st.one_of(st.just(""), TEXTS)


def files(table: Table) -> st.SearchStrategy[list[list[str]]]:
    """A whole file of a table, in which nothing comes twice."""
    names = [column.name for column in table.columns]
    unique = [names.index(name) for name in (*names[: table.keys], *table.same)]
    if table.row is None and "facility" in names:
        unique.append(names.index("facility"))
    lines = st.lists(
        st.tuples(*[cells(column) for column in table.columns]).map(list),
        max_size=4,
        unique_by=lambda line: tuple(line[place] for place in unique),
    )
    return lines.map(lambda made: [names, *made])


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"recalls", "substitutes", "lots"}))
@given(st.data())
def test_to_import_what_was_exported_plans_nothing(name: str, data: st.DataObject) -> None:
    table = TABLES[name]
    there: dict[DocumentKey, MasterDocument] = {}
    if table.row is not None:
        for number in ("A", "B", "C,1", 'D"2'):
            document: Any = KINDS[table.kind]
            there[DocumentKey(table.kind, "", number)] = document(number=number)
    told = read(table, data.draw(files(table)))
    first = planned(there, [told])
    assert not first.refused, first.findings
    there = applied(there, first)
    assert planned(there, [told]).changes == []
    again = planned(there, exported(there))
    assert (again.changes, again.findings, again.conflicts) == ([], [], [])


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("recalls", [["recall", "di", "lot_from"], ["Z-1", "04012345000016", "L1"], ["Z-1", "4012345000016", "L2"]]),
        ("lots", [["item", "lot", "expiry"], ["A", "L1", "2028-12-31"], ["A", "l1", ""]]),
        ("substitutes", [["item", "substitute", "facility"], ["A", "B", ""], ["A", "B", "NORTH"]]),
    ],
)
def test_what_refers_to_items_is_the_same_again_too(name: str, lines: list[list[str]]) -> None:
    items: dict[DocumentKey, MasterDocument] = {DocumentKey("item", "", each): Item(number=each) for each in "AB"}
    there = applied(items, planned(items, [read(TABLES[name], lines)]))
    assert there != items
    assert planned(there, exported(there)).changes == []


def test_a_cell_is_as_people_write_it() -> None:
    item = Item(number="A", fractions=False, lot=True, valid_to=date(2026, 12, 31))
    header, line = export_rows(TABLES["items"], [(KEY, item)])
    told = {name: cell for name, cell in zip(header, line, strict=True) if cell}
    assert told == {"item": "A", "fractions": "no", "lot": "yes", "valid_to": "2026-12-31", "facility": "NORTH"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (None, Item(number="A"), ["item A at NORTH: new"]),
        (Item(number="A"), None, ["item A at NORTH: removed"]),
        (Item(number="A"), Item(number="A", brand="B"), ["item A at NORTH: brand nothing → 'B'"]),
        (Item(number="A", lot=True), Item(number="A", lot=False), ["item A at NORTH: lot 'yes' → 'no'"]),
        (
            Item(number="A", units=(Unit(unit="BX", quantity="10"),)),
            Item(number="A", units=(Unit(unit="BX", quantity="12"),)),
            ["item A at NORTH: units + unit BX quantity 12", "item A at NORTH: units - unit BX quantity 10"],
        ),
        (
            None,
            Item(number="A", stock=(Stock(ownership="loaner"),)),
            ["item A at NORTH: new", "item A at NORTH: stock + ownership loaner"],
        ),
    ],
)
def test_a_change_is_told_in_words(before: Item | None, after: Item | None, words: list[str]) -> None:
    assert describe(DocumentChange(KEY, before, after)) == words


def test_a_key_of_two_parts_is_told_without_what_parts_them() -> None:
    key = DocumentKey("lot", "", f"A{SEPARATOR}L1")
    assert describe(DocumentChange(key, None, None)) == ["lot A L1: removed"]


def test_every_system_can_be_written() -> None:
    lines = [["item", "system", "value"], *(["A", system.upper(), "04012345000016"] for system in SYSTEMS)]
    assert [row.cells.system for row in read(TABLES["identifiers"], lines).rows] == list(SYSTEMS)


def test_a_row_of_a_facilitys_document_is_the_facilitys() -> None:
    item = Item(number="A", units=(Unit(unit="BX", quantity="10"),))
    header, line = export_rows(TABLES["units"], [(KEY, item)])
    assert line[header.index("facility")] == "NORTH"
