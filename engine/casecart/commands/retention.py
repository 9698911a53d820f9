"""How long what is kept, what is past its time now, and what went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from casecart.commands.deletion import DeletedView, deleted_view
from casecart.commands.desk import Query
from casecart.commands.legal_hold import LegalHoldView, legal_hold_view
from casecart.commands.moment import moment
from casecart.runtime.marks import DISK, TODAY

if TYPE_CHECKING:
    from casecart.commands.desk import View
    from casecart.store import Due, Store

__all__ = [
    "DiskView",
    "RetentionStatus",
    "RetentionView",
    "RuleView",
    "ShowRetention",
    "disk_view",
    "retention_status",
]

DAY = 86_400_000_000
SECOND = 1_000_000
SHOWN_DAYS = 7

NOT_COUNTED = ("events", "exceptions", "cases")


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, and what it would delete now."""

    kind: str
    rule: str
    """The message's outcome, or ``channel NAME``, or the kind again."""
    days: float
    due: int | None
    """Past its time, and not needed: how many; None where that isn't counted."""
    bytes: int | None


class RetentionView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about how long what is kept."""

    today: datetime
    """What counts as today: a clock that was set ahead is followed at a day an hour."""
    rules: list[RuleView]
    needed: int
    """Messages of which something is past its time and stays: for a hold, an exception, a posting, a replay."""
    holds: list[LegalHoldView]
    deleted: list[DeletedView]
    """In the last seven days, newest first."""
    store_bytes: int
    free_bytes: int
    """Of these, what the next messages will use."""


class DiskView(msgspec.Struct, frozen=True, kw_only=True):
    """A disk that is nearly full: nothing is taken."""

    since: datetime
    free_bytes: int
    """When it was noticed."""


class RetentionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What `casecart status` says of it."""

    deleted_bytes: int
    """Yesterday and today."""
    behind_days: int
    """How far the clock is ahead of what counts as today."""
    holds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRetention(Query[RetentionView]):
    """What is kept how long, and what would go now?"""

    def answer(self, view: View) -> RetentionView:
        """Looks at all that is past its time: some seconds for a million messages that wait to be deleted."""
        # `casecart status` shows a part of this, and compiles no mapping.
        from casecart.commands.workspace import load_workspace  # noqa: PLC0415 - as above
        from casecart.runtime.retention import due_of  # noqa: PLC0415 - as above

        store = view.store
        today = next((cursor.position for cursor in store.cursors() if cursor.name == TODAY), view.now)
        due = due_of(load_workspace(view.site.root), today)
        overdue = store.overdue(due)
        found = {(freed.kind, freed.rule): freed for freed in overdue}
        size = store.size()
        return RetentionView(
            today=moment(today),
            rules=[
                RuleView(
                    kind=kind,
                    rule=rule,
                    days=span / DAY,
                    due=None if kind in NOT_COUNTED else freed.amount if freed else 0,
                    bytes=None if kind in NOT_COUNTED else freed.bytes if freed else 0,
                )
                for kind, rule, span in _rules(due)
                for freed in [found.get((kind, rule))]
            ],
            needed=sum(freed.amount for freed in overdue if freed.kind == "needed"),
            holds=[legal_hold_view(hold) for hold in store.legal_holds()],
            deleted=[deleted_view(expiry) for expiry in store.expiries(today // DAY - SHOWN_DAYS)],
            store_bytes=size.whole,
            free_bytes=size.free,
        )


def _rules(due: Due) -> list[tuple[str, str, int]]:
    return [
        *(("bodies", outcome, span) for outcome, span in due.bodies.items()),
        *(("bodies", f"channel {name}", span) for name, span in due.channels.items()),
        ("documents", "documents", due.documents_span),
        ("events", "events", due.events),
        ("exceptions", "exceptions", due.exceptions),
        ("cases", "cases", due.documents_span),
    ]


def disk_view(store: Store) -> DiskView | None:
    """The disk, where the engine takes nothing because of it."""
    mark = next((cursor for cursor in store.cursors() if cursor.name == DISK and cursor.position), None)
    return None if mark is None else DiskView(since=moment(mark.position), free_bytes=mark.epoch)


def retention_status(store: Store, now: int) -> RetentionStatus:
    """What went lately, and whether all is well with the clock."""
    today = next((cursor for cursor in store.cursors() if cursor.name == TODAY), None)
    return RetentionStatus(
        deleted_bytes=sum(expiry.bytes for expiry in store.expiries(now // DAY - 1)),
        behind_days=0 if today is None else max(0, today.epoch - today.position) // DAY,
        holds=len(store.legal_holds()),
    )
