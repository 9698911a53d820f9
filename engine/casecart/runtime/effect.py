"""The effect of a message: its lines routed, derived and folded into the ledger, as additions to a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from casecart.rules import LATER_STATEMENT, Keys, NotDerivable, consumption, first_revision
from casecart.runtime.destination import Posting
from casecart.runtime.made import SCHEMA, Made, decode_postings, encode_made, encode_postings
from casecart.runtime.window import Work
from casecart.store import Change, Count, Entry, Event, Hold, Message, Run, Store, storable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casecart.canonical import Usage
    from casecart.mapping import Mapped
    from casecart.runtime.channel import Channel
    from casecart.runtime.pseudonyms import Pseudonyms

__all__ = ["Copy", "CopyEffect", "Statements", "event", "hold"]

_payload = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Copy:
    """One channel's copy of a message, mapped."""

    channel: Channel
    mapped: Mapped
    pseudonyms: Pseudonyms


class Statements:
    """What has been stated about the cases in hand: rows of the ledger, and what a group adds while it is processed."""

    def __init__(self, store: Store, copies: Iterable[Copy]) -> None:
        self._stated: dict[bytes, set[tuple[str, str]]] = {}
        self._added: list[tuple[bytes, tuple[str, str]]] = []
        cases = {
            (document.facility or "", copy.pseudonyms.case_key(document.case))
            for copy in copies
            for document in copy.mapped.documents
            if document.case is not None
        }
        for row in store.case_rows(cases) if cases else ():
            stated = self.of(row.case_key)
            stated.update((posting.line, row.destination) for posting in decode_postings(row.postings))

    def of(self, case_key: bytes) -> set[tuple[str, str]]:
        """(line, destination) of every posting of a case."""
        return self._stated.setdefault(case_key, set())

    def add(self, case_key: bytes, line: str, destination: str) -> None:
        """A posting that is made now."""
        self.of(case_key).add((line, destination))
        self._added.append((case_key, (line, destination)))

    @property
    def mark(self) -> int:
        """How much has been added."""
        return len(self._added)

    def take_back(self, mark: int) -> None:
        """What was added since the mark is not made after all."""
        for case_key, stated in self._added[mark:]:
            self._stated[case_key].discard(stated)
        del self._added[mark:]


class CopyEffect:
    """Adds what one channel's copy of a message makes to a change.

    Args:
        message: stored, or about to be with the same change.
        copy: the message as its channel mapped it.
        statements: about the cases in hand.
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
        statements: Statements,
        keys: Keys,
        reserve: Callable[[], int],
        identifier: Callable[[], bytes],
        change: Change,
    ) -> None:
        self._message, self._channel, self._mapped, self._pseudonyms = (
            message,
            copy.channel,
            copy.mapped,
            copy.pseudonyms,
        )
        self._statements, self._keys, self._reserve, self._identifier = statements, keys, reserve, identifier
        self._change = change
        self._rows: dict[tuple[str, bytes, bytes], list[Posting]] = {}
        self._held: list[tuple[str, str, str]] = []

    def apply(self) -> list[Work]:
        """Adds to the change; gives the work for destinations."""
        message, channel, mapped = self._message, self._channel, self._mapped
        documents = []
        for usage, place in zip(mapped.documents, mapped.places, strict=True):
            line = usage.line or f"{message.control_id}/{place}"
            documents.append((place, line, usage))
            self._line(usage, place, line)
        for problem in mapped.exceptions:
            self._hold(problem.place, "", problem.code, problem.words, problem.field)
        made = Made(SCHEMA, documents, mapped.filtered, self._held)
        self._change.runs.append(
            Run(message.position, channel.name, channel.revision, message.recorded_at, encode_made(made))
        )
        held = {place for place, _, _ in self._held}
        unmapped = {problem.place for problem in mapped.exceptions}
        self._count("produced", len(documents) + len(mapped.filtered) + len(unmapped))
        self._count("filtered", len(mapped.filtered))
        self._count("held", len(held))
        return self._works()

    def _line(self, usage: Usage, place: str, line: str) -> None:
        decision = self._channel.decide(usage)
        if decision.hold:
            self._hold(place, line, "held-by-route", decision.hold)
            return
        if usage.case is None:
            self._hold(place, line, "incomplete-usage", "The line has no case, and nothing can be posted without it.")
            return
        case_key = self._pseudonyms.case_key(usage.case)
        revision = first_revision(self._statements.of(case_key), line, decision.to)
        if revision is None:
            words = "This line was stated before; what a later statement changes is not worked out yet."
            self._hold(place, line, LATER_STATEMENT, words)
            return
        key = f"{self._keys.line(case_key, line)}.{revision}"
        try:
            document = consumption(usage, key=key, revision=revision, line=line)
        except NotDerivable as missing:
            self._hold(place, line, missing.code, missing.words)
            return
        self._statements.add(case_key, line, decision.to)
        posting = Posting(key, line, revision, place, decision.kind, _payload(document))
        posting.history = [(self._message.recorded_at, "planned")]
        self._rows.setdefault((decision.to, case_key, self._order_key(usage, case_key)), []).append(posting)

    def _order_key(self, usage: Usage, case_key: bytes) -> bytes:
        name = self._channel.key
        if name == "case":
            return case_key
        return self._keys.order(usage.facility or "", name, str(getattr(usage, name) or ""))

    def _hold(self, place: str, line: str, code: str, cause: str, field: str = "") -> None:
        self._held.append((place, code, field))
        self._change.holds.append(
            hold(
                self._message,
                self._identifier(),
                code=code,
                cause=cause,
                channel=self._channel.name,
                place=place,
                line=line,
            )
        )
        self._change.events.append(event("casecart.exception.raised", self._message, {"code": code}))

    def _count(self, name: str, amount: int) -> None:
        if amount:
            scope = f"lines:{self._channel.name}"
            self._change.counts.append(Count(self._message.facility, scope, name, amount))

    def _works(self) -> list[Work]:
        message, works = self._message, []
        for (destination, case_key, order_key), postings in self._rows.items():
            entry = Entry(
                sequence=self._reserve(),
                position=message.position,
                channel=self._channel.name,
                facility=message.facility,
                case_key=case_key,
                order_key=order_key,
                destination=destination,
                open=len(postings),
                recorded_at=message.recorded_at,
                postings=encode_postings(postings),
            )
            self._change.entries.append(entry)
            works.append(Work(entry, postings))
        return works


def hold(
    message: Message, identifier: bytes, *, code: str, cause: str, channel: str = "", place: str = "", line: str = ""
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
        code=code,
        cause=cause,
        destination="",
        key="",
        state="new",
    )


def event(kind: str, message: Message, data: dict[str, str]) -> Event:
    """A state change of a message, for the event stream."""
    return Event(kind, str(message.position), message.facility, message.recorded_at, data)
