"""The way of a message between its listener and the outbox: parse, accept, map, resolve, then its effect.

What goes wrong with a line becomes an exception for a person and never stops the other lines; what goes wrong with
the engine itself puts the message aside and never stops the other messages.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from casecart.formats.fhir.path.names import RESOURCES
from casecart.runtime.again import look_again
from casecart.runtime.aside import why_aside
from casecart.runtime.copier import Copier
from casecart.runtime.effect import CopyEffect, event, hold
from casecart.runtime.fault import told
from casecart.runtime.heard import is_notification
from casecart.runtime.known_cases import KnownCases
from casecart.runtime.made import SCHEMA, Made, encode_made
from casecart.runtime.noting import Noting
from casecart.runtime.serials import Serials
from casecart.runtime.statements import Statements
from casecart.runtime.usual import Usual
from casecart.runtime.watch import NotNow, Watch
from casecart.runtime.whole import wish_to_work
from casecart.store import (
    LEFT_TO,
    Change,
    Count,
    Damaged,
    Message,
    Outcome,
    Run,
    Store,
    StoreBroken,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from casecart.master.catalogue import Catalogue
    from casecart.rules import Keys, Tokens
    from casecart.runtime.compiled import Compiled
    from casecart.runtime.copy import Copy, Decision
    from casecart.runtime.item_channel import ItemChannel
    from casecart.runtime.master_channel import MasterChannel
    from casecart.runtime.noting import Noted
    from casecart.runtime.window import Work
    from casecart.store import Replay

__all__ = ["Became", "Pipeline", "Result", "Taken"]

log = logging.getLogger(__name__)

Taken: TypeAlias = "tuple[str | None, list[Copy], Sequence[Noted]]"
"""A message as the channels see it that take it: its notes, the copies, and what it tells of cases."""

Became = Literal["made", "filtered", "held", "gone"]
"""Of a line: it was stated; it was left out; it waits for a person; a person rejected it."""

FOLLOWED_UP = "followed-up"
"""Note of a message that no channel takes, and a listener follows up."""

NO_LINES = "no-lines"
"""Note of a message in which the mapping found no line: perhaps it looks for the wrong segment."""


@dataclass(slots=True)
class Result:
    """What became of one message."""

    outcome: Outcome
    notes: str | None
    works: list[Work] = field(default_factory=list)


class Pipeline:
    """Turns messages into the change that they make.

    Args:
        store: asked for the ledger rows of the cases that messages speak of.
        catalogue: the master data, up to date.
        keys: derives the keys of ledger and postings.
        tokens: derives what stands for patient identifiers.
        identifier: mints ids of exceptions.
        clock: monotonic seconds, for the budget.
        by: what messages are worked by. Of its channels, those whose messages are one line each, such as master data,
            get what no other channel takes, and are worked afterwards, by a wish.
    """

    def __init__(
        self,
        *,
        store: Store,
        catalogue: Catalogue,
        keys: Keys,
        tokens: Tokens,
        identifier: Callable[[], bytes],
        clock: Callable[[], float],
        by: Compiled,
    ) -> None:
        self._store, self._catalogue, self._keys, self._tokens = store, catalogue, keys, tokens
        self._identifier, self._clock = identifier, clock
        self._known = KnownCases(store)
        self.work_by(by)

    def work_by(self, by: Compiled) -> None:
        """From the next call on it is by this that messages are worked: each wholly by the one or the other."""
        keys, tokens, channels = self._keys, self._tokens, list(by.channels.values())
        self._watch = Watch(self._clock, by.time_limit)
        self._books = {channel.name: channel.book for channel in channels}
        self._states = frozenset(channel.name for channel in channels if channel.replaces)
        self._wholes: Sequence[MasterChannel | ItemChannel] = (*by.masters.values(), *by.items.values())
        self._heard, self._notes = by.heard, bool(by.cases)
        self._noting = Noting(
            channels=list(by.cases.values()),
            keys=keys,
            tokens=tokens,
            time_zones=by.time_zones,
            watch=self._watch,
            identifier=self._identifier,
        )
        self._copier = Copier(
            channels=channels,
            catalogue=self._catalogue,
            keys=keys,
            tokens=tokens,
            time_zones=by.time_zones,
            watch=self._watch,
            known=self._known,
            hooks=by.hooks,
        )

    def process(
        self, messages: Sequence[Message], change: Change, until: float | None = None, *, least: int = 0
    ) -> list[Result]:
        """Adds the whole effect of the messages to the change, in order.

        Args:
            messages: stored, or about to be with the same change.
            change: is added to.
            until: when to stop mapping, by `clock`; the messages that were not reached have no result. It stops in the
                middle of a message with many lines.
            least: how many are mapped whatever the time; 0 with an `until`: their senders have not been answered yet.
        """
        self._watch.forget()
        if self._notes:
            self._known.begin(change)
        mapped = self._map_all(messages, until, least)
        copies = [copy for found in mapped if not isinstance(found, Exception) for copy in found[1]]
        statements, serials = Statements(self._store, copies), Serials(self._store, copies, self._books, self._states)
        usual = Usual(
            catalogue=self._catalogue,
            keys=self._keys,
            statements=statements,
            serials=serials,
            reserve=self._reserve,
            change=change,
        )
        results: list[Result] = []
        for message, found in zip(messages, mapped, strict=False):
            before, stated, used = _sizes(change), statements.mark, serials.mark
            self._watch.begin(message.position, until if len(results) >= least else None)
            try:
                if isinstance(found, Exception):
                    raise found
                result = self._effect(message, found, usual, (statements, serials), change)
            except (StoreUnavailable, StoreBroken):
                raise  # not this message's fault
            except Exception as fault:  # noqa: BLE001 - as above
                _cut(change, before)
                statements.take_back(stated)
                serials.take_back(used)
                if isinstance(fault, NotNow):
                    break
                result = self._put_aside(message, change, fault)
                if not isinstance(found, Exception) and found[2]:
                    results.append(result)
                    break  # what is behind it was mapped as if it had been noted
            results.append(result)
        return results

    def _map_all(self, messages: Sequence[Message], until: float | None, least: int) -> list[Taken | Exception]:
        """As many as time allows; a fault in place of a message that can't be mapped."""
        mapped: list[Taken | Exception] = []
        hurried = until is not None and not least
        for message in messages:
            stop = until if len(mapped) >= least else None
            if stop is not None and self._clock() >= stop:
                break
            self._watch.begin(message.position, stop, hurried=hurried)
            try:
                mapped.append(self._map(message))
            except NotNow:
                break
            except Exception as fault:  # noqa: BLE001 - a fault in one message must not take the others with it
                mapped.append(fault)
        return mapped

    def _map(self, message: Message) -> Taken:
        noted = self._noting.read(message) if self._notes else ()
        if not noted:
            notes, copies = self._copier.copies(message)
            return notes, copies, ()
        rows = [row for each in noted for row in each.rows]
        self._known.add(rows)
        try:
            notes, copies = self._copier.copies(message)
        except BaseException:
            self._known.take_back(rows)
            raise
        return notes, copies, noted

    def replay(
        self, message: Message, channel: str, decisions: Mapping[str, Decision], attempt: int, change: Change
    ) -> list[Work]:
        """Adds the effect of lines that were held and are worked again to the change; gives the work for destinations.

        Args:
            message: stored earlier.
            channel: whose lines they are.
            decisions: what people decided, by the places of the lines that are worked again.
            attempt: numbers this run.
            change: is added to.

        Raises:
            KeyError: there is no such channel any more.
        """
        self._begin_again(message, change)
        copy = self._copier.fixed(message, channel, decisions)
        works = self._copy_effect(message, copy, change).replay(attempt, decisions.keys())
        change.events.append(event("casecart.message.replayed", message, _type(message)))
        return works

    def replay_whole(
        self, message: Message, channel: str, before: Mapping[str, Became], attempt: int, change: Change
    ) -> list[Work]:
        """Adds the effect of all lines of a message, worked again, to the change; gives the work for destinations.

        What was posted is not posted again: a line that is another one today is flagged for a person.

        Args:
            message: stored earlier.
            channel: whose lines they are.
            before: what became of each place when it was last worked.
            attempt: numbers this run.
            change: is added to.

        Raises:
            KeyError: there is no such channel any more.
        """
        self._begin_again(message, change)
        known = {place for place, became in before.items() if became == "made"}
        gone = {place for place, became in before.items() if became == "gone"}
        made, rest = self._copier.divided(message, channel, known, gone)
        again = (rest.places | before.keys()) - known - gone
        works: list[Work] = []
        if again or rest.every.versions:
            new = len(again - before.keys())
            filtered = sum(before.get(place) == "filtered" for place in again)
            effect = self._copy_effect(message, rest, change)
            effect.recount(new=new, filtered=filtered)
            works += effect.replay(attempt, again)
        works += self._copy_effect(message, made, change).compare()
        change.events.append(event("casecart.message.replayed", message, _type(message)))
        return works

    def notes(self, channel: str) -> bool:
        """Whether a channel notes where cases are, so that `note_again` works its messages."""
        return self._noting.notes(channel)

    def note_again(self, message: Message, channel: str, before: str, attempt: int, change: Change) -> None:
        """Adds what a message tells of cases, as of its own time, to the change.

        Args:
            message: stored earlier.
            channel: whose word it is.
            before: how the message was counted when the channel last worked it.
            attempt: numbers this run.
            change: is added to.
        """
        self._begin_again(message, change)
        noted = self._noting.read_again(message, channel)
        self._noting.say(message, noted, change, attempt=attempt, before=before)
        change.events.append(event("casecart.message.replayed", message, _type(message)))

    def _begin_again(self, message: Message, change: Change) -> None:
        """One message is worked again, by what is known now."""
        self._watch.forget()
        self._watch.begin(message.position)
        self._known.begin(change)

    def _copy_effect(
        self, message: Message, copy: Copy, change: Change, about: tuple[Statements, Serials] | None = None
    ) -> CopyEffect:
        statements, serials = about or (
            Statements(self._store, [copy]),
            Serials(self._store, [copy], self._books, self._states),
        )
        return CopyEffect(
            message=message,
            copy=copy,
            store=self._store,
            catalogue=self._catalogue,
            statements=statements,
            serials=serials,
            keys=self._keys,
            reserve=self._reserve,
            identifier=self._identifier,
            change=change,
        )

    def look_again(self, message: Message, wish: Replay, decision: Decision, change: Change) -> list[Work] | None:
        """Adds what is due on a line to the change; see `casecart.runtime.again`."""
        return look_again(
            store=self._store,
            message=message,
            wish=wish,
            decision=decision,
            keys=self._keys,
            reserve=self._reserve,
            identifier=self._identifier,
            change=change,
        )

    def _effect(
        self,
        message: Message,
        mapped: Taken,
        usual: Usual,
        about: tuple[Statements, Serials],
        change: Change,
    ) -> Result:
        (notes, copies, noted), scope = mapped, f"messages:{message.listener}"
        taken = len(copies) + len(noted)
        if (self._wholes and not taken) or self._heard:
            followed, left = self._left_to_wishes(message, change, taken=bool(taken))
            if followed and taken + left == followed:
                notes = f"{notes} {FOLLOWED_UP}" if notes else FOLLOWED_UP
            taken += left
        if not taken:
            change.counts.append(Count(message.facility, scope, "unrouted", 1))
            change.events.append(event("casecart.message.unrouted", message, _type(message)))
            return Result("unrouted", notes)
        if taken > 1:
            change.counts.append(Count(message.facility, scope, "copied", taken - 1))
        change.counts.append(Count(message.facility, scope, "processed", taken))
        works: list[Work] = []
        for each in noted:
            self._noting.say(message, each, change)
        for copy in copies:
            made = usual.apply(message, copy)
            works += self._copy_effect(message, copy, change, about).apply() if made is None else made
        change.events.append(event("casecart.message.processed", message, _type(message)))
        if copies and not any(
            copy.mapped.documents or copy.mapped.filtered or copy.mapped.exceptions for copy in copies
        ):
            notes = f"{notes} {NO_LINES}" if notes else NO_LINES
        return Result("processed", notes, works)

    def _left_to_wishes(self, message: Message, change: Change, *, taken: bool) -> tuple[int, int]:
        """How many listeners follow the message up, and how many take it in all; each of these gets a wish to work it.

        The others are channels for which it is one line; it is none for them where another one takes it.
        """
        heard = self._heard.get((message.listener, message.actor), ())
        followers = [(f"{LEFT_TO}{name}", "") for name in heard] if heard and is_notification(message) else []
        channels = [
            (each.name, each.revision)
            for each in (() if taken else self._wholes)
            if each.accepts(message.listener, message.actor, message.message_type)
        ]
        for name, revision in (*followers, *channels):
            made = encode_made(Made(SCHEMA, [], [], []))
            change.runs.append(Run(message.position, name, revision, message.recorded_at, made))
            change.replays.append(wish_to_work(message, name, self._identifier()))
        return len(followers), len(followers) + len(channels)

    def _put_aside(self, message: Message, change: Change, fault: Exception) -> Result:
        """The message can't be worked, or the engine failed on it: keep it for people. No value of it is told."""
        why = why_aside(message, fault)
        said = str(fault) if isinstance(fault, Damaged) else told(fault)
        log.error("message at position %d was put aside: %s", message.position, said)
        change.counts.append(Count(message.facility, f"messages:{message.listener}", "quarantined", 1))
        change.holds.append(hold(message, self._identifier(), why))
        change.events.append(event("casecart.message.quarantined", message, {}))
        return Result("quarantined", message.notes)

    def _reserve(self) -> int:
        return self._store.reserve("entry", 1)[0]


@lru_cache(maxsize=1024)
def _told(message_type: str) -> dict[str, str]:
    return {"type": message_type} if _TYPE.fullmatch(message_type) or message_type in RESOURCES else {}


def _type(message: Message) -> dict[str, str]:
    """The message's type for an event, if it is one: MSH-9 holds whatever the sender writes there."""
    return _told(message.message_type)


_TYPE = re.compile(r"[A-Z0-9]{3}(\^[A-Z0-9]{3})?")


_LISTS: Final = attrgetter(
    "runs", "entries", "holds", "counts", "events", "lookups", "replays", "hold_changes", "known_cases"
)
"""The lists of a change that the effect of a message adds to."""


def _sizes(change: Change) -> list[int]:
    return list(map(len, _LISTS(change)))


def _cut(change: Change, sizes: list[int]) -> None:
    """Take back what was added to the change since."""
    for added, size in zip(_LISTS(change), sizes, strict=True):
        del added[size:]
