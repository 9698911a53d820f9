"""A release of GUDID, the FDA's database of device identifiers: packaging and brand of the items that the hospital has.

Its files are tables whose cells stand between bars; their first line names the columns, in an order that has changed
before. `device.txt` has a line for each device, `identifiers.txt` one for each of its identifiers (GUDID Data Elements
Reference Table). Devices that no item is are passed over: the release has millions.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

from casecart.canonical.master import Identifier, Item
from casecart.formats.udi import gtin
from casecart.master.items import FIELD_OF_SYSTEM
from casecart.master.table_file import DocumentKey, TableRow, TableRows
from casecart.master.tables import TABLES
from casecart.workspace.findings import Finding, Place, did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from casecart.canonical.master import MasterDocument

__all__ = ["Gudid", "read_gudid"]

DEVICE_COLUMNS: Final = ("primarydi", "brandname", "companyname", "catalognumber", "devicecount")
IDENTIFIER_COLUMNS: Final = (
    "primarydi", "deviceid", "deviceidtype", "deviceidissuingagency", "containsdinumber", "pkgquantity", "pkgtype",
)  # fmt: skip
SYSTEMS: Final = {"GS1": "GS1", "HIBCC": "HIBCC", "ICCBBA": "ICCBBA"}
PACKAGE: Final = "package"
_COUNT: Final = re.compile(r"\d{1,9}", re.ASCII)


class Gudid(NamedTuple):
    """What a release says of the items."""

    tables: list[TableRows]
    matched: int
    """Devices that are items of the hospital."""
    passed_over: int
    findings: list[Finding]


class _Device(NamedTuple):
    """The item that it is, and how many of the item's unit are in its primary DI, and in one device."""

    key: DocumentKey
    units: Fraction
    each: Fraction


class _Line(NamedTuple):
    number: int
    cells: dict[str, str]


class _Wrong(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def read_gudid(
    devices: Iterable[str],
    identifiers: Iterable[str],
    current: Mapping[DocumentKey, MasterDocument],
    *,
    files: tuple[str, str] = ("device.txt", "identifiers.txt"),
    source: str = "gudid",
) -> Gudid:
    """Reads a release's two tables, line by line.

    Args:
        devices: lines of `device.txt`.
        identifiers: lines of `identifiers.txt`.
        current: the documents; an item is a device when it has the device's primary DI, or its manufacturer and
            catalogue number.
        files: their names, for findings.
        source: the system as which it is brought in. What it said before may change.
    """
    items = TableRows(TABLES["items"], files[0], ("item", "manufacturer", "catalog_number", "brand"))
    numbers = TableRows(TABLES["identifiers"], files[1], ("item", "system", "value", "quantity", "unit"))
    findings: list[Finding] = []
    known: dict[str, _Device] = {}
    passed_over = 0
    try:
        by_di, by_product = _items(current)
        for line in _lines(devices, files[0], DEVICE_COLUMNS):
            cells = line.cells
            keys = by_di.get(_di(cells["primarydi"]))
            keys = keys or by_product.get((cells["companyname"].casefold(), cells["catalognumber"].casefold()), [])
            if len(keys) != 1:
                passed_over += 1
                if keys:
                    words = (
                        f"the device is {len(keys)} items ({listed([each.key for each in keys])}); it is passed over"
                    )
                    findings.append(Finding(Place(files[0], line.number), "warning", "table-row", words))
                continue
            (key,) = keys
            known[cells["primarydi"]] = device = _device(key, current[key], cells, source)
            if device.each != 1:
                words = f"GUDID counts other units than item {key.key} does: one device is {device.each} of its unit"
                findings.append(Finding(Place(files[0], line.number), "warning", "table-row", words))
            product = {
                "manufacturer": cells["companyname"],
                "catalog_number": cells["catalognumber"],
                "brand": cells["brandname"],
            }
            items.rows.append(TableRow(line.number, key, {name: value or None for name, value in product.items()}))
        of_device: dict[str, list[_Line]] = {}
        for line in _lines(identifiers, files[1], IDENTIFIER_COLUMNS):
            if line.cells["primarydi"] in known:
                of_device.setdefault(line.cells["primarydi"], []).append(line)
        for primary, lines in of_device.items():
            numbers.rows += _numbers(primary, lines, known[primary], findings, files[1])
        numbers.rows = list(_agreeing(numbers, current, source, findings))
    except _Wrong as wrong:
        findings.append(wrong.finding)
    items.rows = list(
        {row.key: row for row in items.rows}.values()
    )  # an item that is two devices has the later's names
    return Gudid([items, numbers], len(known), passed_over, findings)


def _items(
    current: Mapping[DocumentKey, MasterDocument],
) -> tuple[dict[str, list[DocumentKey]], dict[tuple[str, str], list[DocumentKey]]]:
    by_di: dict[str, list[DocumentKey]] = {}
    by_product: dict[tuple[str, str], list[DocumentKey]] = {}

    def known(keys: list[DocumentKey], key: DocumentKey) -> None:
        # What holds everywhere comes first; a facility's overlay is the same item.
        if all(each.key != key.key for each in keys):
            keys.append(key)

    for key in sorted(key for key in current if key.kind == "item"):
        item = current[key]
        if isinstance(item, Item):
            for identifier in item.identifiers:
                if FIELD_OF_SYSTEM[identifier.system] == "di":
                    known(by_di.setdefault(identifier.value, []), key)
            if item.manufacturer and item.catalog_number:
                known(by_product.setdefault((item.manufacturer.casefold(), item.catalog_number.casefold()), []), key)
    return by_di, by_product


def _lines(lines: Iterable[str], file: str, wanted: tuple[str, ...]) -> Iterator[_Line]:
    reading = iter(lines)
    header = [name.strip().strip("\ufeff").lower() for name in next(reading, "").split("|")]
    missing = [name for name in wanted if name not in header]
    if missing:
        words = f"the first line lacks the column{'s' if len(missing) > 1 else ''} {listed(missing)}"
        suggestion = did_you_mean(missing[0], header)
        raise _Wrong(Finding(Place(file), "error", "table-header", words, suggestion))
    columns = [(name, header.index(name)) for name in wanted]
    for number, line in enumerate(reading, 2):
        cells = line.rstrip("\r\n").split("|")
        if len(cells) != len(header):
            words = f"the line has {len(cells)} cells, and the first line {len(header)}; the file may be cut short"
            raise _Wrong(Finding(Place(file, number), "error", "table-row", words))
        yield _Line(number, {name: cells[place].strip() for name, place in columns})


def _device(key: DocumentKey, item: MasterDocument, cells: Mapping[str, str], source: str) -> _Device:
    """GUDID counts devices, and the item its own unit: what the master data say of the primary DI leads."""
    count = _count(cells["devicecount"]) or 1
    primary = _di(cells["primarydi"])
    told = {
        Fraction(each.quantity)
        for each in (item.identifiers if isinstance(item, Item) else ())
        if each.value == primary and FIELD_OF_SYSTEM[each.system] == "di" and each.source != source
    }
    units = told.pop() if len(told) == 1 else Fraction(count)
    return _Device(key, units, units / count)


def _numbers(
    primary: str, lines: list[_Line], device: _Device, findings: list[Finding], file: str
) -> Iterator[TableRow]:
    """A device's identifiers, each with how many of the item's unit its packaging holds."""
    by_id = {line.cells["deviceid"]: line for line in lines}
    for line in lines:
        cells = line.cells
        system = SYSTEMS.get(cells["deviceidissuingagency"].upper())
        if system is None or not cells["deviceid"]:
            continue  # NDC/NHRIC and the like are no device identifiers
        quantity = _quantity(line, by_id, primary, device)
        if quantity is None:
            words = "how many devices this package holds can't be worked out: what it contains is not in the file"
            findings.append(Finding(Place(file, line.number), "warning", "table-row", words))
            continue
        is_package = cells["deviceidtype"].lower() == PACKAGE
        row = Identifier(
            system=system,  # type: ignore[arg-type]  # one of three that it can be
            value=_di(cells["deviceid"]),
            quantity=str(quantity),
            unit=cells["pkgtype"] if is_package else "",
            facility=device.key.facility,  # of an item that only that facility has
        )
        yield TableRow(line.number, device.key._replace(facility=""), row)


def _quantity(line: _Line, by_id: Mapping[str, _Line], primary: str, device: _Device) -> Fraction | None:
    """Down from package to package until the device itself."""
    quantity = Fraction(1)
    for _ in range(len(by_id) + 1):  # a circle never comes to its end
        cells = line.cells
        kind = cells["deviceidtype"].lower()
        if kind in {"unit of use", "direct marking"}:
            return quantity * device.each
        if kind != PACKAGE:
            return quantity * device.units
        if not (within := _count(cells["pkgquantity"])):
            return None
        quantity *= within
        contained = cells["containsdinumber"]
        if contained == primary and primary not in by_id:
            return quantity * device.units
        if contained not in by_id:
            return None
        line = by_id[contained]
    return None


def _agreeing(
    numbers: TableRows, current: Mapping[DocumentKey, MasterDocument], source: str, findings: list[Finding]
) -> Iterator[TableRow]:
    """Each number once; and none of which something else is said, here or in what is known of the item."""
    told: dict[tuple[DocumentKey, str, str], list[TableRow]] = {}
    for row in numbers.rows:
        told.setdefault((row.key, row.cells.system, row.cells.value), []).append(row)
    for (key, system, value), rows in told.items():
        where = rows[0].cells.facility
        item = current.get(key) or current.get(key._replace(facility=where))
        quantities = {row.cells.quantity for row in rows}
        others = {
            each.quantity
            for each in (item.identifiers if isinstance(item, Item) else ())
            if (each.system, each.value, each.facility) == (system, value, where) and each.source != source
        }
        if len(quantities | others) == 1:
            yield rows[0]
            continue
        words = (
            f"the number names {listed(sorted(quantities))} of item {key.key} here, and "
            f"{listed(sorted(others)) or 'has more than one line'} in the master data; it is left out"
        )
        findings.append(Finding(Place(numbers.file, rows[0].line), "warning", "two-quantities", words))


def _count(text: str) -> int:
    """A number of things; 0 where the cell says none."""
    return int(text) if _COUNT.fullmatch(text) else 0


def _di(text: str) -> str:
    """As items have it: a GTIN on 14 digits."""
    return gtin(text) or text
