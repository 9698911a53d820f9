"""What a Tryton is asked: its master data, an item, and what is on hand. Nothing is changed there."""

from __future__ import annotations

import os
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from twisted.internet.defer import Deferred

from casecart.destinations.tryton.client import Rest, Trouble
from casecart.destinations.tryton.rows import Rows, status, tracking
from casecart.runtime.destination import ErpItem, MasterRead, NothingThere, NotRead, OnHand
from casecart.runtime.exchange import Client

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from casecart.destinations.tryton.client import Record
    from casecart.destinations.tryton.settings import TrytonSettings
    from casecart.runtime.destination import DestinationContext

__all__ = ["TrytonReader"]

_T = TypeVar("_T")

PAGE: Final = 250
"""Records that are asked for at a time; of products, each with its identifiers."""

_ALL: Final = {"active_test": False}
"""Context in which what is inactive is found as well."""

_OPTIONAL: Final = {
    ("product.product", "lot_required"): "lot_required",
    ("product.template", "lot_uom"): "template.lot_uom",
    ("stock.lot", "shelf_life_expiration_date"): "shelf_life_expiration_date",
}
"""Model and field that not every Tryton has, and how it is asked for."""

_STORED: Final = [["type", "=", "storage"], ["code", "!=", None]]


class TrytonReader:
    """Asks one database of a Tryton.

    Args:
        context: what it is made with.

    Raises:
        WorkspaceError: the key is not there.
    """

    def __init__(self, context: DestinationContext) -> None:
        settings = cast("TrytonSettings", context.settings)
        self._units = {str(name): str(symbol) for name, symbol in settings.units.items()}
        self._unit = Rows(self._units, ()).unit
        self._suppliers = None if settings.suppliers is None else str(settings.suppliers)
        self._client = Client(context.reactor, settings.url, connections=1, timeout=settings.timeout)
        self._rest = Rest(self._client, settings.key.reveal(os.environ, context.root), settings.company)

    def master(self) -> Deferred[MasterRead]:
        """Items with their identifiers, suppliers, locations and lots."""
        return _told(self._master())

    def item(self, identifier: str) -> Deferred[Sequence[ErpItem]]:
        """By code or by identifier, whatever its status."""
        return _told(self._item(identifier))

    def on_hand(self, item: str | None, location: str | None, lot: str | None) -> Deferred[Sequence[OnHand]]:
        """Each location's own, without those below it."""
        return _told(self._on_hand(item, location, lot))

    def reach(self) -> Deferred[None]:
        """Ask for one product, as little as can be asked. Fails with `NotRead`."""
        return _told(self._reach())

    async def _reach(self) -> None:
        await self._rest.find("product.product", [], ["code"], limit=1)

    def stop(self) -> Deferred[None]:
        """Close the connection."""
        return self._client.close()

    async def _master(self) -> MasterRead:
        optional = await self._optional()
        rows = Rows(self._units, optional)
        fields = ["code", "active", "template.active", "template.name", "default_uom.symbol", "default_uom.digits"]
        fields += ["identifiers.code", "identifiers.type", *_of_products(optional)]
        products = await self._every("product.product", [["type", "!=", "service"]], fields, _ALL)
        items = rows.items(products)
        if not items:
            # Whoever sees nothing would have everything removed.
            words = "Tryton shows the key's user not one product with a code; look at its rights and the company."
            raise NotRead("nothing-there", words)
        codes = {row["item"] for row in items}
        locations = await self._every("stock.location", _STORED, ["code", "name", "active"], _ALL)
        expiry = sorted(optional & {"shelf_life_expiration_date"})
        lot_fields = [
            "number",
            "product.code",
            *(["product.template.lot_uom"] if "template.lot_uom" in optional else []),
        ]
        lots = await self._every("stock.lot", [], [*lot_fields, *expiry], {})
        identifiers = rows.identifiers(products, codes)
        tables = {
            "items": items,
            "identifiers": identifiers,
            "locations": rows.locations(locations),
            "lots": rows.lots(lots, codes),
        }
        if self._suppliers is not None:  # nothing else tells suppliers from patients
            domain = [["code", "!=", None], ["categories.name", "=", self._suppliers]]
            parties = await self._every("party.party", domain, ["code", "name", "active"], _ALL)
            tables["suppliers"] = rows.suppliers(parties)
        # Where not one HIBC is kept, that there is none of an item says nothing.
        systems = frozenset(row["system"] for row in identifiers)
        return MasterRead(tables=tables, systems=systems, passed_over=rows.passed_over)

    async def _item(self, identifier: str) -> Sequence[ErpItem]:
        optional = await self._optional()
        # A GTIN is kept as it was typed in there: with as many zeros before it as somebody saw fit.
        numbers = {identifier, identifier.strip()}
        if identifier.strip().isdecimal():
            bare = identifier.strip().lstrip("0")
            numbers |= {bare.rjust(length, "0") for length in (8, 12, 13, 14) if len(bare) <= length}
        domain = ["OR", ["code", "=", identifier.strip()], ["identifiers.code", "in", sorted(numbers)]]
        fields = ["code", "active", "template.active", "template.name", "default_uom.symbol"]
        fields += _of_products(optional)
        fields += ["identifiers.code", "identifiers.type"]
        found = []
        for record in await self._every("product.product", domain, fields, _ALL):
            lot, serial = tracking(record, optional)
            found.append(
                ErpItem(
                    item=str(record.get("code") or ""),
                    description=str((record.get("template") or {}).get("name") or ""),
                    status=status(record),
                    unit=self._unit(str(record["default_uom"]["symbol"])),
                    lot=lot,
                    serial=serial,
                    identifiers=[
                        (str(each.get("type") or ""), str(each["code"])) for each in record.get("identifiers") or ()
                    ],
                )
            )
        return found

    async def _on_hand(self, item: str | None, location: str | None, lot: str | None) -> Sequence[OnHand]:
        product = None if item is None else await self._one("product.product", [["code", "=", item]], f"code {item}")
        places = _STORED
        if location is not None:
            places = [["code", "=", location]]
            await self._one("stock.location", places, f"code {location}")
        context: dict[str, object] = {"with_childs": False}
        if product is not None:
            context["product"] = product
        fields = ["code"] if product is None else ["code", "quantity"]
        found: list[OnHand] = []
        if lot is not None:
            domain = [["number", "=", lot], *([] if product is None else [["product", "=", product]])]
            await self._one("stock.lot", domain, f"number {lot}")
        for place in await self._every("stock.location", places, fields, context):
            # With one item most places have none of it; lots may be there even where they add up to nothing.
            if product is not None and location is None and lot is None and not place.get("quantity"):
                continue
            found += await self._at(place, product, lot)
        return found

    async def _at(self, place: Record, product: int | None, lot: str | None) -> list[OnHand]:
        """What is at one location: by lot, and what of an item is of no lot."""
        context = {"locations": [place["id"]], "with_childs": False}
        there = [["quantity", "!=", 0]]
        of_item = [] if product is None else [["product", "=", product]]
        of_lot = [] if lot is None else [["number", "=", lot]]
        fields = ["number", "quantity", "product.code", "product.default_uom.symbol"]
        lots = await self._every("stock.lot", [*there, *of_item, *of_lot], fields, context)
        in_lots: defaultdict[int, Decimal] = defaultdict(Decimal)
        rows = []
        for record in lots:
            quantity = _number(record["quantity"])
            in_lots[_id(record["product"])] += quantity
            rows.append(self._row(record["product"], place, str(record["number"] or ""), quantity))
        if lot is not None:
            return rows
        whole = [["id", "=", product]] if product is not None else there
        fields = ["code", "quantity", "default_uom.symbol"]
        for record in await self._every("product.product", whole, fields, {**context, **_ALL}):
            rest = _number(record["quantity"]) - in_lots[int(record["id"])]
            if rest:
                rows.append(self._row(record, place, "", rest))
        return rows

    def _row(self, product: Record, place: Record, lot: str, quantity: Decimal) -> OnHand:
        unit = self._unit(str(product["default_uom"]["symbol"]))
        return OnHand(
            item=str(product.get("code") or ""), location=str(place["code"]), lot=lot, quantity=quantity, unit=unit
        )

    async def _one(self, model: str, domain: Sequence[object], named: str) -> int:
        found = await self._rest.find(model, domain, ["id"], context=_ALL, limit=2)
        if len(found) != 1:
            noun = {"product.product": "product", "stock.location": "location", "stock.lot": "lot"}[model]
            raise NothingThere(f"Tryton has {'more than one' if found else 'no'} {noun} with the {named}")
        return int(found[0]["id"])

    async def _optional(self) -> frozenset[str]:
        """The fields of modules that are there. A field that is not would be a fault of Tryton's to ask for."""
        models, names = (sorted(set(each)) for each in zip(*_OPTIONAL, strict=True))
        found = await self._every(
            "ir.model.field", [["model", "in", models], ["name", "in", names]], ["model", "name"], {}
        )
        there = {(record["model"], record["name"]) for record in found}
        return frozenset(asked for field, asked in _OPTIONAL.items() if field in there)

    async def _every(
        self, model: str, domain: Sequence[object], fields: Sequence[str], context: Mapping[str, object]
    ) -> list[Record]:
        """All records, page by page, each after the last one of the page before.

        By their places instead, one would be overlooked when somebody deletes another in between; and what is
        overlooked is taken for what is no more.
        """
        found: list[Record] = []
        after = 0
        while True:
            beyond = [list(domain), ["id", ">", after]]
            page = await self._rest.find(model, beyond, fields, context=context, order=[("id", "ASC")], limit=PAGE)
            found += page
            if len(page) < PAGE:
                return found
            if int(page[-1]["id"]) <= after:
                raise ValueError("these records were here already")
            after = int(page[-1]["id"])


def _told(asked: Coroutine[Deferred[Any], Any, _T]) -> Deferred[_T]:
    async def told() -> _T:
        try:
            return await asked
        except Trouble as trouble:
            raise NotRead(trouble.code, trouble.words) from trouble
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            words = "Something answers in Tryton's place, or in another way than it."
            raise NotRead("answer-not-understood", words) from error

    return Deferred.fromCoroutine(told())


def _of_products(optional: frozenset[str]) -> list[str]:
    return sorted(optional - {"shelf_life_expiration_date"})


def _id(record: Any) -> int:  # noqa: ANN401 - whatever JSON holds
    """Of a record that is asked for by a path, or of its number alone."""
    return int(record["id"] if isinstance(record, dict) else record or 0)


def _number(value: object) -> Decimal:
    return Decimal(f"{Decimal(str(value or 0)).normalize():f}")  # 100, and not 1E+2
