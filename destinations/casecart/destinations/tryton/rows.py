"""Tryton's records as rows of the master data's tables: what can be taken, and what is passed over and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from casecart.destinations.tryton.client import read_day
from casecart.formats.udi import Udi, gtin, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from casecart.destinations.tryton.client import Record

__all__ = ["LONGEST_NAME", "Rows", "device_identifier", "status", "tracking"]

LONGEST_NAME: Final = 500
_LONGEST_CODE: Final = 200

Row = dict[str, str]


class Rows:
    """The rows of one reading.

    Args:
        units: what Tryton calls the units of the master data: unit → symbol.
        fields: the fields that this Tryton has beyond those that each has: ``template.lot_uom``.
    """

    def __init__(self, units: Mapping[str, str], fields: Collection[str]) -> None:
        self._units: dict[str, str] = {symbol: unit for unit, symbol in reversed(list(units.items()))}
        self._fields = fields
        self.passed_over: Counter[str] = Counter()

    def unit(self, symbol: str) -> str:
        """What the master data call a unit of Tryton's."""
        return self._units.get(symbol, symbol)

    def items(self, products: Iterable[Record]) -> list[Row]:
        """A row for each product with a code of its own."""
        return [self._item(code, record) for code, record in self._coded(products, "products")]

    def identifiers(self, products: Iterable[Record], items: Collection[str]) -> list[Row]:
        """A row for each device identifier of these items that is no other's."""
        named: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for record in products:
            if (code := _code(record.get("code"))) not in items:
                continue
            for each in record.get("identifiers") or ():
                known = device_identifier(each.get("type"), str(each.get("code") or ""))
                if known is None:
                    self.passed_over["identifiers that are neither a GTIN nor a HIBC"] += 1
                else:
                    named[known].add(code)
        rows = []
        for (system, value), codes in named.items():
            if len(codes) > 1:
                self.passed_over["identifiers of more than one product"] += 1
            else:
                rows.append({"item": codes.pop(), "system": system, "value": value})
        return rows

    def suppliers(self, parties: Iterable[Record]) -> list[Row]:
        """A row for each party with a code of its own."""
        return [self._described("supplier", code, record) for code, record in self._coded(parties, "parties")]

    def locations(self, locations: Iterable[Record]) -> list[Row]:
        """A row for each location with a code of its own."""
        return [self._described("location", code, record) for code, record in self._coded(locations, "locations")]

    def lots(self, lots: Iterable[Record], items: Collection[str]) -> list[Row]:
        """A row for each lot of these items. A serial number is a lot of Tryton's, and none of the master data's."""
        found: dict[tuple[str, str], Row] = {}
        several = set()
        for record in lots:
            product = record.get("product") or {}
            if (product.get("template") or {}).get("lot_uom"):
                continue
            item, number = _code(product.get("code")), _code(record.get("number"))
            if item not in items:
                self.passed_over["lots of products that were passed over"] += 1
            elif not number:
                self.passed_over["lots without a number that can be used"] += 1
            elif (item, number) in found:
                several.add((item, number))
            else:
                found[item, number] = {"item": item, "lot": number}
                if "shelf_life_expiration_date" in self._fields:
                    found[item, number]["expiry"] = read_day(record.get("shelf_life_expiration_date"))
        for each in several:
            del found[each]
            self.passed_over["lot numbers that an item has twice"] += 1
        return list(found.values())

    def _item(self, code: str, record: Record) -> Row:
        unit = record["default_uom"]
        row = {
            "item": code,
            "description": _name((record.get("template") or {}).get("name")),
            "status": status(record),
            "unit": self.unit(str(unit["symbol"])),
            "fractions": _flag(unit.get("digits")),
        }
        lot, serial = tracking(record, self._fields)
        for name, flag in (("lot", lot), ("serial", serial)):
            if flag is not None:
                row[name] = _flag(flag)
        return row

    @staticmethod
    def _described(kind: str, code: str, record: Record) -> Row:
        return {kind: code, "name": _name(record.get("name")), "status": status(record)}

    def _coded(self, records: Iterable[Record], noun: str) -> list[tuple[str, Record]]:
        """Those that can be told by their codes."""
        by_code: defaultdict[str, list[Record]] = defaultdict(list)
        for record in records:
            by_code[_code(record.get("code"))].append(record)
        if nameless := by_code.pop("", []):
            self.passed_over[f"{noun} without a code that can be used"] += len(nameless)
        for code in [code for code, same in by_code.items() if len(same) > 1]:
            self.passed_over[f"{noun} that share a code"] += len(by_code.pop(code))
        return [(code, record) for code, (record,) in by_code.items()]


def status(record: Record) -> str:
    """Whether somebody put it away; of a product, it or its template."""
    told = (record.get("active"), (record.get("template") or {}).get("active"))
    return "inactive" if any(each is not None and not each for each in told) else "active"


def tracking(record: Record, fields: Collection[str]) -> tuple[bool | None, bool | None]:
    """Whether a use of a product must name a lot, and a serial number; None: this Tryton doesn't say."""
    serial = bool((record.get("template") or {}).get("lot_uom")) if "template.lot_uom" in fields else None
    if "lot_required" not in fields:
        return None, serial
    # What is used leaves a storage, and goes to where used things go.
    required = bool({"storage", "lost_found"}.intersection(record.get("lot_required") or ()))
    return required and not serial, serial


def device_identifier(kind: Any, code: str) -> tuple[str, str] | None:  # noqa: ANN401 - whatever JSON holds
    """System and value of an identifier of a product; None where it tells no device."""
    code = code.strip()
    if kind not in {None, "", "ean"}:
        return None
    if (number := gtin(code)) is not None:
        return "GS1", number
    if code.startswith("+"):
        read = parse(code, today=datetime.now(UTC).date())
        if isinstance(read, Udi) and read.agency == "HIBCC" and read.di:
            return "HIBCC", read.di
    return None


def _code(value: object) -> str:
    """A code as it is; empty where there is none, or where it can't be the same here and there."""
    text = value if isinstance(value, str) else ""
    return text if text == text.strip() and text.isprintable() and len(text) <= _LONGEST_CODE else ""


def _name(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:LONGEST_NAME]


def _flag(value: object) -> str:
    return "yes" if value else "no"
