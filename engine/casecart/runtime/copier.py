"""From a stored message to its copies: which channels accept it, its text, and what each mapped and resolved of it."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from casecart.formats.hl7v2 import CONTINUED, decode, detect, join_segments, read_header, repaired
from casecart.mapping import FhirMessage, MappingContext
from casecart.runtime.copy import Copy
from casecart.runtime.fhir_body import FHIR, resource_of, times_in, types_in
from casecart.runtime.pseudonyms import Pseudonyms
from casecart.runtime.watch import NotNow
from casecart.store import Damaged, DamagedBody

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from casecart.master.catalogue import Catalogue
    from casecart.rules import Keys, Tokens
    from casecart.runtime.channel import Channel
    from casecart.runtime.copy import Decision
    from casecart.runtime.fill import Fill
    from casecart.runtime.hooks import Hooks
    from casecart.runtime.known_cases import KnownCases
    from casecart.runtime.watch import Watch
    from casecart.store import Message

__all__ = ["Copier", "date_at", "text_of"]

REMEMBERED = 50_000
"""Types of messages whose channels are known by heart: senders choose what they call their messages."""

_SHIFT, _HEX = b"\x1b", b"\\X"
"""ASCII that means something only with the message's character set: shifts of ISO 2022, bytes written in hex."""


class Copier:
    """Makes copies.

    Args:
        channels: every channel, compiled.
        catalogue: the master data, up to date.
        keys: derives the keys of cases.
        tokens: derives what stands for patient identifiers.
        time_zones: by facility.
        watch: over the time that a message takes.
        known: what is known of cases.
        hooks: of the channels that have one.
    """

    def __init__(
        self,
        *,
        channels: Sequence[Channel],
        catalogue: Catalogue,
        keys: Keys,
        tokens: Tokens,
        time_zones: Mapping[str, ZoneInfo],
        watch: Watch,
        known: KnownCases,
        hooks: Hooks | None = None,
    ) -> None:
        self._watch, self._known, self._hooks = watch, known, hooks
        self._channels, self._catalogue = channels, catalogue
        self._keys, self._tokens, self._time_zones = keys, tokens, time_zones
        self._accepting: dict[tuple[str, str, str], list[Channel]] = {}

    def copies(self, message: Message) -> tuple[str | None, list[Copy]]:
        """The message's notes, and it as each accepting channel sees it."""
        kind = (message.listener, message.actor, message.message_type)
        channels = self._accepting.get(kind)
        if channels is None:
            channels = [channel for channel in self._channels if channel.accepts(*kind)]
            if len(self._accepting) < REMEMBERED:
                self._accepting[kind] = channels
        if not channels:
            return message.notes, []
        text, charset, note = text_of(message)
        whole = None
        if text.__class__ is dict:
            whole, types = FhirMessage(text), types_in(text)
            channels = [channel for channel in channels if channel.wants(types)]
        notes = message.notes if note is None else f"{message.notes} {note}" if message.notes else note
        copies = [self._mapped(message, channel, text, charset, whole=whole) for channel in channels]
        for copy in copies:
            if copy.channel.fill is None:
                copy.resolve(self._catalogue)
            else:
                self._fill(copy, copy.channel.fill)
        return notes, copies

    def fixed(self, message: Message, channel: str, decisions: Mapping[str, Decision]) -> Copy:
        """Only the lines that people decided about, by place. Raises KeyError for a channel that there is no more."""
        copy = self._again(message, channel)
        copy.only(decisions)
        self._resolve(copy)
        return copy

    def divided(
        self, message: Message, channel: str, known: Collection[str], gone: Collection[str]
    ) -> tuple[Copy, Copy]:
        """The lines of the places `known`, and all others but those `gone`, each resolved.

        Raises:
            KeyError: there is no such channel any more.
        """
        one, other = self._again(message, channel), self._again(message, channel)
        one.keep(known)
        other.keep(other.places.difference(known, gone))
        for copy in (one, other):
            self._resolve(copy)
        return one, other

    def _resolve(self, copy: Copy) -> None:
        if copy.channel.fill is None:
            copy.resolve(self._catalogue)
        else:
            self._fill(copy, copy.channel.fill)

    def _fill(self, copy: Copy, fill: Fill) -> None:
        """Resolve what was told and what is known of the cases."""
        troubles = fill.apply(copy, self._known)
        copy.resolve(self._catalogue)
        if troubles:
            copy.troubles.update(troubles)

    def _again(self, message: Message, channel: str) -> Copy:
        compiled = next((known for known in self._channels if known.name == channel), None)
        if compiled is None:
            raise KeyError(channel)
        text, charset, _ = text_of(message)
        return self._mapped(message, compiled, text, charset)

    def _mapped(
        self,
        message: Message,
        channel: Channel,
        text: str | dict[str, Any],
        charset: str,
        *,
        whole: FhirMessage | None = None,
    ) -> Copy:
        if channel.hooked and self._watch.hurried:
            raise NotNow  # a hook may take its time: the sender is answered first
        pseudonyms = Pseudonyms(message.facility, self._keys, self._tokens, channel.book)
        context = MappingContext(
            facility=message.facility,
            time_zone=self._time_zones[message.facility],
            today=date_at(message.recorded_at, self._time_zones[message.facility]),
            token=pseudonyms.token,
            source=message.control_id,
            charset=charset,
            version=message.schema[len(FHIR) :] if text.__class__ is dict else "",
            watch=self._watch.over,
        )
        mapped = channel.map(text if whole is None else whole, context)
        if channel.hooked and self._hooks is not None:
            mapped = self._hooks.run(channel.name, mapped)
        copy = Copy(channel, mapped, pseudonyms, self._watch)
        if text.__class__ is dict:
            copy.times = times_in(text, mapped.places, message)
        return copy


_QUARTER = 15 * 60 * 1_000_000
"""A quarter of an hour, µs: no time zone of today begins its days between two of them."""


def date_at(moment: int, time_zone: ZoneInfo) -> date:
    """The date there at a moment, µs since 1970 UTC."""
    return _date_in(moment // _QUARTER, time_zone)


@lru_cache(maxsize=256)
def _date_in(quarter: int, time_zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(quarter * _QUARTER // 1_000_000, time_zone).date()


def text_of(message: Message) -> tuple[Any, str, str | None]:
    """The message as a mapping reads it, its codec, and what is to be noted of both.

    Of HL7 v2 that is text that ends its segments in CR, of FHIR a resource.
    """
    body = message.body
    if body.__class__ is DamagedBody:
        raise Damaged("The message came out of the store damaged: the checksum is another one")
    if message.schema[:5] == FHIR:
        return resource_of(body), "utf-8", None
    if body.isascii() and _SHIFT not in body and _HEX not in body:
        text, charset, note = body.decode("ascii"), "utf-8", None
    else:
        declared = read_header(body).character_set
        text, note = decode(body, declared, message.charset)
        charset = detect(body, declared, message.charset)[0]
    if "\n" in text or not text.startswith("MSH"):  # asked here: the call costs more than the question
        text, lines = repaired(text)
        if lines is not None:
            note = lines if note is None else f"{note} {lines}"
    if message.notes is not None and CONTINUED in message.notes:
        text = join_segments(text)
    return text, charset, note
