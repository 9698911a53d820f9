"""One line of usage: from a place in a message to all that was stated about it and posted for it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casecart.canonical.item_change import ITEM_SCHEMA
from casecart.commands.desk import Query
from casecart.commands.line_source import Messages, read_case
from casecart.commands.line_story import LineTeller
from casecart.commands.line_view import LineStory
from casecart.commands.message import find_message
from casecart.commands.refusal import Refusal
from casecart.commands.workspace import load_workspace
from casecart.rules import Keys
from casecart.runtime.identifier import shown
from casecart.runtime.marks import FINGERPRINT
from casecart.workspace import WorkspaceError
from casecart.workspace.findings import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection

    from casecart.commands.desk import View
    from casecart.commands.line_source import CaseFile, Source, Told
    from casecart.store import Message, Store

__all__ = ["ShowLine"]

MOST_NAMED = 20
"""Places that a refusal lists."""

LONGEST = 40
"""Characters of a line's id in a refusal."""

_SOURCE = re.compile(r"(.+)#([A-Za-z][A-Za-z0-9]{2}\[[0-9]{1,9}\])", re.DOTALL)
"""As a posting's payload names where it comes from."""

_KEY = re.compile(r"[0-9a-f]{32}\.[0-9]{1,9}")

_NO_LINES = {
    "waiting": "waits to be worked: it has stated nothing yet",
    "unrouted": "has no lines: no channel took it",
    "refused": "has no lines: it was refused",
    "part": "is a part of a longer message, and the others are not there: it has stated nothing yet",
    "joined": "is a part of a longer message, which has its lines",
    "quarantined": "was put aside before it stated anything",
    "processed": "has no lines",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowLine(Query[LineStory]):
    """The whole story of a line of usage, by any statement about it.

    Attributes:
        reference: the message by position, id or control id; or the ``source`` of a posting's payload, without `place`.
        place: where in the message, such as ``FT1[2]``; None where the message has one line.
        channel: whose line, where channels made different lines of the place.
    """

    reference: str
    place: str | None = None
    channel: str | None = None

    def answer(self, view: View) -> LineStory:
        """Raises `Refusal`: there is no such line, or several could be meant."""
        store = view.store
        message, place = self._found(store)
        if message.schema == ITEM_SCHEMA:
            words = f"message {message.position} is a change of an item, and has no lines of usage"
            raise Refusal("not-found", f"{words}; `casecart message show {message.position}` tells what became of it")
        messages = Messages(store)
        told = messages.told(message.position)
        if not told:
            raise Refusal("not-found", f"message {message.position} {_NO_LINES[message.outcome]}")
        place = _place(message, told, place)
        lines = self._lines(view, message, place, {name: what for (name, at), what in told.items() if at == place})
        different = {(file.case_key, name) for file, name in lines.values()}
        if len(different) > 1:
            words = f"channels made different lines of {place} of message {message.position}"
            raise Refusal("ambiguous", f"{words}; name one with --channel: {', '.join(sorted(lines))}")
        channel, (file, name) = next(iter(lines.items()))
        asked = (message.position, place, channel)
        return LineTeller(store=store, messages=messages, file=file, name=name, asked=asked).story()

    def _found(self, store: Store) -> tuple[Message, str | None]:
        try:
            return find_message(store, self.reference), self.place
        except Refusal as refused:
            reference = self.reference.strip()
            if _KEY.fullmatch(reference):
                words = f"{reference} is a posting's key, by which no line can be looked up"
                words += "; name the source that its payload has"
                raise Refusal("not-found", words) from None
            source = _SOURCE.fullmatch(reference) if self.place is None else None
            if source is None or refused.code != "not-found":
                raise
            return find_message(store, source[1]), source[2]

    def _lines(
        self, view: View, message: Message, place: str, told: dict[str, Told]
    ) -> dict[str, tuple[CaseFile, str]]:
        """By the channel that made it. One that filtered the place does not count beside one that did not."""
        if self.channel is not None and self.channel not in told:
            words = f"channel '{self.channel}' made nothing of {place} of message {message.position}"
            raise Refusal("not-found", words, did_you_mean(self.channel, told))
        lines, refusals = {}, []
        for channel, what in sorted(told.items(), key=lambda each: bool(each[1].filtered)):
            if self.channel in (None, channel):
                try:
                    lines[channel] = _line(view, message, (message.position, place, channel), what)
                except Refusal as refused:
                    refusals.append(refused)
        if not lines:
            raise refusals[0]
        return lines


def _place(message: Message, told: dict[tuple[str, str], Told], wanted: str | None) -> str:
    """The place that a person means. Raises `Refusal`."""
    places = list(dict.fromkeys(place for _, place in told))
    if wanted is None:
        stating = list(dict.fromkeys(place for (_, place), what in told.items() if not what.filtered))
        if len(stating) == 1:
            return stating[0]
        words = f"message {message.position} has {len(stating) or 'no'} lines"
        if not stating:
            raise Refusal("not-found", f"{words}: all of it was filtered")
        raise Refusal("ambiguous", f"{words}; name one by its place: {_listed(told, stating)}")
    given = wanted.strip().upper()
    if given in places:
        return given
    if given.isascii() and given.isdigit():
        fits = [place for place in places if place.endswith(f"[{int(given)}]")] if len(given) < LONGEST else []
        if len(fits) == 1:
            return fits[0]
    raise Refusal("not-found", f"message {message.position} has no place '{wanted}'; it has {_listed(told, places)}")


def _listed(told: dict[tuple[str, str], Told], places: Collection[str]) -> str:
    shown_of: dict[str, str] = {}
    for (_, place), what in told.items():
        if what.line:
            line = what.line if len(what.line) <= LONGEST else f"{what.line[:LONGEST]}…"
            shown_of.setdefault(place, f"{place} (line {line})")
    named = [shown_of.get(place, place) for place in list(places)[:MOST_NAMED]]
    more = len(places) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more > 0 else "")


def _line(view: View, message: Message, source: Source, told: Told) -> tuple[CaseFile, str]:
    """The line's case, and its name. Raises `Refusal`."""
    position, place, channel = source
    rows = [row for row in view.store.entries(position) if row.destination]
    for facility, case_key in dict.fromkeys((row.facility, row.case_key) for row in rows):
        file = read_case(view.store, facility, case_key)
        name = file.line_of(source)
        if name is not None:
            return file, name
    where = f"{place} of message {position}"
    if told.filtered:
        raise Refusal("not-found", f"{where} states nothing: channel {channel} filtered it ({told.filtered})")
    usage = told.usage
    if usage is None or usage.case is None:
        raised = [hold for hold in view.store.holds(position=position, place=place, channel=channel) if not hold.key]
        why = f"{raised[0].code}, exception {shown(raised[0].id)}, {raised[0].state}" if raised else "an exception"
        raise Refusal("not-found", f"{where} could not be read as a line ({why}): no line is known by it")
    known = view.store.token(usage.case)
    case = usage.case if known is None else known.value
    return read_case(view.store, message.facility, _case_key(view, where, channel, (message.facility, case))), told.line


def _case_key(view: View, where: str, channel: str, case: tuple[str, str]) -> bytes:
    """What finds a case in a channel's ledger, for a statement that the ledger does not have. Raises `Refusal`."""
    unknown = f"the ledger does not have what {where} states, and its line can't be looked for"
    try:
        workspace = load_workspace(view.site.root)
        secret = workspace.engine.secrets.keys.reveal(os.environ, view.site.root)
    except WorkspaceError as error:
        raise Refusal("not-found", f"{unknown}: {error.findings[0]}") from None
    keys = Keys(secret.encode())
    if any(cursor.name == FINGERPRINT and cursor.position != keys.fingerprint for cursor in view.store.cursors()):
        raise Refusal("not-found", f"{unknown}: the secret of keys is not the one that the ledger was made with")
    declared = workspace.channels.get(channel)
    return keys.case(*case, "" if declared is None else declared.book)
