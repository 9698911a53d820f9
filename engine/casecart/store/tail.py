"""What stands at the end of the dense logs, and the rows that a change adds to them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from casecart.store.change import AUDIT_HEAD
from casecart.store.records import Cursor, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from casecart.store.change import AuditRecord
    from casecart.store.records import Count

__all__ = ["AuditRow", "EventRow", "Tail", "added_up", "chained", "head_mark", "unpacked"]

EventRow = tuple[int, int, int, int, bytes]
"""partition, position of the first, count, recorded_at, data"""

AuditRow = tuple[int, int, str, str, str, str, bytes]
"""position, the record's fields, digest"""


def _plain(value: object) -> str:
    # A name from a workspace is a str that knows its place; msgspec takes no subclass.
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_events = msgspec.msgpack.Decoder(list[Event]).decode


@dataclass(frozen=True, slots=True)
class Tail:
    """The ends of the event log and of the audit trail. A new one takes its place when the rows are durable."""

    partition: int = 0
    """Of the event log: each engine at work writes one."""
    event: int = 0
    """Position of the newest event."""
    audit: int = 0
    digest: bytes = b""
    """Of the newest audit row; empty before the first."""

    @property
    def head(self) -> Cursor:
        """The end of the trail, as it is kept beside it."""
        return Cursor(AUDIT_HEAD, 0, self.audit, head_mark(self.digest))

    def extended(
        self, events: Sequence[Event], records: Iterable[AuditRecord]
    ) -> tuple[Tail, EventRow | None, list[AuditRow]]:
        """The rows that these add, and the tail behind them."""
        row: EventRow | None = None
        if events:
            row = (self.partition, self.event + 1, len(events), events[-1].recorded_at, _encode(events))
        position, digest = self.audit, self.digest
        rows: list[AuditRow] = []
        for record in records:
            position += 1
            digest = chained(digest, position, record)
            rows.append((position, *record, digest))
        return Tail(self.partition, self.event + len(events), position, digest), row, rows


def chained(previous: bytes, position: int, record: AuditRecord) -> bytes:
    """The digest of an audit row: SHA-256 over the digest before it and the MessagePack of its position and fields."""
    return sha256(previous + _encode((position, *record))).digest()


def head_mark(digest: bytes) -> int:
    """63 bits of a digest, as many as a cursor keeps."""
    return int.from_bytes(digest[:8], "big") >> 1


def unpacked(first: int, data: bytes) -> list[tuple[int, Event]]:
    """The events of one row with their positions."""
    return list(enumerate(_events(data), first))


def added_up(counts: Iterable[Count]) -> list[tuple[str, str, str, int]]:
    """One row a counter, in the counters' order, so that writers meet the rows in the same order."""
    totals: dict[tuple[str, str, str], int] = {}
    for facility, scope, name, amount in counts:
        key = (facility, scope, name)
        totals[key] = totals.get(key, 0) + amount
    return [(*key, totals[key]) for key in sorted(totals)]
