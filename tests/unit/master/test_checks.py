"""What must fit together in an import, and how its mistakes are told."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from casecart.canonical.master import Identifier, Item, Substitute
from casecart.master import findings as own
from casecart.master.findings import MOST_FINDINGS
from casecart.master.import_plan import ImportPlan, plan_import
from casecart.master.ownership import OwnershipRule
from casecart.master.table_file import DocumentKey, TableRows, read_table_file
from casecart.master.tables import TABLES
from casecart.workspace import CODES

if TYPE_CHECKING:
    from casecart.canonical.master import MasterDocument

    Documents = dict[DocumentKey, MasterDocument]


def read(file: str, text: str) -> TableRows:
    rows, findings = read_table_file(text.encode(), f"{file}.csv", TABLES[file.split("-2", maxsplit=1)[0]])
    assert rows is not None, findings
    return rows


def planned(current: Documents, *files: TableRows, part: bool = True) -> ImportPlan:
    return plan_import(current, files, source="erp", owners=OwnershipRule(), part=part, facilities={"NORTH"})


def items(*made: Item) -> Documents:
    return {DocumentKey("item", "", item.number): item for item in made}


def test_two_files_of_one_table_are_refused() -> None:
    plan = planned({}, read("items", "item\nA\n"), read("items-2", "item\nB\n"), part=False)
    (finding,) = plan.findings
    assert (str(finding.place), finding.code, plan.refused) == ("items-2.csv:1:1", "duplicate-table", True)
    assert finding.message.startswith("items.csv is the table items too")


def test_more_than_a_hundred_mistakes_are_told_as_one() -> None:
    lines = "item,unit,quantity\n" + "".join(f"Z{each},BX,2\n" for each in range(500))
    plan = planned({}, read("units", lines))
    assert len(plan.findings) == MOST_FINDINGS + 1
    assert plan.findings[-1].message == "more than 100 mistakes; the others are not shown"


def test_mistakes_are_told_in_the_order_of_the_file() -> None:
    lines = "item,unit,quantity,facility\nA,BX,2,SOUTH\nB,BX,2,\nA,CS,2,SOUTH\n"
    plan = planned(items(Item(number="A")), read("units", lines))
    assert [finding.place.line for finding in plan.findings] == [2, 3, 4]


def test_of_two_lines_with_one_number_always_the_later_items_is_told() -> None:
    lines = "item,system,value\nB,ehr,1\nA,ehr,1\n"
    plan = planned(items(Item(number="A"), Item(number="B")), read("identifiers", lines))
    assert [str(finding.place) for finding in plan.findings] == ["identifiers.csv:2:3"]


def test_a_number_of_an_item_that_goes_is_free() -> None:
    known = items(Item(number="A", identifiers=(Identifier(system="ehr", value="1"),)))
    assert not planned(known, read("items", "item\nB\n"), read("identifiers", "item,system,value\nB,ehr,1\n"),
                       part=False).refused  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ("A,catalog,7,One", "B,catalog,7,Two", False),
        ("A,catalog,7,One", "B,catalog,7,ONE", True),
        ("A,ehr,7,", "B,charge,7,", False),
        ("A,HIBCC,H1230,", "B,IFA,H1230,", True),
    ],
    ids=["of two makers", "of one maker", "of two systems", "both are device identifiers"],
)
def test_whose_number_it_is_tells_two_apart(first: str, second: str, *, refused: bool) -> None:
    lines = f"item,system,value,issuer\n{first}\n{second}\n"
    assert planned(items(Item(number="A"), Item(number="B")), read("identifiers", lines)).refused is refused


TEN = Identifier(system="ehr", value="1", quantity="10", source="gudid")


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("A,ehr,1,1,,,", ["two-quantities"]),
        ("A,ehr,1,10,,,", []),
        ("A,ehr,1,1,Other,,", []),
        ("A,ehr,1,1,,NORTH,", []),
        ("A,charge,1,1,,,", []),
    ],
    ids=["another quantity", "the same", "another EHR's", "a facility's own", "another system's"],
)
def test_a_number_names_one_quantity_of_its_item(line: str, codes: list[str]) -> None:
    rows = read("identifiers", f"item,system,value,quantity,issuer,facility,valid_to\n{line}\n")
    plan = planned(items(Item(number="A", identifiers=(TEN,))), rows)
    assert [finding.code for finding in plan.findings] == codes


def test_a_number_may_name_another_quantity_from_some_day_on() -> None:
    lines = "item,system,value,quantity,valid_from,valid_to\nA,ehr,1,10,,2026-06-30\nA,ehr,1,5,2026-07-01,\n"
    assert not planned(items(Item(number="A")), read("identifiers", lines)).refused
    plan = planned(items(Item(number="A")), read("identifiers", lines.replace("06-30", "07-01")))
    assert [str(finding.place) for finding in plan.findings] == ["identifiers.csv:3:3"]


def test_a_long_chain_of_substitutes_is_no_circle() -> None:
    made = [Item(number=f"{each:05}", substitutes=(Substitute(item=f"{each + 1:05}"),)) for each in range(2_000)]
    known = items(*made, Item(number="02000"), Item(number="A"))
    assert not planned(known, read("substitutes", "item,substitute\nA,00000\n")).refused
    plan = planned(known, read("substitutes", "item,substitute\n02000,00000\n"))
    assert [finding.code for finding in plan.findings] == ["cyclic-substitute"]


def test_a_circle_between_others_is_not_told_of_an_item_that_leads_to_it() -> None:
    known = items(
        Item(number="B", substitutes=(Substitute(item="C"),)),
        Item(number="C", substitutes=(Substitute(item="B"),)),
        Item(number="A"),
    )
    assert not planned(known, read("substitutes", "item,substitute\nA,B\n")).refused


def test_every_code_is_explained() -> None:
    told = set()
    for path in Path(own.__file__).parent.glob("*.py"):
        text = path.read_text("utf-8")
        told |= set(re.findall(r'"(?:error|warning)", "([a-z-]+)"', text))
    assert {"duplicate-table", "table-row"} <= told <= {*CODES, *own.CODES}
    assert not set(CODES) & set(own.CODES)


def test_many_clashes_cost_little() -> None:
    count = 20_000
    known = items(*(Item(number=f"A{each}", identifiers=(Identifier(system="ehr", value=str(each), source="x"),))
                    for each in range(count)), *(Item(number=f"B{each}") for each in range(count)))  # fmt: skip
    lines = "item,system,value\n" + "".join(f"B{each},ehr,{each}\n" for each in range(count))
    rows = read("identifiers", lines)
    before = time.process_time()
    assert planned(known, rows).refused
    assert time.process_time() - before < 10
