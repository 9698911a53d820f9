"""Files of master data as people and systems hand them over: what is wrong, and where."""

from __future__ import annotations

import pytest

from casecart.master import table_file
from casecart.master.findings import MOST_FINDINGS
from casecart.master.table_file import DocumentKey, read_quantity, read_table_file
from casecart.master.tables import TABLES, table_for

ITEMS, IDENTIFIERS = TABLES["items"], TABLES["identifiers"]


def wrong(data: bytes, table: str = "items") -> list[str]:
    """Where and what, of a file that is refused."""
    rows, findings = read_table_file(data, "f.csv", TABLES[table])
    assert rows is None
    return [f"{each.place} {each.code} {each.message}" for each in findings if each.severity == "error"]


def test_columns_may_stand_in_any_order_and_cells_between_semicolons() -> None:
    rows, findings = read_table_file("\ufeffunit;item;lot\nEA;A;yes\n".encode(), "f.csv", ITEMS)
    assert rows is not None
    assert findings == []
    assert rows.rows[0].key == DocumentKey("item", "", "A")
    assert rows.rows[0].cells == {"unit": "EA", "lot": True}


@pytest.mark.parametrize(
    ("data", "table", "told"),
    [
        (b"item,unit\nA,\xff\n", "items", "f.csv:2:1 not-utf-8"),
        ("item,unit\n".encode("utf-16"), "items", "f.csv:1:1 not-utf-8 the file is UTF-16"),
        (b"item,unit\nA,E\0A\n", "items", "f.csv:2:1 not-text"),
        (b"", "items", "f.csv:1:1 table-header the column item is missing"),
        (b"item,unti\nA,EA\n", "items", "f.csv:1:2 table-header 'unti' is not a column of items"),
        (b"item,unit,item\nA,EA,A\n", "items", "f.csv:1:3 table-header the column 'item' is there twice"),
        (b"item\nA\n", "units", "f.csv:1:1 table-header the columns unit and quantity are missing"),
        (b"item,unit\nA,EA\nB", "items", "f.csv:3:1 table-row the line has 1 cells, and the first line 2; if it is"),
        (b'item,unit\n"A,EA', "items", "a quote is opened in this line and never closed; the file may be cut short"),
        (b'item,unit\nB,EA\n"A,EA\nC,EA\n', "items", "f.csv:3:1 table-row a quote is opened in this line"),
        (b'item,unit\nA,"E"A\n', "items", "f.csv:2:1 table-row the line is not CSV: a quote stands where none may"),
        (b"item,unit,quantity\nA,BX,0\n", "units", "f.csv:2:3 table-row column quantity: it must be more than 0"),
        (b"item,unit,quantity\nA,BX,-1\n", "units", "column quantity: write a quantity as"),
        (b"item,unit,quantity\nA,BX,1/0\n", "units", "column quantity: nothing can be divided by 0"),
        (b"item,lot\nA,maybe\n", "items", "f.csv:2:2 table-row column lot: write yes or no"),
        (b"item,valid_from\nA,2026-02-30\n", "items", "column valid_from: there is no such day"),
        (b"item,valid_from,valid_to\nA,2026-02-02,2026-02-01\n", "items", "column valid_to: it lies before valid_from"),
        (b"item,system,value\nA,GTIN,1\n", "identifiers", "column system: write one of GS1"),
        (b"item,system,value\nA,GS1,12345\n", "identifiers", "column value: a GTIN has 8, 12, 13 or 14 digits"),
        (b"item,system,value\n,ehr,12345\n", "identifiers", "column item: it is empty, and must not be"),
        (b"recall,lot_from\nZ,1\n", "recalls", "column di: the line must say what is called back"),
        (b"item\n" + b"A" * 1001 + b"\n", "items", "column item: it has 1,001 characters"),
        (b'item\n"A\nB"\n', "items", "column item: there is a control character in it"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_line_and_column(data: bytes, table: str, told: str) -> None:
    (only,) = wrong(data, table)
    assert told in only


def test_after_a_hundred_mistakes_no_more_are_looked_for() -> None:
    assert len(wrong(b"item,lot\n" + b"A,maybe\n" * 500)) == MOST_FINDINGS + 1


def test_a_file_that_is_too_large_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "LARGEST", 10)
    assert "too-large" in wrong(b"item,unit\nA,EA\n")[0]


@pytest.mark.parametrize(
    ("system", "written", "kept"),
    [
        ("gs1", "4012345000016", "04012345000016"),
        ("GS1", "14012345000013", "14012345000013"),
        ("hibcc", "+h123cs350", "H123CS350"),
        ("ehr", " 0012 ", "0012"),
    ],
)
def test_numbers_are_kept_as_they_are_compared(system: str, written: str, kept: str) -> None:
    rows, _ = read_table_file(f"item,system,value\nA,{system},{written}\n".encode(), "f.csv", IDENTIFIERS)
    assert rows is not None
    assert rows.rows[0].cells.value == kept


def test_a_wrong_check_digit_warns_and_is_not_corrected() -> None:
    rows, findings = read_table_file(b"item,system,value\nA,GS1,04012345000017\n", "f.csv", IDENTIFIERS)
    assert rows is not None
    assert rows.rows[0].cells.value == "04012345000017"
    assert [finding.severity for finding in findings] == ["warning"]


def test_however_many_warnings_there_are_the_file_is_read() -> None:
    lines = b"item,system,value\n" + b"A,GS1,04012345000017\n" * 250
    rows, findings = read_table_file(lines, "f.csv", IDENTIFIERS)
    assert rows is not None
    assert (len(rows.rows), len(findings)) == (250, MOST_FINDINGS + 1)
    assert str(findings[-1]) == "f.csv:1:1 warning table-row 150 more warnings of this file are not shown"


@pytest.mark.parametrize(("written", "kept"), [("10", "10"), ("10.0", "10"), ("2.5", "5/2"), ("2/6", "1/3")])
def test_a_quantity_is_exact_and_in_lowest_terms(written: str, kept: str) -> None:
    assert read_quantity(written) == kept


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("items.csv", "items"),
        ("Items-2026-11.csv", "items"),
        ("supplier-names_2.csv", "supplier-names"),
        ("things.csv", None),
        ("items.xlsx", None),
    ],
)
def test_a_file_is_called_after_its_table(name: str, table: str | None) -> None:
    found = table_for(name)
    assert (found.name if found else None) == table
