"""What the stored messages and the ledger have about a line, read once and kept for one answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from casecart.commands.deletion import body_deletion
from casecart.commands.segment import Segments
from casecart.runtime.destination import Posting
from casecart.runtime.made import decode_made
from casecart.runtime.stated import Statement, Verdict
from casecart.runtime.statements import case_of, records_of

if TYPE_CHECKING:
    from casecart.canonical import Usage
    from casecart.commands.deletion import DeletionView
    from casecart.rules import Case
    from casecart.runtime.statements import Record
    from casecart.store import Message, Store

__all__ = ["CaseFile", "Messages", "Posted", "Source", "Told", "read_case"]

Source = tuple[int, str, str]
"""Position, place, channel: where a statement comes from."""


class Told(NamedTuple):
    """What a channel's last run over a message made of one place."""

    line: str
    """Empty where it could not be read."""
    usage: Usage | None
    held: bool
    filtered: str
    """Why it states nothing, else empty."""


class Posted(NamedTuple):
    """A posting, with what it needs of its row in the ledger."""

    sequence: int
    destination: str
    source: Source
    """The statement that made it due."""
    posting: Posting


@dataclass(slots=True)
class Messages:
    """Messages of a store, with what was made of their places."""

    store: Store
    _messages: dict[int, Message | None] = field(default_factory=dict)
    _segments: dict[int, Segments] = field(default_factory=dict)
    _told: dict[int, dict[tuple[str, str], Told]] = field(default_factory=dict)

    def message(self, position: int) -> Message | None:
        """The message at a position."""
        if position not in self._messages:
            self._messages[position] = self.store.message(position)
        return self._messages[position]

    def segments(self, position: int) -> Segments:
        """Where its places are."""
        if position not in self._segments:
            message = self.message(position)
            self._segments[position] = Segments(message.body if message else b"", message.charset if message else None)
        return self._segments[position]

    def body_deleted(self, position: int) -> DeletionView | None:
        """When the bytes of a message went, and by which rule."""
        message = self.message(position)
        return None if message is None else body_deletion(self.store, message)

    def told_at(self, source: Source) -> Told | None:
        """What was made of one place."""
        position, place, channel = source
        return self.told(position).get((channel, place))

    def told(self, position: int) -> dict[tuple[str, str], Told]:
        """By channel and place, in the order of the first run."""
        if position not in self._told:
            self._told[position] = _told(self.store, position)
        return self._told[position]


def _told(store: Store, position: int) -> dict[tuple[str, str], Told]:
    found: dict[tuple[str, str], Told] = {}
    for run in store.runs(position):
        made = decode_made(run.documents)
        for place, line, usage in made.documents:
            found[run.channel, place] = Told(line, usage, held=False, filtered="")
        for place, reason in made.filtered:
            found[run.channel, place] = Told("", None, held=False, filtered=reason)
        read = {place for place, _, _ in made.documents}
        for place, _, _ in made.held:
            known = found[run.channel, place] if place in read else Told("", None, held=False, filtered="")
            found[run.channel, place] = known._replace(held=True)
    return found


@dataclass(frozen=True, slots=True)
class CaseFile:
    """All that the ledger has about one case.

    Attributes:
        records: with the sequence of their rows, in the order of their coming.
        case: what they come to.
    """

    facility: str
    case_key: bytes
    records: list[tuple[int, Record]]
    case: Case

    def line_of(self, source: Source) -> str | None:
        """The line that a statement was taken for, or the id of a credit that waits; None where the ledger lacks it."""
        for name, line in self.case.lines.items():
            if any(said.source == source for said in line.said):
                return name
        return next((name for name, said in self.case.waiting if said.source == source), None)

    @property
    def sources(self) -> set[Source]:
        """Of every statement that the ledger has."""
        said = [each.source for line in self.case.lines.values() for each in line.said]
        return {*said, *(each.source for _, each in self.case.waiting)}

    def postings(self, line: str) -> list[Posted]:
        """Those of a line."""
        return [
            Posted(sequence, destination, (position, what.place, channel), what)
            for sequence, (position, channel, destination, what) in self.records
            if isinstance(what, Posting) and what.line == line
        ]

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """By the key of the posting; the last one counts."""
        return {each.what.key: each.what for _, each in self.records if isinstance(each.what, Verdict)}

    @property
    def tokens(self) -> set[str]:
        """What stands for the case in the ledger's documents: one, unless tokens were renewed."""
        said = [each for line in self.case.lines.values() for each in line.said]
        return {each.document.case for each in (*said, *(credit for _, credit in self.case.waiting))}

    def linked_by(self, source: Source) -> int | None:
        """The message with the charge of a credit that had waited for it."""
        for _, (position, channel, _, what) in self.records:
            if isinstance(what, Statement) and not what.waits and (what.position, what.place, channel) == source:
                return None if what.position == position else position
        return None


def read_case(store: Store, facility: str, case_key: bytes) -> CaseFile:
    """What there is about a case now; without records where the ledger has nothing."""
    rows = store.case_rows({(facility, case_key)})
    records = [(row.sequence, record) for row in rows for record in records_of(row)]
    return CaseFile(facility, case_key, records, case_of([record for _, record in records]))
