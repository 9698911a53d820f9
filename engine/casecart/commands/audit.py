"""The audit trail: who did what, and whether the trail is as it was written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from casecart.commands.desk import Query
from casecart.commands.moment import microseconds, moment
from casecart.commands.refusal import Refusal
from casecart.store.tail import chained, head_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from casecart.commands.desk import View
    from casecart.store import AuditEntry, Store

__all__ = [
    "AuditFinding",
    "AuditHead",
    "AuditLine",
    "AuditPage",
    "ListAudit",
    "ShowAuditHead",
    "VerifiedAudit",
    "VerifyAudit",
    "heads_in",
]

PAGE = 1_000
"""Records that are read at once."""

MOST = 1_000
"""Findings that are told; there may be a million of them."""

NOTHING = "0" * 64
"""The digest before the first record."""

_HEAD = re.compile(r"(?<![0-9A-Za-z])(\d{1,18}):([0-9a-f]{64})(?![0-9a-f])")


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """One record."""

    position: int
    recorded_at: datetime
    actor: str
    command: str
    subject: str
    detail: Any
    """JSON, as the command gave it."""


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Records, newest first."""

    records: list[AuditLine]
    before: int | None
    """Ask with this for the next page; None where there are no older ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAudit(Query[AuditPage]):
    """Who did what; None means any."""

    actor: str | None = None
    command: str | None = None
    """Such as `worklist.fix`, or `worklist` for all that begin with it."""
    subject: str | None = None
    """The same: `destination:erp`, or `message`."""
    since: datetime | None = None
    before: int | None = None
    limit: int = 25

    def answer(self, view: View) -> AuditPage:
        """A page. Reads past what is not wanted, a page at a time."""
        since = None if self.since is None else microseconds(self.since)
        found: list[AuditLine] = []
        before = self.before
        while entries := view.store.audit_before(before, PAGE):
            for entry in entries:
                if since is not None and entry.record.recorded_at < since - CLOCK_SLACK:
                    return AuditPage(records=found, before=None)
                if not self._wanted(entry, since):
                    continue
                if len(found) == self.limit:
                    return AuditPage(records=found, before=found[-1].position)
                found.append(_line(entry))
            before = entries[-1].position
        return AuditPage(records=found, before=None)

    def _wanted(self, entry: AuditEntry, since: int | None) -> bool:
        record = entry.record
        return (
            (since is None or record.recorded_at >= since)
            and self.actor in {None, record.actor}
            and _begins(record.command, self.command, ".")
            and _begins(record.subject, self.subject, ":")
        )


CLOCK_SLACK = 3_600_000_000
"""How far, in µs, a clock may have been set back without hiding records from a query that says since when."""


class AuditHead(msgspec.Struct, frozen=True, kw_only=True):
    """The end of the trail, for keeping elsewhere."""

    head: str
    """POSITION:DIGEST; of a trail without records, position 0 and zeros."""
    position: int
    digest: str
    recorded_at: datetime | None
    """Of the last record."""
    at: datetime
    trail: str
    """What tells this trail from that of another store: the beginning of its first record's digest."""
    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowAuditHead(Query[AuditHead]):
    """Where does the trail end?"""

    def answer(self, view: View) -> AuditHead:
        """As it is stored; whether it is sound, `VerifyAudit` tells."""
        first, last = view.store.audit_after(0, 1), view.store.audit_before(None, 1)
        position, digest = (last[0].position, last[0].digest.hex()) if last else (0, NOTHING)
        return AuditHead(
            head=f"{position}:{digest}",
            position=position,
            digest=digest,
            recorded_at=moment(last[0].record.recorded_at) if last else None,
            at=moment(view.now),
            trail=first[0].digest.hex()[:16] if first else "",
            store=view.site.store_place,
        )


class AuditFinding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it was written."""

    kind: Literal["altered", "missing", "truncated", "added", "rewritten"]
    first: int
    last: int
    """Positions, both included."""
    words: str


class VerifiedAudit(msgspec.Struct, frozen=True, kw_only=True):
    """What the trail looks like."""

    records: int
    head: str
    sound: bool
    findings: list[AuditFinding]
    findings_left_out: int
    compared: int
    """Exported heads that it was held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyAudit(Query[VerifiedAudit]):
    """Is the trail as it was written?

    Attributes:
        heads: exported ones, (position, digest in hex).
        told: how many records were looked at, now and then.
    """

    heads: Sequence[tuple[int, str]] = ()
    told: Callable[[int], None] = lambda _: None

    def answer(self, view: View) -> VerifiedAudit:
        """Reads all of it, a page at a time."""
        # Before the records: what is written meanwhile comes behind it.
        kept = view.store.audit_head()
        wanted: dict[int, set[str]] = {}
        for position, digest in self.heads:
            wanted.setdefault(position, set()).add(digest)
        scan = _Scan(wanted, kept)
        for entry in _all(view.store):
            scan.look(entry)
            if scan.records % PAGE == 0:
                self.told(scan.records)
        scan.end()
        return VerifiedAudit(
            records=scan.records,
            head=f"{scan.position}:{scan.digest.hex() or NOTHING}",
            sound=not scan.findings,
            findings=sorted(scan.findings[:MOST], key=lambda finding: (finding.first, finding.kind)),
            findings_left_out=max(0, len(scan.findings) - MOST),
            compared=len(set(self.heads)),
        )


class _Scan:
    """Goes through the trail in order.

    Args:
        wanted: exported heads: position → digests.
        kept: the head that the store keeps beside the trail.
    """

    def __init__(self, wanted: dict[int, set[str]], kept: tuple[int, int] | None) -> None:
        self._wanted, self._kept = wanted, kept
        self._kept_seen = kept is None or kept[0] == 0
        self.records, self.position, self.digest = 0, 0, b""
        self.findings: list[AuditFinding] = []
        self._find_heads(0, NOTHING)

    def look(self, entry: AuditEntry) -> None:
        position, record, digest = entry
        self.records += 1
        if position != self.position + 1:
            first, last = self.position + 1, position - 1
            self._found("missing", first, last, f"{_named(first, last)} not there")
        elif digest != chained(self.digest, position, record):
            words = f"record {position} is not the one that was written there: it was changed, moved or exchanged"
            self._found("altered", position, position, words)
        self.position, self.digest = position, digest
        self._find_heads(position, digest.hex())
        if self._kept is not None and position == self._kept[0]:
            self._kept_seen = True
            if head_mark(digest) != self._kept[1]:
                words = f"the store noted another record {position} as the last one when it was written"
                self._found("rewritten", position, position, words)

    def end(self) -> None:
        """After the last record."""
        kept = self._kept
        if kept is not None and not self._kept_seen and kept[0] > self.position:
            words = f"{_named(self.position + 1, kept[0])} not there: the trail was cut off behind {self.position}"
            self._found("truncated", self.position + 1, kept[0], words)
        for position in sorted(each for each in self._wanted if each > self.position):
            words = f"the trail ends at {self.position}, and a head of {position} was exported: it was cut off"
            self._found("truncated", self.position + 1, position, words)

    def _find_heads(self, position: int, digest: str) -> None:
        if any(known != digest for known in self._wanted.get(position, ())):
            words = f"record {position} had another digest when the head was exported: the trail was written anew"
            self._found("rewritten", position, position, words)

    def _found(
        self,
        kind: Literal["altered", "missing", "truncated", "added", "rewritten"],
        first: int,
        last: int,
        words: str,
    ) -> None:
        self.findings.append(AuditFinding(kind=kind, first=first, last=last, words=words))


def heads_in(text: str) -> list[tuple[int, str]]:
    """Every POSITION:DIGEST in a text: a line of `audit head`, a file that a scheduled job adds to, or its JSON.

    Raises:
        Refusal: there is none.
    """
    found = [(int(position), digest) for position, digest in _HEAD.findall(text)]
    if not found:
        raise Refusal(
            "bad-value", "there is no head like 42:9f86d0... (POSITION:DIGEST) in it; see `casecart audit head`"
        )
    return found


def _all(store: Store) -> Iterator[AuditEntry]:
    after = -(1 << 62)  # also what somebody may have put before the first
    while entries := store.audit_after(after, PAGE):
        yield from entries
        after = entries[-1].position


def _named(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"


def _begins(text: str, wanted: str | None, separator: str) -> bool:
    return wanted is None or text == wanted or text.startswith(wanted.rstrip(separator) + separator)


def _line(entry: AuditEntry) -> AuditLine:
    record = entry.record
    try:
        detail = msgspec.json.decode(record.detail)
    except msgspec.DecodeError:  # another program's, or an altered one
        detail = record.detail
    return AuditLine(
        position=entry.position,
        recorded_at=moment(record.recorded_at),
        actor=record.actor,
        command=record.command,
        subject=record.subject,
        detail=detail,
    )
