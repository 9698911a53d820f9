"""Code tables: exact codes, a default row, and strictness."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.workspace.table import LARGEST, read_table


def found(data: bytes) -> list[str]:
    table, findings = read_table(data, "t.csv", "t")
    assert (table is None) == bool(findings)
    return [str(finding).removeprefix("t.csv:") for finding in findings]


def test_a_table_gives_the_value_of_a_code() -> None:
    table, findings = read_table(b'code,value,about\r\nCG,use,Charge\n0012,"a, b",\n\n', "t.csv", "t")
    assert findings == []
    assert table is not None
    assert (table.lookup("CG"), table.lookup("0012"), table.lookup("cg"), table.default) == ("use", "a, b", None, None)
    assert [(row.code, row.about, str(row.place)) for row in table.rows] == [
        ("CG", "Charge", "t.csv:2:1"),
        ("0012", "", "t.csv:3:1"),
    ]


def test_the_default_row_holds_for_every_other_code() -> None:
    table, _ = read_table("\ufeffcode,value\n*,none\nCG,use\n".encode(), "t.csv", "t")
    assert table is not None
    assert (table.lookup("CG"), table.lookup("XX"), table.lookup("*"), dict(table.values)) == (
        "use",
        "none",
        "none",
        {"CG": "use"},
    )


HEADER = "1:1 error table-header the first line names the columns: code,value or code,value,about"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "1:1 error table-header the first line names the columns: code,value or code,value,about"),
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
        (b" " * (LARGEST + 1), "1:1 error too-large the file has more than 16384 KiB"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_right_is_refused_at_its_line(data: bytes, expected: str) -> None:
    findings = found(data)
    assert len(findings) == 1
    assert findings[0].startswith(expected)


def test_every_bad_row_is_found() -> None:
    assert [finding.split()[0] for finding in found(b"code,value\nA\n,x\nB,y\nB,z\n")] == ["2:1", "3:1", "5:1"]


@given(st.binary(max_size=200).map(lambda tail: b"code,value\n" + tail) | st.binary(max_size=200))
def test_no_bytes_make_the_table_reader_raise(data: bytes) -> None:
    found(data)
