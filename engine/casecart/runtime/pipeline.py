"""The way of a message between its listener and the outbox: parse, accept, map, then its effect.

What goes wrong with a line becomes an exception for a person and never stops the other lines; what goes wrong with
the engine itself puts the message aside and never stops the other messages.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from casecart.formats.hl7v2 import decode, detect, read_header, repair
from casecart.mapping import MappingContext
from casecart.runtime.effect import Copy, CopyEffect, Statements, event, hold
from casecart.runtime.fault import told
from casecart.runtime.pseudonyms import Pseudonyms
from casecart.store import Change, Count, Message, Outcome, Store, StoreBroken, StoreUnavailable, Token, storable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from casecart.rules import Keys, Tokens
    from casecart.runtime.channel import Channel
    from casecart.runtime.window import Work

__all__ = ["Pipeline", "Result", "date_at"]

log = logging.getLogger(__name__)

NO_LINES = "no-lines"
"""Note of a message in which the mapping found no line: perhaps it looks for the wrong segment."""

REMEMBERED = 50_000
"""Tokens that are known to be stored; beyond, the memory starts anew and they are offered to the store again."""


_SHIFT, _HEX = b"\x1b", b"\\X"
"""ASCII that means something only with the message's character set: shifts of ISO 2022, bytes written in hex."""


@dataclass(slots=True)
class _Mapped:
    """A message as each accepting channel mapped it."""

    notes: str | None
    copies: list[Copy]


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
        channels: every channel, compiled.
        keys: derives the keys of ledger and postings.
        tokens: derives what stands for patient identifiers.
        time_zones: by facility.
        identifier: mints ids of exceptions.
        clock: monotonic seconds, for the budget.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Sequence[Channel],
        keys: Keys,
        tokens: Tokens,
        time_zones: Mapping[str, ZoneInfo],
        identifier: Callable[[], bytes],
        clock: Callable[[], float],
    ) -> None:
        self._store, self._channels, self._keys, self._tokens = store, channels, keys, tokens
        self._time_zones, self._identifier, self._clock = time_zones, identifier, clock
        self._accepting: dict[tuple[str, str], list[Channel]] = {}
        self._stored_tokens: set[str] = set()

    def forget(self) -> None:
        """The change that was being filled has not been written: nothing of it may be taken as known."""
        self._stored_tokens.clear()

    def process(
        self, messages: Sequence[Message], change: Change, until: float | None = None, *, least: int = 0
    ) -> list[Result]:
        """Adds the whole effect of the messages to the change, in order.

        Args:
            messages: stored, or about to be with the same change.
            change: is added to.
            until: when to stop mapping, by `clock`; the messages that were not reached have no result.
            least: how many are mapped whatever the time.
        """
        mapped: list[_Mapped | Exception] = []
        for message in messages:
            if until is not None and len(mapped) >= least and self._clock() >= until:
                break
            try:
                mapped.append(self._map(message))
            except Exception as fault:  # noqa: BLE001 - a fault in one message must not take the others with it
                mapped.append(fault)
        statements = Statements(
            self._store, (copy for found in mapped if isinstance(found, _Mapped) for copy in found.copies)
        )
        results = []
        for message, found in zip(messages, mapped, strict=False):
            before, stated = _sizes(change), statements.mark
            try:
                if isinstance(found, Exception):
                    raise found
                result = self._effect(message, found, statements, change)
            except (StoreUnavailable, StoreBroken):
                raise  # not this message's fault
            except Exception as fault:  # noqa: BLE001 - as above
                _cut(change, before)
                statements.take_back(stated)
                self.forget()
                result = self._put_aside(message, change, fault)
            results.append(result)
        return results

    def _map(self, message: Message) -> _Mapped:
        kind = (message.listener, message.message_type)
        channels = self._accepting.get(kind)
        if channels is None:
            channels = [
                channel
                for channel in self._channels
                if message.listener in channel.listeners and channel.accepts(message.message_type)
            ]
            if len(self._accepting) < REMEMBERED:  # senders choose what they call their messages
                self._accepting[kind] = channels
        if not channels:
            return _Mapped(message.notes, [])
        text, charset, note = _text(message)
        notes = message.notes if note is None else f"{message.notes} {note}" if message.notes else note
        return _Mapped(notes, [self._copy(message, channel, text, charset) for channel in channels])

    def _copy(self, message: Message, channel: Channel, text: str, charset: str) -> Copy:
        pseudonyms = Pseudonyms(message.facility, self._keys, self._tokens)
        context = MappingContext(
            facility=message.facility,
            time_zone=self._time_zones[message.facility],
            today=date_at(message.recorded_at, self._time_zones[message.facility]),
            token=pseudonyms.token,
            source=message.control_id,
            charset=charset,
        )
        return Copy(channel, channel.map(text, context), pseudonyms)

    def _effect(self, message: Message, mapped: _Mapped, statements: Statements, change: Change) -> Result:
        scope, copies = f"messages:{message.listener}", mapped.copies
        if not copies:
            change.counts.append(Count(message.facility, scope, "unrouted", 1))
            change.events.append(event("casecart.message.unrouted", message, _type(message)))
            return Result("unrouted", mapped.notes)
        if len(copies) > 1:
            change.counts.append(Count(message.facility, scope, "copied", len(copies) - 1))
        change.counts.append(Count(message.facility, scope, "processed", len(copies)))
        works: list[Work] = []
        for copy in copies:
            works += CopyEffect(
                message=message,
                copy=copy,
                statements=statements,
                keys=self._keys,
                reserve=self._reserve,
                identifier=self._identifier,
                change=change,
            ).apply()
            change.tokens += self._new_tokens(message, copy.pseudonyms)
        change.events.append(event("casecart.message.processed", message, _type(message)))
        notes = mapped.notes
        if not any(copy.mapped.documents or copy.mapped.filtered or copy.mapped.exceptions for copy in copies):
            notes = f"{notes} {NO_LINES}" if notes else NO_LINES
        return Result("processed", notes, works)

    def _put_aside(self, message: Message, change: Change, fault: Exception) -> Result:
        """The engine failed on this message: keep it for the people who mend the engine. No value of it is told."""
        log.error("message at position %d was put aside: %s", message.position, told(fault))
        cause = f"The engine failed on this message ({told(fault)}); it was put aside."
        change.counts.append(Count(message.facility, f"messages:{message.listener}", "quarantined", 1))
        change.holds.append(hold(message, self._identifier(), code="engine-fault", cause=cause))
        change.events.append(event("casecart.message.quarantined", message, {}))
        return Result("quarantined", message.notes)

    def _reserve(self) -> int:
        return self._store.reserve("entry", 1)

    def _new_tokens(self, message: Message, pseudonyms: Pseudonyms) -> list[Token]:
        """The tokens of a message that the store may not have yet."""
        known = self._stored_tokens
        if len(known) > REMEMBERED:
            known.clear()
        new = [
            Token(token, message.facility, kind, storable(value), message.recorded_at)
            for token, kind, value in pseudonyms.given
            if token not in known
        ]
        known.update(token.token for token in new)
        return new


def _type(message: Message) -> dict[str, str]:
    """The message's type for an event, if it is one: MSH-9 holds whatever the sender writes there."""
    return {"type": message.message_type} if _TYPE.fullmatch(message.message_type) else {}


_TYPE = re.compile(r"[A-Z0-9]{3}(\^[A-Z0-9]{3})?")

_QUARTER = 15 * 60 * 1_000_000
"""A quarter of an hour, µs: no time zone of today begins its days between two of them."""


def date_at(moment: int, time_zone: ZoneInfo) -> date:
    """The date there at a moment, µs since 1970 UTC."""
    return _date_in(moment // _QUARTER, time_zone)


@lru_cache(maxsize=256)
def _date_in(quarter: int, time_zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(quarter * _QUARTER // 1_000_000, time_zone).date()


def _text(message: Message) -> tuple[str, str, str | None]:
    """The message as text that ends its segments in CR, its codec, and what is to be noted of the character set."""
    body = message.body
    if body.isascii() and _SHIFT not in body and _HEX not in body:
        return repair(body.decode("ascii")), "utf-8", None
    declared = read_header(body).character_set
    text, note = decode(body, declared, message.charset)
    return repair(text), detect(body, declared, message.charset)[0], note


def _lists(change: Change) -> tuple[list[object], ...]:
    """The lists that the effect of a message adds to."""
    return (change.runs, change.entries, change.holds, change.tokens, change.counts, change.events)  # type: ignore[return-value]  # only their lengths are used


def _sizes(change: Change) -> list[int]:
    return [len(added) for added in _lists(change)]


def _cut(change: Change, sizes: list[int]) -> None:
    """Take back what was added to the change since."""
    for added, size in zip(_lists(change), sizes, strict=True):
        del added[size:]
