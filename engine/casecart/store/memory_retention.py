"""How long the store in memory keeps things: as plainly as it can be said, as the others' measure."""

# ruff: noqa: D102 - what a caller may rely on stands in `Store`

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from casecart.store.due import DAY, Freed, StoreSize, rule_of
from casecart.store.lookup import lookup_key
from casecart.store.records import OPEN_STATES, Expiry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from casecart.store.due import Due
    from casecart.store.records import Entry, Hold, KnownCase, LegalHold, Message, Replay, Run

__all__ = ["MemoryRetention"]

ALL = 1_000_000
"""More messages than a case can have."""


class MemoryRetention(ABC):
    """The part of the store in memory that deletes."""

    _messages: dict[int, Message]
    _runs: dict[tuple[int, str, int], Run]
    _entries: dict[int, Entry]
    _holds: dict[bytes, Hold]
    _replays: dict[bytes, Replay]
    _known: dict[tuple[bytes, str, str], KnownCase]
    _legal_holds: dict[bytes, LegalHold]
    _expiries: list[Expiry]

    @abstractmethod
    def looked_up(self, keys: Iterable[int], *, limit: int) -> list[int]: ...

    def legal_holds(self) -> list[LegalHold]:
        return sorted(self._legal_holds.values(), key=lambda hold: (hold.recorded_at, hold.id))

    def expiries(self, since: int = 0) -> list[Expiry]:
        return [expiry for expiry in self._expiries[::-1] if expiry.day >= since]

    def expired(self, position: int) -> list[Expiry]:
        return [expiry for expiry in self._expiries[::-1] if expiry.first <= position <= expiry.last]

    def size(self) -> StoreSize:
        return StoreSize(0, 0)

    def overdue(self, due: Due) -> list[Freed]:
        # Done, told, and taken back.
        kept = self._messages, self._runs, self._holds, self._expiries, self._known
        self._messages, self._holds, self._expiries, self._known = (
            dict(kept[0]),
            dict(kept[2]),
            list(kept[3]),
            dict(kept[4]),
        )
        try:
            return [freed._replace(first=0, last=0) for step in self.expire(due, int) for freed in step]
        finally:
            self._messages, self._runs, self._holds, self._expiries, self._known = kept

    def expire(self, due: Due, limit: Callable[[], int]) -> Iterator[list[Freed]]:  # noqa: ARG002 - one step does all
        went: dict[tuple[str, str], list[tuple[int, int]]] = {}
        youngest = 0
        for message in [self._messages[position] for position in sorted(self._messages)]:
            if message.recorded_at <= due.now:
                youngest = max(youngest, message.recorded_at)
            age = due.now - (youngest or message.recorded_at)
            if age > due.documents_span and (size := self._forget_case(message)):
                went.setdefault(("cases", "cases"), []).append((message.position, size))
            if message.outcome in ("waiting", "part") or self._needed(message):
                continue
            runs = {key: run for key, run in self._runs.items() if run.position == message.position}
            rule, span = rule_of(message.outcome, [run.channel for run in runs.values()], due)
            if message.body and age > span:
                went.setdefault(("bodies", rule), []).append((message.position, len(message.body)))
                message = message._replace(body=b"")  # noqa: PLW2901 - the same message, without
                self._messages[message.position] = message
            if runs and not message.body and age > due.documents_span:
                size = sum(len(run.documents) + len(run.tokens or b"") for run in runs.values())
                went.setdefault(("documents", "documents"), []).append((message.position, size))
                self._runs = {key: run for key, run in self._runs.items() if key not in runs}
        for hold in [self._holds[key] for key in sorted(self._holds)]:
            told = self._messages.get(hold.position)
            old = max(hold.recorded_at, hold.changed_at) < due.now - due.exceptions
            if old and told and not told.body and hold.state in ("fixed", "rejected") and not self._needed(told):
                del self._holds[hold.id]
                went.setdefault(("exceptions", "exceptions"), []).append((0, 0))
        freed = [
            Freed(kind, rule, len(gone), sum(size for _, size in gone), gone[0][0], gone[-1][0])
            for (kind, rule), gone in went.items()
        ]
        for kind, rule, amount, size, first, last in freed:
            self._expiries.append(Expiry(due.now // DAY, kind, rule, first, last, amount, size, due.now))
        yield freed

    def _forget_case(self, message: Message) -> int:
        """What a message told of cases goes; how many bytes."""
        told = {key: row for key, row in self._known.items() if row.position == message.position}
        if self._kept_by_law(message):
            return 0
        self._known = {key: row for key, row in self._known.items() if key not in told}
        return sum(len(row.value) for row in told.values())

    def _needed(self, message: Message) -> bool:
        position = message.position
        return (
            any(hold.position == position and hold.state in OPEN_STATES for hold in self._holds.values())
            or any(entry.position == position and entry.open for entry in self._entries.values())
            or any(replay.position == position for replay in self._replays.values())
            or self._kept_by_law(message)
        )

    def _kept_by_law(self, message: Message) -> bool:
        position = message.position
        cases = [lookup_key("token", hold.value) for hold in self.legal_holds() if hold.kind == "case"]
        return (
            any((hold.kind, hold.value) == ("message", str(position)) for hold in self.legal_holds())
            or any((hold.kind, hold.value) == ("facility", message.facility) for hold in self.legal_holds())
            or position in self.looked_up(cases, limit=ALL)
        )
