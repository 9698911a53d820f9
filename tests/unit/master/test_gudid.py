"""A GUDID release: packaging and brand of the items that the hospital has, and of nothing else."""

from __future__ import annotations

import pytest

from casecart.canonical.master import Identifier, Item
from casecart.master.gudid import Gudid, read_gudid
from casecart.master.import_plan import plan_import
from casecart.master.ownership import OwnershipRule
from casecart.master.table_file import DocumentKey

EACH, BOX, CASE = "04012345000016", "14012345000013", "24012345000010"
KEY = DocumentKey("item", "", "A")
KNOWN = {KEY: Item(number="A", identifiers=(Identifier(system="GS1", value=EACH),))}
DEVICES = ["PrimaryDI|brandName|catalogNumber|companyName|deviceCount", f"{EACH}|BoneGrip|CS-35|Example|1"]
HEADER = (
    "PrimaryDI|deviceId|deviceIdType|deviceIdIssuingAgency|"
    "containsDINumber|pkgQuantity|pkgDiscontinueDate|pkgStatus|pkgType"
)
NUMBERS = [
    HEADER,
    f"{EACH}|{EACH}|Primary|GS1|||||",
    f"{EACH}|{BOX}|Package|GS1|{EACH}|10|||BX",
    f"{EACH}|{CASE}|Package|GS1|{BOX}|5|||CS",
]


def quantities(found: Gudid) -> dict[str, str]:
    return {row.cells.value: row.cells.quantity for row in found.tables[1].rows}


def test_a_case_of_boxes_has_all_that_is_in_them() -> None:
    assert quantities(read_gudid(DEVICES, NUMBERS, KNOWN)) == {EACH: "1", BOX: "10", CASE: "50"}


def test_the_columns_may_stand_in_another_order() -> None:
    turned = ["|".join(reversed(line.split("|"))) for line in NUMBERS]
    assert quantities(read_gudid(DEVICES, turned, KNOWN)) == {EACH: "1", BOX: "10", CASE: "50"}


def test_brand_and_maker_are_the_items_product() -> None:
    (row,) = read_gudid(DEVICES, NUMBERS, KNOWN).tables[0].rows
    assert row.cells == {"manufacturer": "Example", "catalog_number": "CS-35", "brand": "BoneGrip"}


def test_a_device_is_known_by_its_maker_and_catalogue_number_too() -> None:
    item = Item(number="A", manufacturer="EXAMPLE", catalog_number="cs-35")
    assert read_gudid(DEVICES, NUMBERS, {KEY: item}).matched == 1


def test_devices_that_are_no_items_are_passed_over_and_counted() -> None:
    found = read_gudid([*DEVICES, "99|x|y|z|1"], [*NUMBERS, "99|99|Primary|GS1|||||"], KNOWN)
    assert (found.matched, found.passed_over, len(found.tables[1].rows)) == (1, 1, 3)


FOUR = [DEVICES[0], DEVICES[1].removesuffix("1") + "4"]
USE = f"{EACH}|UNIT|Unit of Use|HIBCC|||||"


def test_a_primary_pack_of_several_counts_each_device() -> None:
    known = {KEY: Item(number="A", manufacturer="Example", catalog_number="CS-35")}
    found = read_gudid(FOUR, [*NUMBERS, USE], known)
    assert quantities(found) == {EACH: "4", BOX: "40", CASE: "200", "UNIT": "1"}
    assert found.findings == []


def test_an_item_that_is_counted_by_the_pack_stays_so() -> None:
    found = read_gudid(FOUR, [*NUMBERS, USE], KNOWN)
    assert quantities(found) == {EACH: "1", BOX: "10", CASE: "50", "UNIT": "1/4"}
    assert [finding.message for finding in found.findings] == [
        "GUDID counts other units than item A does: one device is 1/4 of its unit"
    ]


@pytest.mark.parametrize(
    "line",
    [
        f"{EACH}|{BOX}|Package|GS1|{BOX}|10|||BX",
        f"{EACH}|{BOX}|Package|GS1|99|10|||BX",
        f"{EACH}|{BOX}|Package|GS1|{EACH}||||BX",
    ],
    ids=["it contains itself", "it contains what is not there", "nobody says how many"],
)
def test_a_package_that_can_not_be_counted_is_left_out_and_told(line: str) -> None:
    found = read_gudid(DEVICES, [HEADER, NUMBERS[1], line], KNOWN)
    assert quantities(found) == {EACH: "1"}
    assert [str(finding.place) for finding in found.findings] == ["identifiers.txt:3:1"]


@pytest.mark.parametrize(
    ("devices", "numbers", "place"),
    [
        (["PrimaryDI|brandName"], NUMBERS, "device.txt:1:1"),
        (DEVICES, [HEADER, f"{EACH}|{EACH}|Prim"], "identifiers.txt:2:1"),
        ([], NUMBERS, "device.txt:1:1"),
    ],
    ids=["a column is missing", "half a file", "an empty file"],
)
def test_a_broken_file_is_refused(devices: list[str], numbers: list[str], place: str) -> None:
    (finding,) = read_gudid(devices, numbers, KNOWN).findings
    assert (str(finding.place), finding.severity) == (place, "error")


def test_a_device_that_two_items_may_be_is_passed_over_and_told() -> None:
    made = [Item(number=number, manufacturer="Example", catalog_number="CS-35") for number in "AB"]
    found = read_gudid(DEVICES, NUMBERS, {DocumentKey("item", "", item.number): item for item in made})
    assert (found.matched, found.passed_over, found.tables[1].rows) == (0, 1, [])
    assert [str(finding.place) for finding in found.findings] == ["device.txt:2:1"]


def test_an_items_overlay_for_a_facility_is_no_second_item() -> None:
    known = {DocumentKey("item", facility, "A"): KNOWN[KEY] for facility in ("NORTH", "")}
    (row,) = read_gudid(DEVICES, NUMBERS, known).tables[0].rows
    assert row.key == KEY


def test_an_item_that_one_facility_has_gets_its_numbers_there() -> None:
    item = Item(number="A", manufacturer="Example", catalog_number="CS-35")
    known = {DocumentKey("item", "NORTH", "A"): item}
    found = read_gudid(DEVICES, NUMBERS, known)
    plan = plan_import(known, found.tables, source="gudid", owners=OwnershipRule(), part=True, facilities={"NORTH"})
    assert not plan.findings
    (change,) = plan.changes
    assert isinstance(change.after, Item)
    assert {row.facility for row in change.after.identifiers} == {"NORTH"}


def test_a_number_that_is_told_twice_alike_comes_once() -> None:
    found = read_gudid(DEVICES, [*NUMBERS, NUMBERS[2]], KNOWN)
    assert [row.cells.value for row in found.tables[1].rows] == [EACH, BOX, CASE]


def test_a_number_that_is_told_with_two_quantities_is_left_out() -> None:
    found = read_gudid(DEVICES, [*NUMBERS[:3], f"{EACH}|{BOX}|Unit of Use|GS1|||||"], KNOWN)
    assert quantities(found) == {EACH: "1"}
    assert [finding.code for finding in found.findings] == ["two-quantities"]


@pytest.mark.parametrize(("source", "taken"), [("erp", False), ("gudid", True)])
def test_what_another_system_says_of_a_number_is_not_spoken_against(source: str, *, taken: bool) -> None:
    box = Identifier(system="GS1", value=BOX, quantity="12", source=source)
    known = {KEY: Item(number="A", identifiers=(*KNOWN[KEY].identifiers, box))}
    found = read_gudid(DEVICES, NUMBERS, known)
    assert (BOX in quantities(found)) is taken
    assert bool(found.findings) is not taken


def test_an_identifier_that_is_empty_names_nothing() -> None:
    assert quantities(read_gudid(DEVICES, [*NUMBERS[:2], f"{EACH}||Unit of Use|GS1|||||"], KNOWN)) == {EACH: "1"}


def test_a_count_of_thousands_of_digits_is_none() -> None:
    line = f"{EACH}|{BOX}|Package|GS1|{EACH}|{'9' * 5000}|||BX"
    assert quantities(read_gudid(DEVICES, [*NUMBERS[:2], line], KNOWN)) == {EACH: "1"}


def test_what_gudid_said_before_it_may_say_otherwise() -> None:
    one = Identifier(system="GS1", value=EACH, source="gudid")
    assert quantities(read_gudid(FOUR, NUMBERS, {KEY: Item(number="A", identifiers=(one,))}))[EACH] == "4"
