"""Reconcile after a restore: what a destination had since the backup was taken, and the ledger does not know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from casecart.commands.desk import Desk
from casecart.commands.moment import moment
from casecart.commands.reconcile import PAGE, maker
from casecart.commands.refusal import Refusal
from casecart.commands.restored import reason_of
from casecart.commands.site import opened, read_site
from casecart.commands.workspace import load_workspace
from casecart.rules.reconcile import CANCELLED
from casecart.runtime.clock import wall_clock
from casecart.runtime.destination import Delivery, DestinationContext
from casecart.runtime.kinds import destination_specs
from casecart.runtime.made import decode_postings
from casecart.runtime.restored import FORGOTTEN, Found, Mark, Moved, found_of, found_owner, found_row, mark_of, mark_row
from casecart.store import AuditRecord, Change, Switch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from twisted.internet.defer import Deferred

    from casecart.canonical.movement import Movement
    from casecart.commands.actor import Actor
    from casecart.commands.site import Site
    from casecart.store import Store

__all__ = ["FoundView", "ReconciledRestore", "reconcile_restored"]

SLACK: Final = timedelta(days=1)
"""The destination's clock may be another one, and so may its idea of when it did something."""

_WAYS: Final = {
    Delivery.KEYED: "It refuses a second posting with the same key: what it has already is sent, and refused",
    Delivery.SEARCHABLE: "Each posting is looked up there by its key before it is sent",
    Delivery.TWO_STEP: "It can't be asked: what is planned when you resume it goes to the worklist, for a person",
    Delivery.BLIND: "It can't be asked: what is planned when you resume it goes to the worklist, for a person",
}
_ASKED: Final = (
    "What goes with one of these is looked up there and not sent again; what is only like one goes to a person"
)


class FoundView(msgspec.Struct, frozen=True, kw_only=True):
    """Something there that the ledger does not know."""

    reference: str
    number: str
    state: str
    line_known: bool
    """Whether the ledger knows the posting that it was made for: it is on its way here, and done there."""
    movements: list[MovementView]


class MovementView(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of it."""

    item: str
    lot: str
    quantity: str
    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    day: str


class ReconciledRestore(msgspec.Struct, frozen=True, kw_only=True):
    """What a destination had, and what will be done about it."""

    destination: str
    delivery: str
    backup: str
    taken_at: datetime
    restored_at: datetime
    asked: bool
    """Whether it can tell."""
    looked_at: int
    """References of ours there, since the backup was taken."""
    found: list[FoundView]
    rows: int
    """Of the ledger, that were looked at."""
    words: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What the ledger knows of a destination."""

    references: set[str]
    keys: set[str]
    rows: int


def reconcile_restored(
    root: Path,
    destination: str,
    actor: Actor,
    ask: Callable[[Callable[[Any], Deferred[Any]]], Any],
    told: Callable[[str], None] = lambda _: None,
) -> ReconciledRestore:
    """Asks, and has the store remember it; nothing is changed at the destination. It may be asked again until released.

    Args:
        root: the workspace.
        destination: its name.
        actor: who wishes it.
        ask: calls what it is given with a reactor that runs, once, and waits for the answer.
        told: what is being done, now and then.

    Raises:
        Refusal: there is no such destination, no restore concerns it, or it was released.
        NotRead: it did not answer.
        WorkspaceError: the workspace has errors.
    """
    site = read_site(root)
    can_tell = maker(site, destination) is not None
    settings = load_workspace(root).engine.destinations[destination].settings
    with opened(site, "person") as store:
        Desk(site=site, store=store, actor=actor, now=wall_clock).permit("operate")
        mark = _mark(store, destination)
        since = moment(mark.taken_at) - SLACK
        told(f"asking {destination}")

        def asked(reactor: Any) -> Deferred[tuple[Delivery, Sequence[Movement]]]:  # noqa: ANN401 - zope interfaces say nothing to mypy
            context = DestinationContext(name=destination, settings=settings, reactor=reactor, root=root)
            return _asked(site, context, since)

        delivery, movements = ask(asked)
        known = _known(store, destination, told) if can_tell else _Known(set(), set(), 0)
        found = _unknown(movements, known)
        _remember(store, destination, mark, found, known, actor, asked=can_tell)
    states = {movement.reference: movement.state for movement in movements}
    return ReconciledRestore(
        destination=destination,
        delivery=delivery.value,
        backup=mark.backup,
        taken_at=moment(mark.taken_at),
        restored_at=moment(mark.restored_at),
        asked=can_tell,
        looked_at=len(states),
        found=[_view(each, states[each.reference], known) for each in found],
        rows=known.rows,
        words=_ASKED if can_tell and delivery not in {Delivery.KEYED, Delivery.SEARCHABLE} else _WAYS[delivery],
    )


def _asked(site: Site, context: DestinationContext, since: datetime) -> Deferred[tuple[Delivery, Sequence[Movement]]]:
    """How it delivers, and what it has; the connections are closed whatever comes of it."""
    from twisted.internet.defer import Deferred, succeed  # noqa: PLC0415 - for help nobody should wait for Twisted

    spec = destination_specs()[site.destinations[context.name]]
    itself = spec.make(context)
    delivery = itself.delivery
    reading = spec.reconcile(context) if spec.reconcile is not None else None

    async def each() -> tuple[Delivery, Sequence[Movement]]:
        try:
            movements: Sequence[Movement] = await (reading.made_since(since) if reading is not None else succeed(()))
        finally:
            for made in (itself, reading):
                if made is not None:
                    await made.stop()
        return delivery, movements

    return Deferred.fromCoroutine(each())


def _mark(store: Store, destination: str) -> Mark:
    mark = mark_of(store.timers(), destination, wall_clock())
    if mark is None:
        words = "the store was not restored from a backup: there is nothing to reconcile but a day, with --day"
        raise Refusal("bad-value", words)
    if mark.phase == "released":
        words = f"{destination} was reconciled after the restore, and resumed; compare a day with --day"
        raise Refusal("bad-value", words)
    return mark


def _known(store: Store, destination: str, told: Callable[[str], None]) -> _Known:
    """The references under which postings went out, and their keys: all rows are read."""
    known, after, rows = _Known(set(), set(), 0), 0, 0
    while page := store.entries_of(destination, after, PAGE):
        for row in page:
            for posting in decode_postings(row.postings):
                known.keys.add(posting.key)
                if posting.group:
                    known.references.add(posting.group)
        after = page[-1].sequence
        rows += len(page)
        told(f"rows of the ledger looked at: {rows:,}")
    return _Known(known.references, known.keys, rows)


def _unknown(movements: Sequence[Movement], known: _Known) -> list[Found]:
    """By reference; what never will be done is left out."""
    by_reference: dict[str, list[Movement]] = {}
    for movement in movements:
        if movement.ours and movement.reference not in known.references and movement.state != CANCELLED:
            by_reference.setdefault(movement.reference, []).append(movement)
    return [
        Found(reference=reference, number=each[0].number, key=each[0].key, moved=tuple(map(_moved, each)))
        for reference, each in by_reference.items()
    ]


def _moved(movement: Movement) -> Moved:
    day = movement.day.isoformat() if movement.day is not None else ""
    return Moved(movement.item, movement.lot, movement.source, movement.target, day, movement.quantity)


def _remember(  # noqa: PLR0917 - all that is known by then
    store: Store, destination: str, mark: Mark, found: list[Found], known: _Known, actor: Actor, *, asked: bool
) -> None:
    now = wall_clock()
    after = msgspec.structs.replace(mark, phase="reconciled", asked=asked)
    timers = store.timers()
    # Of an earlier restore something may be remembered, too.
    settled = [each.reference for each in found_of(timers, destination, now) if each.reference in known.references]
    detail = {"backup": mark.backup, "taken_at": moment(mark.taken_at).isoformat(), "found": str(len(found))}
    store.write(
        Change(
            timers=[mark_row(destination, after), *(found_row(destination, each, now + FORGOTTEN) for each in found)],
            timers_done=[(found_owner(destination), reference) for reference in settled],
            switches=[Switch(destination, "paused", actor.name, reason_of(destination, after), now)],
            audit=[
                AuditRecord(
                    now,
                    actor.name,
                    "reconcile.restored",
                    f"destination:{destination}",
                    msgspec.json.encode(detail).decode(),
                )
            ],
        )
    )


def _view(found: Found, state: str, known: _Known) -> FoundView:
    return FoundView(
        reference=found.reference,
        number=found.number,
        state=state,
        line_known=found.key in known.keys,
        movements=[
            MovementView(
                item=each.item,
                lot=each.lot,
                quantity=f"{each.quantity.normalize():f}",
                source=each.source,
                target=each.target,
                day=each.day,
            )
            for each in found.moved
        ],
    )
