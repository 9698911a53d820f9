"""The effect of a message: its lines verified, routed, derived and folded into the ledger, as additions to a change."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Literal

import msgspec

from casecart.rules import Keys, NotDerivable, Said, Trouble, consumption
from casecart.runtime.copy import NOTHING_DECIDED
from casecart.runtime.finding import lookups
from casecart.runtime.ledger import Ledger
from casecart.runtime.made import SCHEMA, Made, encode_made
from casecart.runtime.versions import LEFT_OUT, Versions, version_of
from casecart.store import Change, Damaged, Event, Hold, Message, Run, Store, encode_tokens, storable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from casecart.canonical import Usage
    from casecart.master.catalogue import Catalogue
    from casecart.runtime.channel import Decision
    from casecart.runtime.copy import Copy
    from casecart.runtime.serials import Serials
    from casecart.runtime.statements import Statements
    from casecart.runtime.versions import LeftOut
    from casecart.runtime.window import Work

__all__ = ["CopyEffect", "case_damaged", "event", "hold"]

NONE = Decimal(0)

GONE = "replay-differs"
_GONE = (
    "Worked again, this line is left out, and it was posted before: look at the mapping, or correct the stock by hand."
)


class CopyEffect:
    """Adds what one channel's copy of a message makes to a change.

    Args:
        message: stored, or about to be with the same change.
        copy: the message as its channel mapped and resolved it.
        store: asked about exceptions of earlier postings, where there are any.
        catalogue: what verifying asks.
        statements: about the cases in hand.
        serials: uses of the serial numbers in hand.
        keys: derives the keys of postings.
        reserve: gives the sequence of a new ledger row.
        identifier: mints ids of exceptions.
        change: is added to.
    """

    def __init__(
        self,
        *,
        message: Message,
        copy: Copy,
        store: Store,
        catalogue: Catalogue,
        statements: Statements,
        serials: Serials,
        keys: Keys,
        reserve: Callable[[], int],
        identifier: Callable[[], bytes],
        change: Change,
    ) -> None:
        self._message, self._copy, self._channel, self._pseudonyms = message, copy, copy.channel, copy.pseudonyms
        self._catalogue, self._statements, self._serials = catalogue, statements, serials
        self._identifier, self._change = identifier, change
        self._ledger = Ledger(
            message=message,
            channel=copy.channel.name,
            order_key=partial(copy.channel.order_key, keys),
            store=store,
            statements=statements,
            keys=keys,
            reserve=reserve,
            identifier=identifier,
            change=change,
        )
        self._held: list[tuple[str, str, str]] = []

    def apply(self) -> list[Work]:
        """The lines of a message that is worked for the first time. Gives the work for destinations."""
        return self._apply(0, None)

    def replay(self, attempt: int, places: Collection[str]) -> list[Work]:
        """Lines that were held, worked again.

        Args:
            attempt: numbers this run of the channel over the message.
            places: the lines that are worked again. One that the mapping doesn't make any more counts as filtered.
        """
        return self._apply(attempt, places)

    def recount(self, *, new: int, filtered: int) -> None:
        """Before `replay`: of its lines so many are new, or were left out; it takes all of them as held."""
        self._ledger.count("held", new + filtered)
        self._ledger.count("produced", new)
        self._ledger.count("filtered", -filtered)

    def compare(self) -> list[Work]:
        """Lines that were made before, as today's channel tells them; what differs is flagged, and not posted."""
        mapped, line_of = self._copy.mapped, self._line_id
        watched = self._copy.watch.over(self._copy.documents)
        for index, (usage, place) in enumerate(zip(watched, mapped.places, strict=True)):
            line = line_of(usage, place)
            why = next(iter(self._copy.troubles.get(index, ())), None)
            decision = self._channel.decide(usage)
            if why is None and decision.hold:
                why = Trouble("held-by-route", "", decision.hold, "")
            if why is None and usage.case is not None:
                case_key = self._pseudonyms.case_key(usage.case)
                try:
                    said = self._said(usage, place, line, decision)
                    why = self._ledger.compare(case_key, line, said, self._channel.repeat)
                except NotDerivable as missing:
                    why = Trouble(missing.code, "", missing.words, "")
                except Damaged as damage:
                    why = case_damaged(damage)
            if why is not None:
                self._raise(place, line, why, "flagged")
        for place, code, field, words in [
            *((each.place, each.code, each.field, each.words) for each in mapped.exceptions),
            *((place, GONE, "", _GONE) for place, _ in mapped.filtered),
        ]:
            self._raise(place, "", Trouble(code, field, words, ""), "flagged")
        return self._ledger.works()

    def _line_id(self, usage: Usage, place: str) -> str:
        told = usage.line or f"{self._message.control_id}/{place}"
        if not self._channel.by_serial or usage.serial is None or usage.case is None:
            return told
        shared = self._pseudonyms.shared_line(usage.serial)
        return self._statements.named(self._pseudonyms.case_key(usage.case), told, shared)

    def _apply(self, attempt: int, places: Collection[str] | None) -> list[Work]:
        message, channel, mapped = self._message, self._channel, self._copy.mapped
        versions = self._versions() if self._copy.every.versions else None
        lines = [
            (index, usage, place, self._line_id(usage, place))
            for index, (usage, place) in enumerate(zip(self._copy.documents, mapped.places, strict=True))
        ]
        filtered, left_out = mapped.filtered, []
        if versions is not None:
            gone = {place for _, usage, place, line in lines if self._gone(versions, usage, line)}
            lines = [line for line in lines if line[2] not in gone]
            filtered = [*filtered, *((place, LEFT_OUT) for place in sorted(gone))]
            left_out = [self._leave_out(each) for each in versions.left_out()]
        self._look_up([(usage, line) for _, usage, _, line in lines])
        documents = [
            (place, line, self._line(index, usage, place, line))
            for index, usage, place, line in self._copy.watch.over(lines)
        ]
        if versions is not None:
            left_out += [self._leave_out(each) for each in versions.asked()]
            self._change.lookups += lookups(message.position, (usage for _, _, usage in left_out), ())
        documents += left_out
        for problem in mapped.exceptions:
            self._hold(problem.place, "", Trouble(problem.code, problem.field, problem.words, problem.subject))
        if places is not None and not (places or documents or filtered or self._held):
            return self._ledger.works()  # nothing was worked again
        made = Made(SCHEMA, documents, filtered, self._held)
        self._change.runs.append(
            Run(
                message.position,
                channel.name,
                channel.revision,
                message.recorded_at,
                encode_made(made),
                attempt,
                encode_tokens(self._pseudonyms.given),
            )
        )
        held = {place for place, _, _ in self._held}
        produced = len(documents) + len(filtered) + len({problem.place for problem in mapped.exceptions})
        if places is None:
            self._ledger.count("produced", produced)
            self._ledger.count("filtered", len(filtered))
            self._ledger.count("held", len(held))
        else:
            new = sum(place not in places for place, _, _ in left_out)
            self._ledger.count("produced", new)
            self._ledger.count("filtered", len(filtered) + len(places) + new - produced)
            self._ledger.count("held", len(held) - len(places))
        return self._ledger.works()

    def _versions(self) -> Versions:
        return Versions(self._message, self._copy, self._statements, line_id=self._line_id, write=self._ledger.tell)

    def _gone(self, versions: Versions, usage: Usage, line: str) -> bool:
        return usage.case is not None and versions.gone(self._pseudonyms.case_key(usage.case), line)

    def _leave_out(self, each: LeftOut) -> tuple[str, str, Usage]:
        """A line that a version of its resource doesn't name any more is taken back, as one of the message's."""
        place, usage = each.said.place, each.document
        why = each.why
        if why is None:
            why = self._ledger.state(each.case_key, each.line, each.said, self._channel.repeat)
            if usage.serial is not None and self._channel.verify is not None:
                self._serials.add(usage, each.line, self._message.position, self._channel.name)
        if why is not None:
            self._hold(place, each.line, why)
        return place, each.line, usage

    def _look_up(self, lines: list[tuple[Usage, str]]) -> None:
        """Lots and serial numbers are found again later; what the message takes back counts before what it uses."""
        position, given = self._message.position, self._pseudonyms.given
        self._change.lookups += lookups(position, [usage for usage, _ in lines], given)
        if self._channel.verify is None:
            return
        for usage, line in lines:
            if usage.serial is not None and usage.action == "reverse":
                self._serials.add(usage, line, position, self._channel.name)

    def _line(self, index: int, usage: Usage, place: str, line: str) -> Usage:
        """Work one line; gives the document as it is kept."""
        troubles = self._copy.troubles.get(index)
        if troubles is not None:
            for trouble in troubles:
                self._hold(place, line, trouble)
        elif self._channel.verify is not None:
            usage, sound = self._verified(usage, place, line)
            if sound:
                self._post(usage, place, line)
        else:
            self._post(usage, place, line)
        if usage.serial is not None and usage.action != "reverse" and self._channel.verify is not None:
            self._serials.add(usage, line, self._message.position, self._channel.name)
        return usage

    def _verified(self, usage: Usage, place: str, line: str) -> tuple[Usage, bool]:
        """The usage with its flags, and whether nothing keeps it from being posted."""
        channel = self._channel
        assert channel.verify is not None  # noqa: S101 - the caller asked
        uses = self._serials.uses(usage, line, self._message.position, channel.name) if usage.serial else 0
        accepted = self._copy.decisions.get(place, NOTHING_DECIDED).accept
        flags, sound = [], True
        for finding in channel.verify(usage, self._catalogue, uses, accepted):
            why = Trouble(finding.code, finding.field, finding.words, finding.subject)
            if finding.then == "hold":
                sound = False
                self._hold(place, line, why)
                continue
            flags.append(finding.code)
            if finding.code not in accepted:
                self._raise(place, line, why, "flagged")
        return (msgspec.structs.replace(usage, flags=" ".join(flags)) if flags else usage), sound

    def _post(self, usage: Usage, place: str, line: str) -> None:
        decision = self._channel.decide(usage)
        if decision.hold:
            self._hold(place, line, Trouble("held-by-route", "", decision.hold, ""))
            return
        if usage.case is None:
            words = "The line has no case, and nothing can be posted without it."
            self._hold(place, line, Trouble("incomplete-usage", "case", words, ""))
            return
        case_key = self._pseudonyms.case_key(usage.case)
        try:
            why = self._stated(case_key, usage, place, line, decision)
        except NotDerivable as missing:
            why = Trouble(missing.code, "", missing.words, "")
        except Damaged as damage:
            why = case_damaged(damage)
        if why is not None:
            self._hold(place, line, why)

    def _stated(self, case_key: bytes, usage: Usage, place: str, line: str, decision: Decision) -> Trouble | None:
        channel = self._channel
        adds = not channel.replaces
        if adds and usage.action == "use" and usage.quantity and self._statements.new(case_key, line):
            self._ledger.first(case_key, line, place, decision, usage)
            return None
        return self._ledger.state(case_key, line, self._said(usage, place, line, decision), channel.repeat)

    def _said(self, usage: Usage, place: str, line: str, decision: Decision) -> Said:
        channel, message, adds = self._channel, self._message, not self._channel.replaces
        times = self._copy.times
        own = None if times is None else times.get(place)
        stated = consumption(usage, key="", revision=0, line=line)
        quantity = stated.quantity
        if stated.action == "reverse":
            quantity = -quantity if adds else NONE
        return Said(
            position=message.position,
            place=place,
            channel=channel.name,
            destination=decision.to,
            kind=decision.kind,
            quantity=quantity,
            replaces=not adds,
            version=version_of(message, own),
            document=msgspec.structs.replace(stated, action="use", quantity=NONE),
        )

    def _hold(self, place: str, line: str, why: Trouble) -> None:
        self._held.append((place, why.code, why.field))
        self._raise(place, line, why, "held")

    def _raise(self, place: str, line: str, why: Trouble, kind: Literal["held", "flagged"]) -> None:
        """Tell a person. A line that is flagged goes on all the same."""
        identifier, channel = self._identifier(), self._channel.name
        raised = hold(self._message, identifier, why, channel=channel, place=place, line=line, kind=kind)
        self._change.holds.append(raised)
        self._change.events.append(event("casecart.exception.raised", self._message, {"code": why.code}))


def hold(
    message: Message,
    identifier: bytes,
    why: Trouble,
    *,
    channel: str = "",
    place: str = "",
    line: str = "",
    kind: Literal["held", "flagged"] = "held",
) -> Hold:
    """An exception about a message."""
    return Hold(
        id=identifier,
        organisation=message.organisation,
        facility=message.facility,
        position=message.position,
        recorded_at=message.recorded_at,
        actor=message.actor,
        channel=channel,
        place=place,
        line=storable(line),
        code=why.code,
        cause=why.words,
        destination="",
        key="",
        state="new",
        kind=kind,
        field=why.field,
        subject=why.subject,
    )


def case_damaged(damage: Damaged) -> Trouble:
    """Why nothing is posted of a line whose case has a row that can't be trusted."""
    words = (
        f"Something that was stored about this case is damaged ({damage}), so that nobody knows what is due. Look up "
        "what was posted, or bring the store back from a backup; `casecart store verify` lists the damage."
    )
    return Trouble("ledger-damaged", "", words, "")


def event(kind: str, message: Message, data: dict[str, str]) -> Event:
    """A state change of a message, for the event stream."""
    return Event(kind, str(message.position), message.facility, message.recorded_at, data)
