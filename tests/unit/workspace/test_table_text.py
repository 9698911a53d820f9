"""Changes to the text of a code table: what they leave alone, and what they make."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.workspace.table import read_table
from casecart.workspace.table_text import put, take_out

TABLE = 'code,value,about\nCG,use,"Charge, as told"\n"CD",reverse,\n\nPY,none,no stock\n'


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # a new row comes last, and only its columns are filled
        ({"code": "AJ", "value": "none"}, TABLE + "AJ,none,\n"),
        # another value, and the rest of the row stays
        ({"code": "CG", "value": "none"}, TABLE.replace('CG,use,"Charge, as told"', 'CG,none,"Charge, as told"')),
        # what is so already is not written anew, quotes and all
        ({"code": "CD", "value": "reverse"}, TABLE),
        # a column that is needed is added to all
        (
            {"code": "1..9", "value": "use", "match": "range"},
            'code,value,about,match\nCG,use,"Charge, as told",\nCD,reverse,,\nPY,none,no stock,\n1..9,use,,range\n',
        ),
        # from a day on: the row that held ends on the day before
        (
            {"code": "PY", "value": "use", "valid_from": "2027-03-01"},
            (
                'code,value,about,valid_from,valid_to\nCG,use,"Charge, as told",,\nCD,reverse,,,\n'
                "PY,none,no stock,,2027-02-28\nPY,use,,2027-03-01,\n"
            ),
        ),
    ],
)
def test_a_row_is_put_in_and_no_other_line_is_touched(row: dict[str, str], expected: str) -> None:
    assert put(TABLE, [row]) == expected


def test_a_row_of_the_same_first_day_is_changed_and_not_ended() -> None:
    once = put("code,value\nA,x\n", [{"code": "A", "value": "y", "valid_from": "2027-01-01"}])
    again = put(once, [{"code": "A", "value": "z", "valid_from": "2027-01-01"}])
    assert again == "code,value,valid_from,valid_to\nA,x,,2026-12-31\nA,z,2027-01-01,\n"


def test_windows_line_ends_stay_and_a_last_line_without_one_gets_it() -> None:
    assert put("code,value\r\nA,x\r\nB,y", [{"code": "C", "value": "z"}]) == "code,value\r\nA,x\r\nB,y\r\nC,z\r\n"


def test_all_rows_of_a_code_are_taken_out() -> None:
    table = "code,value,valid_from,valid_to\nA,x,,2026-12-31\nB,y,,\nA,z,2027-01-01,\n"
    assert take_out(table, "A") == "code,value,valid_from,valid_to\nB,y,,\n"


LETTERS = st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"])
WORDS = st.text(LETTERS, min_size=1, max_size=8).map(str.strip).filter(bool)


@given(st.dictionaries(WORDS, WORDS, max_size=5), WORDS, WORDS)
def test_what_is_put_in_is_found_and_nothing_else_is_another(rows: dict[str, str], code: str, value: str) -> None:
    text = put("code,value\n", [{"code": each, "value": is_} for each, is_ in rows.items()])
    table, findings = read_table(put(text, [{"code": code, "value": value}]).encode(), "t.csv", "t")
    if table is None:  # what is no text of a table is found when it is read
        assert findings
        return
    day = date(2026, 11, 3)
    assert table.lookup(code, day) == value
    assert {row.code: row.value for row in table.rows} == {**rows, code: value}
