"""Notes where cases are, as messages tell: with the message, so that the line of usage behind it is filled already.

All of a message is noted or nothing. It counts as one line of its channel, and where something is wrong with it that
line waits for a person; worked again, it tells what it tells today, as of its own time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from casecart.canonical.case import TOLD
from casecart.mapping import MappingContext
from casecart.rules import Trouble
from casecart.runtime.copier import REMEMBERED, date_at, text_of
from casecart.runtime.effect import event, hold
from casecart.runtime.finding import lookups
from casecart.runtime.known_cases import encode_known
from casecart.runtime.made import PLACE, Made, encode_made
from casecart.runtime.pseudonyms import Pseudonyms
from casecart.runtime.stamp import stamp_of
from casecart.runtime.told_records import first_of
from casecart.store import Count, KnownCase, Run, encode_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from casecart.canonical import Case
    from casecart.rules import Keys, Tokens
    from casecart.runtime.case_channel import CaseChannel
    from casecart.runtime.watch import Watch
    from casecart.store import Change, Message

__all__ = ["Noted", "Noting"]

SCHEMA: Final = "Case/1"

LONGEST: Final = 200
"""Characters of a department or location: what is longer is none."""


class Noted(NamedTuple):
    """What one channel notes of a message."""

    channel: CaseChannel
    made: Made
    rows: list[KnownCase]
    given: list[tuple[str, str, str]]
    """(token, kind, value) of the tokens in it."""
    troubles: Sequence[Trouble]


class Noting:
    """Reads what messages tell of cases, and adds it to changes.

    Args:
        channels: those with a step note, compiled.
        keys: derives the keys of cases.
        tokens: derives what stands for patient identifiers.
        time_zones: by facility.
        watch: over the time that a message takes.
        identifier: mints ids of exceptions.
    """

    def __init__(
        self,
        *,
        channels: Sequence[CaseChannel],
        keys: Keys,
        tokens: Tokens,
        time_zones: Mapping[str, ZoneInfo],
        watch: Watch,
        identifier: Callable[[], bytes],
    ) -> None:
        self._channels, self._keys, self._tokens, self._time_zones = channels, keys, tokens, time_zones
        self._watch, self._identifier = watch, identifier
        self._accepting: dict[tuple[str, str, str], list[CaseChannel]] = {}

    def read(self, message: Message) -> list[Noted]:
        """What each channel that takes the message notes of it."""
        kind = (message.listener, message.actor, message.message_type)
        channels = self._accepting.get(kind)
        if channels is None:
            channels = [channel for channel in self._channels if channel.accepts(*kind)]
            if len(self._accepting) < REMEMBERED:
                self._accepting[kind] = channels
        return [self._read(message, channel) for channel in channels]

    def notes(self, channel: str) -> bool:
        """Whether a channel notes cases."""
        return any(each.name == channel for each in self._channels)

    def read_again(self, message: Message, channel: str) -> Noted:
        """What one channel notes of a message that was stored earlier."""
        return self._read(message, next(each for each in self._channels if each.name == channel))

    def say(self, message: Message, noted: Noted, change: Change, *, attempt: int = 0, before: str = "") -> None:
        """Adds what is noted to a change: the rows, the run, the counts, and the exceptions.

        Args:
            message: stored, or about to be with the same change.
            noted: of it.
            change: is added to.
            attempt: numbers this run.
            before: how the message was counted when the channel last worked it.
        """
        name, troubles = noted.channel.name, noted.troubles
        change.known_cases += noted.rows
        tokens = encode_tokens(noted.given)
        made = encode_made(noted.made)
        change.runs.append(
            Run(message.position, name, noted.channel.revision, message.recorded_at, made, attempt, tokens)
        )
        change.lookups += lookups(message.position, (), noted.given)
        became = "held" if troubles else "filtered" if noted.made.filtered else "no_change"
        scope = f"lines:{name}"
        change.counts.append(Count(message.facility, scope, became, 1))
        change.counts.append(Count(message.facility, scope, before or "produced", -1 if before else 1))
        for trouble in troubles:
            change.holds.append(hold(message, self._identifier(), trouble, channel=name, place=PLACE))
            change.events.append(event("casecart.exception.raised", message, {"code": trouble.code}))

    def _read(self, message: Message, channel: CaseChannel) -> Noted:
        text, charset, _ = text_of(message)
        zone = self._time_zones[message.facility]
        pseudonyms = Pseudonyms(message.facility, self._keys, self._tokens)
        context = MappingContext(
            facility=message.facility,
            time_zone=zone,
            today=date_at(message.recorded_at, zone),
            token=pseudonyms.token,
            source=message.control_id,
            charset=charset,
            watch=self._watch.over,
        )
        cases: list[tuple[str, Case]] = []
        filtered: list[tuple[str, str]] = []
        troubles: list[Trouble] = []
        for mapping in channel.mappings:
            mapped = mapping.run(text, context)
            cases += zip(mapped.places, mapped.documents, strict=True)
            filtered += mapped.filtered
            troubles += [
                _trouble(each.place, each.code, each.field, each.words, each.subject) for each in mapped.exceptions
            ]
        troubles += _wrong(cases)
        if not (cases or filtered or troubles):
            words = "The message tells of no case that a mapping of its channel could read: have it sent again, whole."
            troubles.append(Trouble("no-records", "", words, ""))
        if troubles:
            told = first_of(troubles)
            made = Made(SCHEMA, [], [], [(PLACE, trouble.code, trouble.field) for trouble in told])
            return Noted(channel, made, [], [], told)
        left_out = [] if cases else [(PLACE, filtered[0][1])]
        rows = [row for _, case in cases for row in _rows(message, channel, pseudonyms.case_key(case.case or ""), case)]
        return Noted(channel, Made(SCHEMA, [], left_out, [], cases), rows, pseudonyms.given, ())


def _trouble(place: str, code: str, field: str, words: str, subject: str = "") -> Trouble:
    return Trouble(code, field, f"{place}: {words}", subject)


def _wrong(cases: Sequence[tuple[str, Case]]) -> Iterator[Trouble]:
    """What a mapping could make, and nobody may note."""
    said: dict[str, tuple[str, Case]] = {}
    for place, case in cases:
        if not case.case:
            yield _trouble(place, "missing", "case", "there is no number of a case")
            continue
        for field in TOLD:
            if len(getattr(case, field) or "") > LONGEST:
                yield _trouble(place, "too-large", field, f"the {field} has more than {LONGEST} characters")
        first, before = said.setdefault(case.case, (place, case))
        if before != case:
            yield _trouble(place, "conflict", "case", f"it says another thing of the case that {first} speaks of")


def _rows(message: Message, channel: CaseChannel, case_key: bytes, case: Case) -> Iterator[KnownCase]:
    said, position = stamp_of(message)
    for field in TOLD:
        value = "" if case.change == "remove" else getattr(case, field)
        if value is None and field == "location" and case.department is not None and channel.rooms:
            value = ""  # the room that was known may be one of another department
        if value is not None:
            yield KnownCase(case_key, channel.name, field, said, position, encode_known(value))
