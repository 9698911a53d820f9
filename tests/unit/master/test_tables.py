"""The declarations of the tables, and the page that is made from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from casecart.canonical.master import KINDS, Identifier, Unit
from casecart.master.reference import made_anew
from casecart.master.table_file import read_table_file
from casecart.master.tables import TABLES, Table

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "master-data.md"
ALL = pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))


def test_the_reference_page_is_current() -> None:
    page = PAGE.read_text("utf-8")
    assert page == made_anew(page), "run python -m casecart.master.reference docs/reference/master-data.md"


def test_the_reference_page_has_every_table() -> None:
    page = PAGE.read_text("utf-8")
    assert [name for name in TABLES if f"### {name}\n" not in page] == []


@ALL
def test_the_examples_of_a_table_can_be_read(table: Table) -> None:
    lines = [[column.name for column in table.columns], [column.example for column in table.columns]]
    data = "".join(",".join(line) + "\n" for line in lines).encode()
    rows, findings = read_table_file(data, "f.csv", table)
    assert (findings, len(rows.rows) if rows else 0) == ([], 1)


@ALL
def test_every_column_is_a_field_of_what_its_line_becomes(table: Table) -> None:
    kept = table.row or KINDS[table.kind]
    names = {"item" if column.name == "substitute" else column.name for column in table.columns[table.keys :]}
    assert names - {"facility"} <= set(kept.__struct_fields__)


@ALL
def test_every_field_can_be_told_in_some_table(table: Table) -> None:
    names = {"item" if column.name == "substitute" else column.name for column in table.columns}
    document = KINDS[table.kind]
    within = {other.attribute for other in TABLES.values() if other.kind == table.kind}
    kept = set(table.row.__struct_fields__) if table.row else set(document.__struct_fields__) - within
    assert kept - names <= {"source", "number"}


@ALL
def test_the_key_stands_first_and_must_be_told(table: Table) -> None:
    keys = [column.required for column in table.columns[: table.keys]]
    assert keys == [True] * table.keys or table.name == "recalls"  # a recall's lines are counted


@ALL
def test_columns_have_a_group_where_the_line_is_a_document(table: Table) -> None:
    told = {column.name for column in table.columns[table.keys :] if not column.group}
    assert told <= {"facility"} if table.row is None else table.attribute


@pytest.mark.parametrize(("row", "quantity"), [(Identifier, "1"), (Unit, None)])
def test_an_empty_quantity_is_one_of_an_identifier_only(row: type, quantity: str | None) -> None:
    table = next(table for table in TABLES.values() if table.row is row)
    assert table.column("quantity").required is (quantity is None)
