"""An internal shipment of Tryton's, from whatever step it is at to the end: done and read back, or cancelled."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from casecart.destinations.tryton.client import NOT_PERMITTED, Refused, Trouble, day, read_day
from casecart.destinations.tryton.line import held
from casecart.destinations.tryton.proof import FIELDS, fits, moved, other, plain, quantity_of, thing_of
from casecart.destinations.tryton.reasons import Reason
from casecart.runtime.destination import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from casecart.destinations.tryton.client import Record, Rest
    from casecart.destinations.tryton.line import Line
    from casecart.destinations.tryton.reasons import Reasons

__all__ = ["MODEL", "SPLIT", "Numbers", "Shipments", "split"]

MODEL: Final = "stock.shipment.internal"

_STEPS: Final = {"draft": "wait", "waiting": "assign_try", "assigned": "do"}
"""What is asked next, by the state."""

_UNSEEN: Final = ("draft", "waiting")
"""States from which the next step moves nothing, whatever the shipment holds: that an answer tells them is enough."""

_BEHIND: Final = ("request", "draft", "waiting", "assigned")
"""States before any other, the first first; whatever is not cancelled and not one of these was brought further."""

Numbers = tuple[int, int, int | None]
"""Of product, unit and lot."""

SPLIT: Final = "shipment-split"
"""Code of what is sent again on its own, because something that it went out with was refused."""

_AGAIN: Final = 4
"""How often a button in which Tryton fails is pressed once more; Tryton itself tries it six times in 0.3 s."""

_MOST_STEPS: Final = 8 + _AGAIN
"""More than any shipment needs."""

_READ: Final = ("number", "state", *FIELDS)


class Shipments:
    """Makes shipments and sees them to their end.

    Args:
        rest: the database.
        company: the company's number.
        reasons: asked why a step is refused; None: there is nobody to ask.
    """

    def __init__(self, rest: Rest, company: int, reasons: Reasons | None = None) -> None:
        self._rest, self._company, self._reasons = rest, company, reasons

    async def closed(self, line: Line) -> Answer | None:
        """Whether nothing can be moved any more on the day of a line: asked before anything is made."""
        until = await self._closed_until()
        if line.day is None or not until or line.day.isoformat() > until:
            return None
        words = f"It was used on {line.day.isoformat()}, and Tryton's stock period is closed up to {until}."
        return held("period-closed", words)

    async def _closed_until(self) -> str:
        """The last day of closed stock periods as ISO 8601; empty where there is none, or nobody may see them."""
        domain = [["state", "=", "closed"], ["company", "=", self._company]]
        try:
            found = await self._rest.find("stock.period", domain, ["date"], order=[("date", "DESC")], limit=1)
        except Trouble as trouble:
            if trouble.code != NOT_PERMITTED:
                raise
            return ""
        return read_day(found[0].get("date")) if found else ""

    async def make(
        self, reference: str, lines: Sequence[Line], numbers: Sequence[Numbers], ways: tuple[int, int]
    ) -> Record:
        """A draft, which moves nothing yet: its id and its state.

        Args:
            reference: by which it is found again.
            lines: what it moves.
            numbers: product, unit and lot of each.
            ways: numbers of the locations, from and to.
        """
        from_, to = ways
        moves = [
            {
                "product": product,
                "unit": unit,
                "quantity": line.quantity,
                "from_location": from_,
                "to_location": to,
                **({} if lot is None else {"lot": lot}),
            }
            for line, (product, unit, lot) in zip(lines, numbers, strict=True)
        ]
        values: Record = {
            "reference": reference,
            "from_location": from_,
            "to_location": to,
            "moves": [["create", moves]],
        }
        when = lines[0].day
        if when is not None:
            # All four: over REST nothing is worked out from anything.
            days = ("planned_date", "planned_start_date", "effective_date", "effective_start_date")
            values |= dict.fromkeys(days, day(when))
        return await self._rest.create(MODEL, values, ["state"])

    async def known(self, reference: str) -> list[Record]:
        """The shipments of a reference that are not cancelled, the furthest first."""
        found = await self._rest.find(MODEL, [["reference", "=", reference]], ["state"])
        alive = [record for record in found if record.get("state") != "cancelled"]
        return sorted(alive, key=lambda record: (-_progress(str(record.get("state"))), record["id"]))

    async def at(self, number: int) -> Record:
        """A shipment's id and state, by its id."""
        return await self._rest.read(MODEL, number, ["state"])

    async def finish(self, found: Record, lines: Sequence[Line], *, whole: bool) -> dict[str, Answer]:
        """Go on from whatever step it is at, and read back what came of it.

        Args:
            found: the shipment's id, and the state that it was seen in.
            lines: postings that it is for.
            whole: whether these are all of them.

        Returns:
            An answer for each line, by key.
        """
        number, record, before, failures = int(found["id"]), found, "", 0
        for _ in range(_MOST_STEPS):
            state = str(record.get("state"))
            if state == before or state not in _UNSEEN:
                record = await self._rest.read(MODEL, number, _READ)
                state = str(record.get("state"))
            if state not in _STEPS:
                return _ended(record, lines, whole=whole)
            if state == before:
                if state == "waiting":
                    return await self._short(record, lines, whole=whole)
                words = f"Tryton took the step '{_STEPS[state]}' and did nothing."
                return await self._given_up(number, lines, held("nothing-done", words), whole=whole)
            if state == "assigned":
                # The last moment at which nothing is moved yet.
                why = _unlike(record, lines, whole=whole)
                if why is not None:
                    return await self._given_up(number, lines, why, whole=whole)
            before = state
            try:
                record = await self._rest.act(MODEL, number, _STEPS[state], ["state"])
            except Refused as refusal:
                failures += refusal.failed
                again = refusal.failed and failures <= _AGAIN
                why = None if again else await self._why(number, state, refusal, lines)
                if why is not None:
                    return await self._given_up(number, lines, why, whole=whole)
                before, record = "", {}
        return await self._given_up(number, lines, held("nothing-done", "Its shipment does not get on."), whole=whole)

    async def undo(self, found: Record) -> bool:
        """Cancel what is still on a step of ours; whether it is gone, so that nothing of it was or will be moved."""
        if found.get("state") not in _STEPS:
            return False
        return (await self.cancel(int(found["id"]))).get("state") == "cancelled"

    async def cancel(self, number: int) -> Record:
        """Nothing of it stays reserved, if Tryton lets go of it: the shipment as it is then."""
        with suppress(Refused):
            await self._rest.act(MODEL, number, "cancel", ["state"])
        return await self._rest.read(MODEL, number, _READ)

    async def _why(self, number: int, state: str, refusal: Refused, lines: Sequence[Line]) -> Answer | None:
        """Why a step is refused; None: it was taken after all."""
        told = Reason(refusal.words)
        closed = None if refusal.words or not lines else await self.closed(lines[0])
        if closed is not None and await self._state(number) == state:
            return closed
        if self._reasons is not None and await self._state(number) == state:
            told = await self._reasons.press(MODEL, number, _STEPS[state]) or told
        if await self._state(number) != state:
            return None
        step = _STEPS[state]
        if told.decision:
            return held("decision-needed", f"Tryton asks for a decision before the step '{step}': {told.words}")
        if refusal.failed and not told.words:
            words = f"Tryton fails in the step '{step}', and does not say why: its log may, or somebody holds a lock."
            return Answer("retry", code="step-failed", words=words)
        said = f"Tryton refused the step '{step}': {told.words}" if told.words else f"Tryton forbids the step '{step}'."
        return held("refused", said)

    async def _state(self, number: int) -> str:
        return str((await self._rest.read(MODEL, number, ["state"])).get("state"))

    async def _short(self, record: Record, lines: Sequence[Line], *, whole: bool) -> dict[str, Answer]:
        """There is not enough of something: those lines wait for a person, and the others go out without them."""
        there: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        short = set()
        for move in record.get("moves") or ():
            if move.get("state") == "assigned":
                there[thing_of(move)] += quantity_of(move)
            else:
                short.add(thing_of(move))
        wanted: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for line in lines:
            wanted[line.thing] += line.quantity
        now = await self.cancel(int(record["id"]))
        if now.get("state") == "done":  # somebody was faster
            return _ended(now, lines, whole=whole)
        if now.get("state") != "cancelled":
            words = "There was not enough, and Tryton does not let its shipment be cancelled: cancel it there by hand."
            return {line.key: held("not-cancelled", words) for line in lines}
        answers = {}
        for line in lines:
            if line.thing in short or not short:
                words = (
                    f"There are {plain(there[line.thing])} of {line.named} in {line.source}, and "
                    f"{plain(wanted[line.thing])} would be taken."
                )
                answers[line.key] = held("not-enough-stock", words)
            else:
                words = "Something else of its shipment was not there."
                answers[line.key] = Answer("retry", code="neighbour-short", words=words)
        return answers

    async def _given_up(self, number: int, lines: Sequence[Line], why: Answer, *, whole: bool) -> dict[str, Answer]:
        """Nothing of it is done. One of its lines may be to blame: each on its own finds that."""
        now = await self.cancel(number)
        if now.get("state") == "done":  # a step that nobody waited for any more went on
            return _ended(now, lines, whole=whole)
        gone = now.get("state") == "cancelled"
        if gone and (len(lines) > 1 or not whole):
            return split(line.key for line in lines)
        if not gone:
            words = f"{why.words} Its shipment could not be cancelled: do that in Tryton by hand."
            why = held(why.code, words)
        return {line.key: why for line in lines}


def _progress(state: str) -> int:
    """How far a shipment is."""
    if state in _BEHIND:
        return _BEHIND.index(state)
    return len(_BEHIND) + (state == "done")


def split(keys: Iterable[str]) -> dict[str, Answer]:
    """Each is sent again on its own."""
    again = Answer("retry", code=SPLIT, words="Something of its shipment was refused; each of it goes on its own.")
    return dict.fromkeys(keys, again)


def _unlike(record: Record, lines: Sequence[Line], *, whole: bool) -> Answer | None:
    """Why a shipment that is assigned must not be done: it would move something else than was posted."""
    # Of a part of its postings, too: the others may have been looked for before it came to light, and be posted by now.
    different = other(record, lines)
    if "differs" not in fits(record, lines, whole=whole).values() and not different:
        return None
    instead = f"Tryton would move {different}" if different else "Tryton would move another quantity"
    return held("moves-differ", f"{instead}, and that was not posted: nothing is moved.")


def _ended(record: Record, lines: Sequence[Line], *, whole: bool) -> dict[str, Answer]:
    """What it comes to for each line that a shipment is where no step of ours goes on."""
    state, number = str(record.get("state")), str(record.get("number") or record["id"])
    if state == "cancelled":
        return {line.key: Answer("retry", code="cancelled", words="Its shipment is cancelled.") for line in lines}
    if state != "done":
        words = (
            f"Somebody brought Tryton's shipment {number} to the state '{state}': cancel it there and send this again, "
            "or see it to its end there and say here that it is posted."
        )
        return {line.key: held("state-differs", words) for line in lines}
    answers = {}
    for line, fit in zip(lines, fits(record, lines, whole=whole).values(), strict=True):
        if fit == "same":
            answers[line.key] = Answer("posted", proof="read back", reference=number)
        elif fit == "absent":
            answers[line.key] = Answer("retry", code="not-in-shipment", words="Its shipment was made without it.")
        else:
            words = (
                f"Tryton's shipment {number} is done. It moved {plain(moved(record, line))} of {line.named} from "
                f"{line.source} to {line.target}, and that was not what is posted: look there before it is sent again."
            )
            answers[line.key] = held("read-back-differs", words)
    return answers
