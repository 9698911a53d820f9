"""What Tryton says was moved on a day, to be compared with what was posted."""

from __future__ import annotations

import os
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.defer import Deferred

from casecart.destinations.tryton.client import Refused, Rest, Trouble, day, read_day
from casecart.destinations.tryton.line import Line, read_line
from casecart.destinations.tryton.settings import PLACEHOLDERS
from casecart.destinations.tryton.shipment import MODEL
from casecart.runtime.destination import Movement, NotRead
from casecart.runtime.exchange import Client

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence

    from casecart.destinations.tryton.client import Record
    from casecart.destinations.tryton.settings import TrytonSettings
    from casecart.runtime.destination import DestinationContext, Posting

__all__ = ["TrytonMovements", "pattern_of"]

PAGE: Final = 500
"""Records a request: about half of what is read of an answer."""

AT_ONCE: Final = 50
"""Shipments that are asked for by their ids in one request; they stand in its address."""

_OURS: Final = re.compile(r"CC-([0-9a-f]{32}\.\d+)-\d+")
_PLACEHOLDER: Final = re.compile("|".join(rf"\{{{name}\}}" for name in PLACEHOLDERS))
_ALSO_INACTIVE: Final = {"active_test": False}
_SHIPMENT: Final = ("reference", "number", "state", "effective_date")
_MOVE: Final = (
    "shipment",
    "state",
    "effective_date",
    "internal_quantity",
    "product.code",
    "lot.number",
    "from_location.code",
    "from_location.type",
    "to_location.code",
    "to_location.type",
)


class TrytonMovements:
    """Asks one database of a Tryton.

    Over REST a move tells its shipment as ``model,id`` and nothing of it, so that the shipments are asked for apart.

    Args:
        context: of the destination.
    """

    def __init__(self, context: DestinationContext) -> None:
        settings = cast("TrytonSettings", context.settings)
        self._used = {str(name): str(code) for name, code in settings.used.items()}
        self._patterns = [pattern_of(text) for text in self._used.values()]
        self._company = settings.company
        self._client = Client(context.reactor, settings.url, connections=1, timeout=settings.timeout)
        self._rest = Rest(self._client, settings.key.reveal(os.environ, context.root), settings.company)

    def movements(self, day: date) -> Deferred[Sequence[Movement]]:
        """Done moves between stock and where used things go, and all of shipments with a reference of casecart's."""
        return Deferred.fromCoroutine(self._understood(self._asked(day)))

    def made_since(self, moment: datetime) -> Deferred[Sequence[Movement]]:
        """What is of shipments with a reference of casecart's that Tryton made or changed since then."""
        return Deferred.fromCoroutine(self._understood(self._made_since(moment)))

    def expected(self, posting: Posting) -> Movement | None:
        """As it would be posted by today's settings."""
        line = read_line(posting, self._used)
        if not isinstance(line, Line):
            return None
        return Movement(
            number="",
            reference=posting.group,
            ours=True,
            item=line.item,
            lot=line.lot,
            quantity=line.quantity,
            source=line.source,
            target=line.target,
            day=line.day,
            state="done",
        )

    def stop(self) -> Deferred[None]:
        """Close the connections."""
        return self._client.close()

    async def _understood(self, asked: Coroutine[Any, Any, Sequence[Movement]]) -> Sequence[Movement]:
        try:
            return await asked
        except (Trouble, Refused) as trouble:
            code = trouble.code if isinstance(trouble, Trouble) else "refused"
            raise NotRead(code, trouble.words) from trouble
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            words = "Tryton, or something in its place, answers in another way than it should."
            raise NotRead("answer-not-understood", words) from error

    async def _asked(self, when: date) -> Sequence[Movement]:
        await self._must_know_places()
        shipments = await self._our_shipments(_on(when))
        moves = await self._moves(when, shipments)
        known = {_named(number): record for number, record in shipments.items()}
        others = sorted({_shipment_of(move) for move in moves} - known.keys() - {""})
        known |= await self._shipments(others)
        return _told(moves, known, shipments)

    async def _made_since(self, moment: datetime) -> Sequence[Movement]:
        at = _moment(moment)
        shipments = await self._our_shipments(["OR", [["create_date", ">=", at]], [["write_date", ">=", at]]])
        moves = await self._moves_of(shipments)
        return _told(moves.values(), {_named(number): record for number, record in shipments.items()}, shipments)

    async def _must_know_places(self) -> None:
        """Where no place is known that used things can go to, nothing typed by hand would be seen, and all agree."""
        places = await self._all("stock.location", [["type", "=", "lost_found"], ["code", "!=", None]], ("code",))
        if not any(self._is_used(str(place["code"])) for place in places):
            named = " or ".join(sorted(self._used.values()))
            words = f"Tryton shows the key's user no location of type lost and found whose code is like {named}."
            raise NotRead("nothing-there", words)

    def _is_used(self, code: str) -> bool:
        return any(pattern.fullmatch(code) for pattern in self._patterns)

    async def _our_shipments(self, when: Sequence[object]) -> dict[int, Record]:
        """By id, in any state; `when` is a domain of Tryton."""
        found = await self._all(MODEL, [["reference", "like", "CC-%"], when], _SHIPMENT)
        return {int(record["id"]): record for record in found if _is_ours(record)}

    async def _moves(self, when: date, shipments: Iterable[int]) -> list[Record]:
        """Those between stock and where used things go, then those of the shipments that are not among them."""
        ways = [
            "OR",
            [["from_location.type", "=", "lost_found"], ["to_location.type", "=", "storage"]],
            [["to_location.type", "=", "lost_found"], ["from_location.type", "=", "storage"]],
        ]
        domain = [["effective_date", "=", day(when)], ["state", "=", "done"], ["company", "=", self._company], ways]
        # Not asked for by their places: of these there may be more than the address of a request can hold.
        done = [move for move in await self._all("stock.move", domain, _MOVE) if self._is_used(_used_place(move))]
        found = {int(move["id"]): move for move in done}
        return list((found | await self._moves_of(shipments)).values())

    async def _moves_of(self, shipments: Iterable[int]) -> dict[int, Record]:
        """By id."""
        found: dict[int, Record] = {}
        for some in _some([_named(number) for number in shipments]):
            moves = await self._all("stock.move", [["shipment", "in", some]], _MOVE)
            found |= {int(move["id"]): move for move in moves}
        return found

    async def _shipments(self, names: Sequence[str]) -> dict[str, Record]:
        """Internal shipments by ``model,id``."""
        found: dict[str, Record] = {}
        numbers = [int(name.rpartition(",")[2]) for name in names if name.startswith(f"{MODEL},")]
        for some in _some(numbers):
            records = await self._all(MODEL, [["id", "in", some]], _SHIPMENT)
            found |= {_named(int(record["id"])): record for record in records}
        return found

    async def _all(self, model: str, domain: Sequence[object], fields: Sequence[str]) -> list[Record]:
        """Page by page, each from the last id on: what comes or goes meanwhile moves no other out of sight."""
        found: list[Record] = []
        last = 0
        while True:
            since = [*domain, ["id", ">", last]]
            page = await self._rest.find(model, since, fields, context=_ALSO_INACTIVE, limit=PAGE)
            found += page
            if len(page) < PAGE:
                return found
            before, last = last, int(page[-1]["id"])
            if last <= before:
                raise ValueError("the same page again")


def pattern_of(text: str) -> re.Pattern[str]:
    """The codes that a text with placeholders can come to."""
    return re.compile(".+".join(re.escape(part) for part in _PLACEHOLDER.split(text)))


def _on(when: date) -> list[object]:
    """Of a shipment: it counts for that day, or would."""
    return [
        "OR",
        [["effective_date", "=", day(when)]],
        [["effective_date", "=", None], ["planned_date", "=", day(when)]],
    ]


def _moment(at: datetime) -> Record:
    """A moment as Tryton writes it: of UTC, without a zone."""
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    at = at.astimezone(UTC)
    return {"__class__": "datetime", **{name: getattr(at, name) for name in names}}


def _told(moves: Collection[Record], known: Mapping[str, Record], shipments: Mapping[int, Record]) -> list[Movement]:
    """The moves with what is known of their shipments, and the shipments without moves."""
    full = {_shipment_of(move) for move in moves}
    empty = [record for number, record in shipments.items() if _named(number) not in full]
    return [*(_movement(move, known.get(_shipment_of(move))) for move in moves), *map(_empty, empty)]


def _some(each: Sequence[int] | Sequence[str]) -> Iterable[Sequence[object]]:
    return (each[at : at + AT_ONCE] for at in range(0, len(each), AT_ONCE))


def _named(number: int) -> str:
    return f"{MODEL},{number}"


def _shipment_of(move: Record) -> str:
    return str(move.get("shipment") or "")


def _is_ours(shipment: Mapping[str, object]) -> bool:
    return bool(_key(shipment))


def _key(shipment: Mapping[str, object]) -> str:
    """Of the posting that a reference of casecart's begins with; empty: it is none."""
    ours = _OURS.fullmatch(str(shipment.get("reference") or ""))
    return ours[1] if ours else ""


def _used_place(move: Record) -> str:
    """The code of the end that is no stock."""
    return _of(move, "to_location" if move["to_location"]["type"] == "lost_found" else "from_location", "code")


def _movement(move: Record, shipment: Record | None) -> Movement:
    about = shipment or {}
    state = str(move.get("state"))
    if state not in ("done", "cancelled") and about:
        state = str(about.get("state"))  # of a shipment that waits, its moves are still drafts
    return Movement(
        number=str(about.get("number") or ""),
        reference=str(about.get("reference") or "") if about else _shipment_of(move),
        ours=_is_ours(about),
        key=_key(about),
        item=_of(move, "product", "code"),
        lot=_of(move, "lot", "number"),
        quantity=_quantity(move),
        source=_of(move, "from_location", "code"),
        target=_of(move, "to_location", "code"),
        day=_day(move) or _day(about),
        state=state,
    )


def _empty(shipment: Record) -> Movement:
    """A shipment without moves."""
    return Movement(
        number=str(shipment.get("number") or ""),
        reference=str(shipment.get("reference") or ""),
        ours=True,
        key=_key(shipment),
        item="",
        lot="",
        quantity=Decimal(0),
        source="",
        target="",
        day=_day(shipment),
        # One that is done moved nothing, whatever it says.
        state="cancelled" if shipment.get("state") == "done" else str(shipment.get("state")),
    )


def _quantity(move: Record) -> Decimal:
    quantity = Decimal(str(move.get("internal_quantity") or 0))
    if not quantity.is_finite():
        raise ValueError("no number")
    return quantity


def _day(record: Record) -> date | None:
    text = read_day(record.get("effective_date"))
    return date.fromisoformat(text) if text else None


def _of(move: Record, name: str, field: str) -> str:
    related = move.get(name)
    return str(related.get(field) or "") if isinstance(related, dict) else ""
