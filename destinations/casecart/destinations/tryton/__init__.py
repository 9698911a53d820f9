"""Consumptions as internal shipments of Tryton 8, through its REST interface.

What is used goes from its location to one that stands for "used", by the posting's disposition and cost centre; what is
taken back goes the same way back. Postings of one case, day and way are one shipment.

Delivery: two-step. A shipment is made as a draft, which moves nothing, under a reference that the engine has stored
before. Its number is stored too, and only then it is asked to wait, to be assigned and to be done, and is read back:
`posted` means that Tryton says itself that these lots were moved. After an unknown outcome it is found by its
reference, and goes on from the step it is at. A draft that comes to light late, under a reference that was given up,
is never done. No module of ours is needed in Tryton.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred

from casecart.destinations.tryton.client import Refused, Rest, Trouble
from casecart.destinations.tryton.line import Line, held, read_line
from casecart.destinations.tryton.movements import TrytonMovements
from casecart.destinations.tryton.names import Names, Product
from casecart.destinations.tryton.reading import TrytonReader
from casecart.destinations.tryton.reasons import Reasons
from casecart.destinations.tryton.settings import Login, TrytonSettings
from casecart.destinations.tryton.shipment import SPLIT, Numbers, Shipments, split
from casecart.runtime.destination import (
    Answer,
    Delivery,
    Destination,
    DestinationContext,
    DestinationSpec,
    NotDelivered,
    NotRead,
    OutcomeUnknown,
    Posting,
    Readable,
    Reconcilable,
)
from casecart.runtime.exchange import Client
from casecart.runtime.probe import unfit_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from casecart.runtime.probe import ProbeContext

__all__ = ["SPEC", "Login", "TrytonDestination", "TrytonSettings"]


def _make(context: DestinationContext) -> Destination:
    return TrytonDestination(context)


def _read(context: DestinationContext) -> Readable:
    return TrytonReader(context)


def _reconcile(context: DestinationContext) -> Reconcilable:
    return TrytonMovements(context)


async def _probe(context: ProbeContext) -> None:
    """Tryton takes the key, and lets its user see the company and stock."""
    reader = TrytonReader(
        DestinationContext(context.name, context.settings, reactor=context.reactor, root=context.root)
    )
    try:
        await reader.reach()
    except NotRead as trouble:
        let_in = trouble.code in {"key-refused", "not-permitted"}
        place = context.settings.at("key" if let_in else "url")
        raise unfit_of(trouble.code, trouble.words, place) from trouble
    finally:
        await reader.stop()


SPEC: Final = DestinationSpec(
    kind="tryton",
    about="Moves stock in a Tryton 8, reads back that it did, and tells what it has.",
    settings=TrytonSettings,
    make=_make,
    read=_read,
    reconcile=_reconcile,
    takes=("consumption",),
    probe=_probe,
)


class TrytonDestination:
    """One database of a Tryton."""

    delivery = Delivery.TWO_STEP

    def __init__(self, context: DestinationContext) -> None:
        settings = cast("TrytonSettings", context.settings)
        self._used = {str(name): str(code) for name, code in settings.used.items()}
        self._units = {str(name): str(symbol) for name, symbol in settings.units.items()}
        self._client = Client(context.reactor, settings.url, connections=settings.concurrency, timeout=settings.timeout)
        rest = Rest(self._client, settings.key.reveal(os.environ, context.root), settings.company)
        self._names = Names(rest, context.reactor.seconds)
        self._shipments = Shipments(rest, settings.company, self._reasons(settings, context))

    def _reasons(self, settings: TrytonSettings, context: DestinationContext) -> Reasons | None:
        if settings.login is None:
            return None
        password = settings.login.password.reveal(os.environ, context.root)
        user, seconds = str(settings.login.user), context.reactor.seconds
        return Reasons(self._client, user, password, company=settings.company, seconds=seconds)

    def groups(self, postings: Sequence[Posting]) -> Sequence[str]:
        """One shipment for what goes the same way on the same day, unless some of it was refused before."""
        first: dict[object, str] = {}
        references = []
        for posting in postings:
            line = read_line(posting, self._used)
            way = line.way if isinstance(line, Line) and posting.code != SPLIT else posting.key
            references.append(first.setdefault(way, f"CC-{posting.key}-{posting.attempts}"))
        return references

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Make the shipments, one after the other, as drafts."""
        return Deferred.fromCoroutine(self._each(postings, self._draft))

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Find the shipments by their references."""
        return Deferred.fromCoroutine(self._each(postings, self._find))

    def carry_out(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """See the shipments to their end, one after the other, from the step that each is at."""
        return Deferred.fromCoroutine(self._carry_out(postings))

    def stop(self) -> Deferred[None]:
        """Close the connections; a request that is under way has its time-out."""
        return self._client.close()

    async def _each(
        self, postings: Sequence[Posting], ask: Callable[[str, Sequence[Posting]], Awaitable[dict[str, Answer]]]
    ) -> Sequence[Answer]:
        answers: dict[str, Answer] = {}
        rest = Answer("retry")
        for reference, members in _by_reference(postings).items():
            try:
                answers |= await ask(reference, members)
            except Trouble as trouble:
                if ask == self._find or not (answers or trouble.done):
                    raise _as_a_whole(trouble) from trouble
                if trouble.done:
                    answers |= _all(members, _unknown(trouble))
                words, after = f"Not sent yet. {trouble.words}", trouble.retry_after
                rest = Answer("retry", code=trouble.code, words=words, tried=False, retry_after=after)
                break
        return [answers.get(posting.key, rest) for posting in postings]

    async def _draft(self, reference: str, members: Sequence[Posting]) -> dict[str, Answer]:
        """A new shipment. It moves nothing yet."""
        answers: dict[str, Answer] = {}
        lines: list[Line] = []
        for posting in members:
            line = read_line(posting, self._used)
            if isinstance(line, Line):
                lines.append(line)
            else:
                answers[posting.key] = line
        lines, numbers, ways = await self._numbers(lines, answers)
        if not lines:
            return answers
        why = await self._shipments.closed(lines[0])
        if why is not None:
            return answers | {line.key: why for line in lines}
        try:
            made = await self._shipments.make(reference, lines, numbers, ways)
        except Trouble as trouble:
            if not (trouble.done and answers):
                raise
            # What is held already is held, whatever became of the draft.
            return answers | {line.key: _unknown(trouble) for line in lines}
        except Refused as refusal:
            return answers | _not_made(lines, refusal)
        return answers | {line.key: Answer("drafted", reference=str(made["id"])) for line in lines}

    async def _find(self, reference: str, members: Sequence[Posting]) -> dict[str, Answer]:
        """Whether a shipment is there, at whatever step; maybe only some of its postings are asked for."""
        found = await self._shipments.known(reference)
        if not found:
            words = "Tryton has no shipment of that reference."
            return _all(members, Answer("retry", code="not-found", words=words))
        return _all(members, Answer("drafted", reference=str(found[0]["id"])))

    async def _carry_out(self, postings: Sequence[Posting]) -> Sequence[Answer]:
        """What is in trouble there, or was not come to, is found again by its reference."""
        answers: dict[str, Answer] = {}
        rest = Answer("unknown")
        for reference, members in _by_reference(postings).items():
            try:
                answers |= await self._finish(reference, members)
            except Trouble as trouble:
                answers |= _all(members, _unknown(trouble))
                words, after = f"Not seen to its end yet. {trouble.words}", trouble.retry_after
                rest = Answer("unknown", code=trouble.code, words=words, tried=False, retry_after=after)
                break
        return [answers.get(posting.key, rest) for posting in postings]

    async def _finish(self, reference: str, members: Sequence[Posting]) -> dict[str, Answer]:
        """A shipment that was just made, or just found; its number is stored."""
        number = int(members[0].reference)
        lines = [line for line in (read_line(posting, self._used) for posting in members) if isinstance(line, Line)]
        if all(posting.state == "sent" for posting in members):
            return await self._shipments.finish({"id": number, "state": "draft"}, lines, whole=True)
        others = [record for record in await self._shipments.known(reference) if record["id"] != number]
        shipment = await self._shipments.at(number)
        if len(lines) < len(members) and await self._shipments.undo(shipment):
            # What can't be read can't be compared: nothing is moved unseen.
            answers = split(posting.key for posting in members)
        else:
            answers = await self._shipments.finish(shipment, lines, whole=False)
        for other in others:
            await self._shipments.undo(other)
        words = f"Tryton has the shipment {reference}, and by today's settings it can't be told what of this it moved."
        missing = held("payload-changed", words)
        return {posting.key: answers.get(posting.key, missing) for posting in members}

    async def _numbers(
        self, lines: Sequence[Line], answers: dict[str, Answer]
    ) -> tuple[list[Line], list[Numbers], tuple[int, int]]:
        """Tryton's numbers for what is moved; lines for which there are none are answered."""
        products = await self._names.products(line.item for line in lines)
        places = await self._names.locations(code for line in lines for code in (line.source, line.target))
        stocked = ((line, products.get(line.item)) for line in lines if line.lot)
        lots = await self._names.lots((product.number, line.lot) for line, product in stocked if product is not None)
        good: list[Line] = []
        numbers: list[Numbers] = []
        ways = (0, 0)
        for line in lines:
            product = products.get(line.item)
            why = self._unknown(line, products, places, lots)
            if why is not None or product is None:
                answers[line.key] = why or held("item-unknown", "")
                continue
            good.append(line)
            numbers.append((product.number, product.unit, lots.get((product.number, line.lot))))
            ways = (places[line.source] or 0, places[line.target] or 0)
        return good, numbers, ways

    def _unknown(
        self,
        line: Line,
        products: dict[str, Product | None],
        places: dict[str, int | None],
        lots: dict[tuple[int, str], int | None],
    ) -> Answer | None:
        """Why a line has no numbers, or may not have them."""
        product = products.get(line.item)
        if product is None:
            return held("item-unknown", f"Tryton has {_none(line.item in products)} with the code {line.item}.")
        for code in (line.source, line.target):
            if places.get(code) is None:
                return held("location-unknown", f"Tryton has {_none(code in places)} with the code {code}.")
        if line.lot and lots.get((product.number, line.lot)) is None:
            several = (product.number, line.lot) in lots
            words = f"Tryton has {_none(several)} with the number {line.lot} for item {line.item}."
            return held("lot-unknown", words)
        symbol = self._units.get(line.unit, line.unit)
        if line.unit and symbol != product.symbol:
            words = f"Item {line.item} is used in {line.unit} and stocked in {product.symbol}: look at `units`."
            return held("unit-differs", words)
        return None


def _none(several: object) -> str:
    return "more than one" if several else "none"


def _by_reference(postings: Sequence[Posting]) -> dict[str, list[Posting]]:
    groups: dict[str, list[Posting]] = {}
    for posting in postings:
        groups.setdefault(posting.group, []).append(posting)
    return groups


def _all(members: Sequence[Posting], answer: Answer) -> dict[str, Answer]:
    return {posting.key: answer for posting in members}


def _not_made(lines: Sequence[Line], refusal: Refused) -> dict[str, Answer]:
    if len(lines) > 1:
        return split(line.key for line in lines)
    said = refusal.words or "without a reason; may its user move stock?"
    return {lines[0].key: held("refused", f"Tryton refused the shipment: {said}")}


def _unknown(trouble: Trouble) -> Answer:
    return Answer("unknown", code=trouble.code, words=trouble.words)


def _as_a_whole(trouble: Trouble) -> NotDelivered | OutcomeUnknown:
    if trouble.done:
        return OutcomeUnknown(trouble.code, trouble.words)
    return NotDelivered(trouble.code, trouble.words, trouble.retry_after, permanent=trouble.permanent)
