"""Tryton's records as rows of tables: what is taken, as what, and what is passed over."""

from __future__ import annotations

from typing import Any

import pytest

from casecart.destinations.tryton.rows import Rows, device_identifier, tracking

UNITS = {"EA": "u", "PCE": "u", "cc": "cm³"}
FIELDS = frozenset({"lot_required", "template.lot_uom", "shelf_life_expiration_date"})
EAN, OTHER = "09521101530018", "04012345000023"


def product(code: str | None, *identifiers: tuple[str | None, str], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """As Tryton gives one."""
    return {
        "id": 1, "code": code, "active": 1, "template": {"name": "Screw", "lot_uom": None}, "lot_required": [],
        "default_uom": {"symbol": "u", "digits": 0},
        "identifiers": [{"type": kind, "code": number} for kind, number in identifiers], **more,
    }  # fmt: skip


def lot(item: str | None, number: str | None, **template: object) -> dict[str, Any]:
    return {"id": 1, "number": number, "product": {"code": item, "template": template}}


def item(**more: object) -> dict[str, str]:
    """The row of one product."""
    (row,) = Rows(UNITS, FIELDS).items([product("A", **more)])
    return row


def test_a_product_is_an_item() -> None:
    assert item() == {
        "item": "A", "description": "Screw", "status": "active", "unit": "EA", "fractions": "no", "lot": "no",
        "serial": "no",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "column", "cell"),
    [
        ({"active": 0}, "status", "inactive"),
        ({"template": {"name": "x", "active": False}}, "status", "inactive"),
        ({"default_uom": {"symbol": "cm³", "digits": 2}}, "unit", "cc"),
        ({"default_uom": {"symbol": "kg", "digits": 3}}, "unit", "kg"),  # `units` does not name it
        ({"default_uom": {"symbol": "cm³", "digits": 2}}, "fractions", "yes"),
        ({"lot_required": ["storage"]}, "lot", "yes"),
        ({"lot_required": ["lost_found"]}, "lot", "yes"),
        ({"lot_required": ["supplier"]}, "lot", "no"),  # only when it comes
        ({"lot_required": ["storage"], "template": {"name": "x", "lot_uom": 1}}, "lot", "no"),
        ({"lot_required": ["storage"], "template": {"name": "x", "lot_uom": 1}}, "serial", "yes"),
        ({"template": {"name": " a\u00a0 name\n in two lines "}}, "description", "a name in two lines"),
        ({"template": None}, "description", ""),
    ],
)
def test_a_field_of_a_product_is_a_cell(more: dict[str, object], column: str, cell: str) -> None:
    assert item(**more)[column] == cell


def test_what_a_tryton_does_not_know_is_no_column() -> None:
    (row,) = Rows(UNITS, ()).items([product("A", lot_required=["storage"])])
    assert not {"lot", "serial"} & row.keys()
    assert tracking({}, ()) == (None, None)


@pytest.mark.parametrize("code", [None, "", " A", "A\nB", "x" * 201])
def test_a_product_without_a_code_that_can_be_used_is_passed_over_and_counted(code: str | None) -> None:
    rows = Rows(UNITS, FIELDS)
    assert rows.items([product(code)]) == []
    assert rows.passed_over == {"products without a code that can be used": 1}


def test_products_that_share_a_code_are_passed_over_and_counted() -> None:
    rows = Rows(UNITS, FIELDS)
    assert [row["item"] for row in rows.items([product("A"), product("B"), product("A")])] == ["B"]
    assert rows.passed_over == {"products that share a code": 2}


@pytest.mark.parametrize(
    ("kind", "code", "read"),
    [
        ("ean", EAN, ("GS1", EAN)),
        (None, EAN, ("GS1", EAN)),
        ("ean", EAN[1:], ("GS1", EAN)),  # 13 digits of the same GTIN
        (None, "00643169001763", ("GS1", "00643169001763")),  # its check digit is wrong, and it is printed so
        (None, "+H123CS65300C", ("HIBCC", "H123CS65300")),
        (None, "CS-6530", None),
        (None, "+", None),
        ("mpn", EAN, None),
        ("isbn", "9780306406157", None),  # no device has one
    ],
)
def test_an_identifier_is_a_device_identifier_or_none(kind: str | None, code: str, read: object) -> None:
    assert device_identifier(kind, code) == read


def test_an_identifier_of_two_products_is_neither_ones() -> None:
    rows = Rows(UNITS, FIELDS)
    found = rows.identifiers([product("A", ("ean", EAN), ("ean", OTHER)), product("B", (None, EAN[1:]))], {"A", "B"})
    assert found == [{"item": "A", "system": "GS1", "value": OTHER}]
    assert rows.passed_over == {"identifiers of more than one product": 1}


def test_an_identifier_that_a_product_has_twice_is_one() -> None:
    found = Rows(UNITS, FIELDS).identifiers([product("A", ("ean", EAN), (None, EAN[1:]))], {"A"})
    assert [row["value"] for row in found] == [EAN]


def test_a_serial_number_is_no_lot() -> None:
    rows = Rows(UNITS, FIELDS)
    assert rows.lots([lot("A", "SN-1", lot_uom=1)], {"A"}) == []
    assert not rows.passed_over


def test_a_lot_has_its_expiry_date() -> None:
    day = {"__class__": "date", "year": 2028, "month": 1, "day": 31}
    found = Rows(UNITS, FIELDS).lots([lot("A", "L1") | {"shelf_life_expiration_date": day}, lot("A", "L2")], {"A"})
    assert [row["expiry"] for row in found] == ["2028-01-31", ""]


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([lot("B", "L1")], "lots of products that were passed over"),
        ([lot(None, "L1")], "lots of products that were passed over"),
        ([lot("A", "L\t1")], "lots without a number that can be used"),
        ([lot("A", "L1"), lot("A", "L1")], "lot numbers that an item has twice"),
    ],
)
def test_a_lot_that_can_not_be_told_is_passed_over_and_counted(records: list[dict[str, Any]], words: str) -> None:
    rows = Rows(UNITS, FIELDS)
    assert rows.lots(records, {"A"}) == []
    assert rows.passed_over == {words: 1}
