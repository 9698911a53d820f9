"""Which revision engines run, and which a next start would: told by the store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, cast

import msgspec

from casecart.commands.moment import moment
from casecart.runtime.difference import NEEDS_RESTART
from casecart.store import ONLY_ENGINE, Damaged, decode_channels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.store import RevisionHead, Running, SharedStore, Store

__all__ = ["EngineRuns", "at_work", "compared_with", "engine_runs", "first_with", "heads_of", "next_start", "scheduled"]

ALL = 1_000_000
"""More revisions than anybody applies."""

MOST = 1_000
"""Revisions that are looked through for one that is not due yet: they are among the newest."""


class EngineRuns(msgspec.Struct, frozen=True, kw_only=True):
    """What one engine at work runs."""

    place: str
    """Host and process."""
    revision: int
    """0: files that are too large to be a revision."""
    since: datetime
    refused: int | None
    """The revision that it would not take."""
    reason: str
    """Why."""


def engine_runs(row: Running) -> EngineRuns:
    """Of a row."""
    return EngineRuns(
        place=row.place,
        revision=row.number,
        since=moment(row.since),
        refused=row.refused or None,
        reason=row.reason,
    )


def at_work(store: Store) -> list[Running]:
    """What the engines that are at work now said last."""
    if not store.engine_at_work():
        return []
    rows = store.running()
    if not store.shared:
        return [row for row in rows if row.member == ONLY_ENGINE]
    alive = {member.id for member in cast("SharedStore", store).members() if member.connected}
    return [row for row in rows if row.member in alive]


def compared_with(store: Store, now: int) -> int | None:
    """The revision that a plan begins from: what runs; else what a start would run; else what ran last.

    None: nothing ever ran on this store, and nothing was applied.
    """
    numbers = {row.number for row in at_work(store) if row.number}
    wanted = store.wanted_revision(now)
    if numbers:
        return wanted if wanted in numbers else max(numbers)
    if wanted is not None:
        return next_start(store, wanted)[0]
    return next((head.number for head in store.revisions(None, MOST) if head.kind == "start"), None)


def next_start(store: Store, wanted: int) -> tuple[int, str]:
    """What a start takes where this revision is wanted; and where that is another one, why it is.

    What the one engine of a store would not take while it ran, it would not take at its start either: it goes on with
    what it ran. What was refused because it needs a restart is taken by that.
    """
    for row in [] if store.shared else store.running():
        if row.member != ONLY_ENGINE or NEEDS_RESTART in row.reason:
            continue
        if row.refused == wanted and row.number:
            return row.number, row.reason
    return wanted, ""


def scheduled(store: Store, now: int) -> RevisionHead | None:
    """What was applied for a later time, if that is still to come."""
    for head in store.revisions(None, MOST):
        if head.kind == "start" or head.cancelled_at is not None:
            continue
        return head if head.due_at is not None and head.due_at > now else None
    return None


def heads_of(store: Store) -> list[RevisionHead]:
    """All of them, newest first."""
    return store.revisions(None, ALL)


def first_with(heads: Sequence[RevisionHead], channel: str, digest: str) -> int | None:
    """The first revision in which a channel was as this digest says (`Workspace.revision`); None: in none.

    Args:
        heads: newest first.
        channel: its name.
        digest: as a run has it.
    """
    for head in reversed(heads):
        try:
            if decode_channels(head.channels).get(channel) == digest:
                return head.number
        except Damaged:
            continue
    return None
