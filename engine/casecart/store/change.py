"""What one group commit writes: a change is written whole, in one durable transaction, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from casecart.store.records import Cursor

if TYPE_CHECKING:
    from casecart.store.applied import Revision, Running
    from casecart.store.records import (
        Count,
        Entry,
        Event,
        Fence,
        Hold,
        HoldChange,
        KnownCase,
        LegalHold,
        Message,
        Outcome,
        Replay,
        Run,
        Settlement,
        Switch,
        Timer,
    )

__all__ = ["AUDIT_HEAD", "PUBLISHED", "RESTORED", "AuditEntry", "AuditRecord", "Change"]

PUBLISHED = "master:published"
"""A cursor: the position up to which versions of master data are there for everybody."""

RESTORED = "restored"
"""What the owners of timers begin with that remember a restore."""

AUDIT_HEAD = "audit:head"
"""A cursor: the end of the audit trail, and 63 bits of its digest (`head_mark`), beside the trail."""


class AuditRecord(NamedTuple):
    """Who did what, for the audit trail."""

    recorded_at: int
    actor: str
    command: str
    subject: str
    detail: str


class AuditEntry(NamedTuple):
    """A record of the trail as it is stored."""

    position: int
    record: AuditRecord
    digest: bytes


@dataclass(slots=True)
class Change:
    """Everything one group commit writes, in one transaction.

    Its texts hold no NUL and no lone surrogate: where a store can't keep one, `write` raises `ValueError`.
    """

    messages: list[Message] = field(default_factory=list)
    outcomes: list[tuple[Outcome, str | None, int]] = field(default_factory=list)
    """Of messages stored earlier as waiting or as parts: outcome, notes, position."""
    runs: list[Run] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    """Several for the same counter are added up by the store."""
    events: list[Event] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    """Set, or moved when (owner, key) is there."""
    timers_done: list[tuple[str, str]] = field(default_factory=list)
    """(owner, key). Taken away first: a timer that went off may be set again by the same change."""
    cursors: list[Cursor] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)
    audit: list[AuditRecord] = field(default_factory=list)
    lookups: list[tuple[int, int]] = field(default_factory=list)
    """(`lookup_key` of a value, position of a message whose documents have it). Written once."""
    hold_changes: list[HoldChange] = field(default_factory=list)
    replays: list[Replay] = field(default_factory=list)
    """Written once for an exception."""
    replays_done: list[tuple[bytes]] = field(default_factory=list)
    """Exceptions whose replay is done."""
    known_cases: list[KnownCase] = field(default_factory=list)
    """What channels were told of cases, in any order: of each field the newest stays, here as in the store."""
    fences: list[Fence] = field(default_factory=list)
    """The change is written only while all of these hold; nothing to write by themselves."""
    legal_holds: list[LegalHold] = field(default_factory=list)
    releases: list[tuple[bytes]] = field(default_factory=list)
    """Ids of legal holds that are no more."""
    revisions: list[Revision] = field(default_factory=list)
    cancellations: list[tuple[int, int]] = field(default_factory=list)
    """Revisions that shall never run: when that was said, and their number; one that is cancelled already stays so."""
    running: list[Running] = field(default_factory=list)
    """What engines run from now on; a newer word of the same one takes the place of its older one."""

    @property
    def personal(self) -> bool:
        """Whether it holds nothing but what a person's command writes beside the engine.

        That is: switches, work on exceptions with what follows for the balances, the publication of master data, what
        is remembered of a restore, legal holds, revisions of the workspace, audit records.
        """
        others = [cursor for cursor in self.cursors if cursor.name != PUBLISHED]
        timers = [timer for timer in self.timers if not timer.owner.startswith(RESTORED)]
        done = [timer for timer in self.timers_done if not timer[0].startswith(RESTORED)]
        rest = replace(self, switches=[], audit=[], holds=[], hold_changes=[], replays=[], counts=[], cursors=others)
        rest = replace(rest, timers=timers, timers_done=done, legal_holds=[], releases=[])
        return not replace(rest, revisions=[], cancellations=[])

    def publish(self, position: int) -> None:
        """Versions of master data up to this position are there for everybody from now on."""
        self.cursors.append(Cursor(PUBLISHED, 0, position, 0))

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return any(getattr(self, name) for name in self.__slots__ if name != "fences")
