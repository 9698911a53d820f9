"""Code tables: exact codes, a default row, and strictness."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.workspace.table import LARGEST, read_table

DAY = date(2026, 11, 3)


def found(data: bytes) -> list[str]:
    table, findings = read_table(data, "t.csv", "t")
    assert (table is None) == bool(findings)
    return [str(finding).removeprefix("t.csv:") for finding in findings]


def test_a_table_gives_the_value_of_a_code() -> None:
    table, findings = read_table(b'code,value,about\r\nCG,use,Charge\n0012,"a, b",\n\n', "t.csv", "t")
    assert findings == []
    assert table is not None
    assert (table.lookup("CG", DAY), table.lookup("0012", DAY), table.lookup("cg", DAY), table.default) == (
        "use",
        "a, b",
        None,
        None,
    )
    assert [(row.code, row.about, str(row.place)) for row in table.rows] == [
        ("CG", "Charge", "t.csv:2:1"),
        ("0012", "", "t.csv:3:1"),
    ]


def test_the_default_row_holds_for_every_other_code() -> None:
    table, _ = read_table("\ufeffcode,value\n*,none\nCG,use\n".encode(), "t.csv", "t")
    assert table is not None
    assert (table.lookup("CG", DAY), table.lookup("XX", DAY), table.lookup("*", DAY), dict(table.values)) == (
        "use",
        "none",
        "none",
        {"CG": "use"},
    )


HEADER = (
    "1:1 error table-header the first line names the columns: code,value and behind them any of about, match, "
    "valid_from and valid_to"
)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", HEADER),
        (b"CG,use\n", f"{HEADER}, and 'CG' is none of them"),
        (b"code,vlaue\n", f"{HEADER}, and 'vlaue' is none of them. Did you mean 'value'?"),
        (b"code;value\nCG;use\n", f"{HEADER}; they are separated by commas"),
        (b"value,code\n", "1:1 error table-header"),  # in another order
        (b"code,value\nCG\n", "2:1 error table-row the line has 1 cells, and the header 2"),
        (b"code,value\nCG,use,Charge\n", "2:1 error table-row the line has 3 cells, and the header 2"),
        (b"code,value\n,use\n", "2:1 error table-row the code is empty"),
        (b"code,value\nCG,\n", "2:1 error table-row the value is empty"),
        (b"code,value\n CG,use\n", "2:1 error table-row the code has spaces around it"),
        (b'code,value\nA,"x\ny"\nB,x\nA,z\n', "5:1 error duplicate-code the code 'A' is already in line 2; keep one"),
        (b'code,value\nA,x\nB,"y\n', "3:1 error table-row the line is not CSV"),
        (b'code,value\nA,"x"y\n', "2:1 error table-row the line is not CSV"),
        (b"code,value\nA,\xe9\n", "2:3 error not-utf-8"),
        (b"code,value\nA,\0\n", "2:3 error not-text"),
        (b"code,value\nA," + b"x" * 200_000, "2:1 error table-row the line is not CSV"),
        (b"code,value,code\nA,x,B\n", HEADER),  # twice
        (b"code,value,match\nA,x,rnage\n", "2:1 error table-row match is exact, range or pattern, and not 'rnage'"),
        (b"code,value,match\nA..B,x,range\n", "2:1 error table-row the code of a range is its first and last number"),
        (b"code,value,match\n9..1,x,range\n", "2:1 error table-row the code of a range is its first and last number"),
        (b"code,value,match\n1..5,x,range\n5..9,y,range\n", "3:1 error duplicate-code the range 5..9 has numbers of"),
        (b"code,value,valid_from\nA,x,3.11.2026\n", "2:1 error table-row valid_from is no day: write it as"),
        (b"code,value,valid_from\nA,x,2026-02-30\n", "2:1 error table-row valid_from is no day: write it as"),
        (b"code,value,valid_from,valid_to\nA,x,2026-02-03,2026-02-01\n", "2:1 error table-row valid_to is before"),
        (b"code,value,valid_from\nA,x,2026-02-03\nA,y,2026-02-04\n", "3:1 error duplicate-code the code 'A' is"),
        (b"code,value,valid_from\nA,x,2026-02-03\nA,y,\n", "3:1 error duplicate-code the code 'A' is already"),
        (
            b"code,value,match\n" + b"".join(b"%d*,x,pattern\n" % number for number in range(1_001)),
            "1002:1 error table-row a table has at most 1,000 ranges and patterns",
        ),
        (b" " * (LARGEST + 1), "1:1 error too-large the file has more than 16384 KiB"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_right_is_refused_at_its_line(data: bytes, expected: str) -> None:
    findings = found(data)
    assert len(findings) == 1
    assert findings[0].startswith(expected)


MIXED = (
    b"code,value,about,match,valid_from,valid_to\n"
    b"100..199,implant,,range,,\n"
    b"150,mesh,its own,,,\n"
    b"1000.5..1000.75,half,,range,,\n"
    b"FT?-*,stock,,pattern,,\n"
    b"FT[-*,bracket,,pattern,,\n"
    b"FT1-*,never,behind the one that fits it too,pattern,,\n"
    b"CG,old,,exact,,2026-06-30\n"
    b"CG,use,,exact,2026-07-01,\n"
    b"*,then,,,2026-01-01,2026-12-31\n"
)


@pytest.mark.parametrize(
    ("code", "day", "value"),
    [
        ("100", "2026-11-03", "implant"),
        ("199", "2026-11-03", "implant"),
        ("0150", "2026-11-03", "implant"),  # a number, and not the text 150
        ("150", "2026-11-03", "mesh"),  # its own row comes first
        ("200", "2026-11-03", "then"),
        ("1000.6", "2026-11-03", "half"),
        ("1e2", "2026-11-03", "then"),
        ("\N{ARABIC-INDIC DIGIT ONE}50", "2026-11-03", "then"),
        ("FT1-2", "2026-11-03", "stock"),
        ("FT1-", "2026-11-03", "stock"),
        ("FT12-1", "2026-11-03", "then"),
        ("FT[-x\ny", "2026-11-03", "stock"),  # the first that it fits
        ("FT1-" + "x" * 200, "2026-11-03", "then"),
        ("CG", "2026-06-30", "old"),
        ("CG", "2026-07-01", "use"),
        ("CG", "2025-01-01", "old"),
        ("XX", "2027-01-01", None),
        ("XX", "2026-12-31", "then"),
    ],
)
def test_a_row_may_be_for_several_codes_or_some_days(code: str, day: str, value: str | None) -> None:
    table, findings = read_table(MIXED, "t.csv", "t")
    assert findings == []
    assert table is not None
    assert table.lookup(code, date.fromisoformat(day)) == value


def test_a_pattern_of_many_stars_is_quickly_held_against_a_text() -> None:
    code = "a*" * 60
    table, _ = read_table(f"code,value,match\n{code}b,x,pattern\n".encode(), "t.csv", "t")
    assert table is not None
    assert table.lookup("a" * 200, DAY) is None  # within the suite's time


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["A", "B", "*"]),
            st.none() | st.dates(date(2026, 1, 1), date(2026, 1, 9)),
            st.none() | st.dates(date(2026, 1, 1), date(2026, 1, 9)),
        ),
        max_size=6,
    ),
    st.sampled_from(["A", "B", "C"]),
    st.dates(date(2025, 12, 31), date(2026, 1, 10)),
)
def test_a_table_without_findings_has_one_row_at_most_for_a_code_and_day(
    rows: list[tuple[str, date | None, date | None]], code: str, day: date
) -> None:
    text = "code,value,valid_from,valid_to\n" + "".join(
        f"{code},v{number},{first or ''},{last or ''}\n" for number, (code, first, last) in enumerate(rows)
    )
    table, _ = read_table(text.encode(), "t.csv", "t")
    there = [row for row in (table.rows if table is not None else ()) if row.code == code and row.holds(day)]
    assert len(there) <= 1
    if table is not None and there:
        assert table.lookup(code, day) == there[0].value


def test_every_bad_row_is_found() -> None:
    assert [finding.split()[0] for finding in found(b"code,value\nA\n,x\nB,y\nB,z\n")] == ["2:1", "3:1", "5:1"]


@given(st.binary(max_size=200).map(lambda tail: b"code,value\n" + tail) | st.binary(max_size=200))
def test_no_bytes_make_the_table_reader_raise(data: bytes) -> None:
    found(data)
