"""The tables in which master data are handed over; reading, export and their reference page come of this."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from casecart.canonical.master import Assignment, Identifier, Name, Stock, Substitute, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SYSTEMS", "TABLES", "Column", "ColumnType", "Table", "table_for"]

ColumnType = Literal["text", "flag", "date", "quantity", "system", "ownership", "status"]

SYSTEMS: Final = ("GS1", "HIBCC", "ICCBBA", "IFA", "catalog", "item", "ehr", "supplier", "charge")
OWNERSHIPS: Final = ("owned", "consigned", "bill-only", "bill-and-replace", "loaner")
STATUSES: Final = ("active", "inactive")

Row = type[Identifier] | type[Unit] | type[Stock] | type[Substitute] | type[Name] | type[Assignment]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what its cells are, and the field of the document or row that they become."""

    name: str
    about: str
    example: str
    type: ColumnType = "text"
    required: bool = False
    group: str = ""
    """Of the fields of a document that one system owns together; for tables whose lines are documents."""
    refers: str = ""
    """The kind of document whose number it is: one that must be there."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        name: as files are called.
        kind: of the documents that its lines are, or that they belong to.
        columns: the first ones are the document's key.
        keys: how many of the columns those are.
        row: what a line is within its document; None: the line is the document.
        attribute: of the document, where those rows are; also the group of fields that they are.
        same: the columns by which two rows of a document are the same one.
    """

    name: str
    kind: str
    about: str
    columns: tuple[Column, ...]
    keys: int = 1
    row: Row | None = None
    attribute: str = ""
    same: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        """By its name."""
        return next(column for column in self.columns if column.name == name)


_FACILITY = Column("facility", "The facility that the line is for; empty: all of them.", "NORTH")
_FROM = Column("valid_from", "The first day on which it holds; empty: always did.", "2026-01-01", "date")
_TO = Column("valid_to", "The last day on which it holds; empty: still does.", "2026-12-31", "date")
_LIMITS = (_FACILITY, _FROM, _TO)


def _grouped(group: str, *columns: Column) -> tuple[Column, ...]:
    return tuple(
        Column(each.name, each.about, each.example, each.type, each.required, group, each.refers) for each in columns
    )


def _described(kind: str, example: str, name: str) -> Table:
    return Table(
        f"{kind}s",
        kind,
        f"The {kind}s by their numbers.",
        (
            Column(kind, "Its number.", example, required=True),
            *_grouped(
                "description",
                Column("name", "What people call it.", name),
                Column("status", "active or inactive.", "active", "status"),
                *_LIMITS[1:],
            ),
            _FACILITY,
        ),
    )


def _named(kind: str, example: str, name: str) -> Table:
    return Table(
        f"{kind}-names",
        kind,
        f"What other systems call the {kind}s.",
        (
            Column(kind, "Its number.", example, required=True),
            Column("system", "Which system.", "orsys", required=True),
            Column("value", "What it is called there.", name, required=True),
            *_LIMITS,
        ),
        row=Name,
        attribute="names",
        same=("system", "value", "facility", "valid_from"),
    )


_ITEM = Column("item", "The item's number.", "SCREW-35", required=True)

_ALL: Final = (
    Table(
        "items",
        "item",
        "What is stocked and used, by the ERP's numbers.",
        (
            _ITEM,
            *_grouped(
                "description",
                Column("description", "What it is, for people.", "Cancellous screw 3.5 mm"),
                Column("status", "active or inactive.", "active", "status"),
                *_LIMITS[1:],
            ),
            *_grouped(
                "product",
                Column("manufacturer", "Who makes it.", "Example Orthopaedics"),
                Column("catalog_number", "The manufacturer's number for it.", "CS-35"),
                Column("brand", "The brand on its label.", "BoneGrip"),
            ),
            *_grouped(
                "tracking",
                Column("unit", "The unit that stock is counted in.", "EA"),
                Column("fractions", "Whether less than one unit can be used: yes or no.", "no", "flag"),
                Column("lot", "Whether each use must name its lot: yes or no.", "yes", "flag"),
                Column("serial", "Whether each use must name its serial number: yes or no.", "no", "flag"),
                Column("expiry", "Whether it expires: yes or no.", "yes", "flag"),
            ),
            *_grouped("purchasing", Column("supplier", "Whom it is bought from.", "ACME", refers="supplier")),
            _FACILITY,
        ),
    ),
    Table(
        "identifiers",
        "item",
        "Every number by which somebody knows an item, at every level of packaging.",
        (
            _ITEM,
            Column("system", f"Whose number it is: {', '.join(SYSTEMS)}.", "GS1", "system", required=True),
            Column("value", "The number.", "04012345000016", required=True),
            Column("issuer", "The manufacturer, the EHR or the supplier whose number it is.", "Example Orthopaedics"),
            Column("quantity", "How many of the item's unit it names; empty: 1.", "10", "quantity"),
            Column("unit", "What that packaging is called.", "BX"),
            *_LIMITS,
        ),
        row=Identifier,
        attribute="identifiers",
        same=("system", "value", "issuer", "facility", "valid_from"),
    ),
    Table(
        "units",
        "item",
        "Other units in which an item is told.",
        (
            _ITEM,
            Column("unit", "The other unit.", "BX", required=True),
            Column(
                "quantity", "How many of the item's unit are in one: 10, 2.5 or 1/3.", "10", "quantity", required=True
            ),
            *_LIMITS,
        ),
        row=Unit,
        attribute="units",
        same=("unit", "facility", "valid_from"),
    ),
    Table(
        "stock",
        "item",
        "Whose an item is, and where.",
        (
            _ITEM,
            Column("location", "Where; empty: wherever no other line says more.", "OR-CORE", refers="location"),
            Column("ownership", f"{', '.join(OWNERSHIPS)}.", "consigned", "ownership", required=True),
            Column("supplier", "Whose it is, unless it is owned.", "ACME", refers="supplier"),
            *_LIMITS,
        ),
        row=Stock,
        attribute="stock",
        same=("location", "facility", "valid_from"),
    ),
    Table(
        "substitutes",
        "item",
        "What may be used in place of an item.",
        (_ITEM, Column("substitute", "The other item.", "SCREW-36", required=True, refers="item"), *_LIMITS),
        row=Substitute,
        attribute="substitutes",
        same=("substitute", "facility", "valid_from"),
    ),
    _described("supplier", "ACME", "Acme Orthopaedic Supplies"),
    _named("supplier", "ACME", "V-1001"),
    _described("location", "OR-CORE", "Core of the operating rooms"),
    _named("location", "OR-CORE", "CORE"),
    _described("department", "OR-MAIN", "Operating rooms"),
    _named("department", "OR-MAIN", "7100"),
    Table(
        "assignments",
        "department",
        "What a department's use is taken from, and charged to.",
        (
            Column("department", "Its number.", "OR-MAIN", required=True),
            Column(
                "dimension", "location, cost_center, gl_account or another dimension.", "cost_center", required=True
            ),
            Column("value", "The location, or the value of the dimension.", "4711", required=True),
            *_LIMITS,
        ),
        row=Assignment,
        attribute="assignments",
        same=("dimension", "value", "facility", "valid_from"),
    ),
    Table(
        "dimensions",
        "dimension",
        "The values of the financial dimensions: cost centres, GL accounts, projects.",
        (
            Column("dimension", "Which dimension.", "cost_center", required=True),
            Column("code", "The value.", "4711", required=True),
            *_grouped(
                "description",
                Column("name", "What people call it.", "Operating rooms"),
                Column("status", "active or inactive.", "active", "status"),
                *_LIMITS[1:],
            ),
            _FACILITY,
        ),
        keys=2,
    ),
    Table(
        "lots",
        "lot",
        "The lots of an item that are known. Of an item without any, every lot is taken.",
        (
            Column("item", "The item's number.", "SCREW-35", required=True, refers="item"),
            Column("lot", "The lot.", "L2026A", required=True),
            *_grouped("lot", Column("expiry", "The last day on which it may be used.", "2028-12-31", "date")),
        ),
        keys=2,
    ),
    Table(
        "recalls",
        "recall",
        "What was called back.",
        (
            Column("recall", "The number of the recall.", "Z-1234-2026", required=True),
            Column("row", "Which line of it; empty: they are counted.", "1"),
            *_grouped(
                "recall",
                Column("di", "The device identifier of what is called back.", "04012345000016"),
                Column("item", "The item that is called back.", "SCREW-35"),
                Column("lot_from", "The lot, or the first of several; empty: every lot.", "L2026A"),
                Column("lot_to", "The last of several lots.", "L2026F"),
                Column("serial_from", "The serial number, or the first of several; empty: every one.", "SN-100"),
                Column("serial_to", "The last of several serial numbers.", "SN-199"),
                Column("reason", "Why.", "Packaging may not be sterile"),
                Column("published", "When it was published.", "2026-10-01", "date"),
            ),
        ),
        keys=2,
    ),
)

TABLES: Final[Mapping[str, Table]] = MappingProxyType({table.name: table for table in _ALL})

_STEM: Final = re.compile(r"([a-z]+(?:-names)?)(?:[-_.]?\d[\w.-]*)?\.(?:csv|txt|tsv)", re.IGNORECASE)


def table_for(file_name: str) -> Table | None:
    """The table that a file is called after: `items.csv`, `items-2026-11.csv`."""
    match = _STEM.fullmatch(file_name)
    return None if match is None else TABLES.get(match[1].lower())
