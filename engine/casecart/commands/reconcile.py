"""Reconcile: what the ledger has posted for a day of use against what a destination says was moved on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from casecart.canonical.consumption import Consumption
from casecart.commands.desk import Desk
from casecart.commands.refusal import Refusal
from casecart.commands.site import opened, read_site
from casecart.commands.workspace import load_workspace
from casecart.rules.reconcile import DifferenceKind, Posted, reconcile
from casecart.runtime.clock import wall_clock
from casecart.runtime.destination import DestinationContext
from casecart.runtime.kinds import destination_specs
from casecart.runtime.made import decode_postings
from casecart.runtime.stated import decode_statements
from casecart.runtime.states import OPEN
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from twisted.internet.defer import Deferred

    from casecart.canonical.movement import Movement
    from casecart.commands.actor import Actor
    from casecart.commands.site import Site
    from casecart.rules.reconcile import Difference, PostedEffect, Reconciled
    from casecart.runtime.destination import Posting, Reconcilable
    from casecart.store import Store

__all__ = [
    "DifferenceView",
    "MovedView",
    "PostedView",
    "PostingReference",
    "ReconcileDay",
    "Reconciliation",
    "maker",
    "reconcile_day",
]

PAGE = 1_000
"""Rows of the ledger that are read at once."""

_consumption = msgspec.json.Decoder(Consumption).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileDay:
    """The wish to compare a day."""

    destination: str
    day: date
    """Of use."""


class PostingReference(msgspec.Struct, frozen=True, kw_only=True):
    """A posting that a difference is about."""

    key: str
    position: int
    """The message that it was made for; `place` is where in it."""
    place: str
    state: str


class PostedView(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger says."""

    item: str
    lot: str
    quantity: str
    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    day: date | None


class MovedView(PostedView, frozen=True, kw_only=True):
    """What the destination says."""

    number: str
    reference: str
    state: str


class DifferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the two say otherwise."""

    kind: DifferenceKind
    words: str
    fields: list[str]
    postings: list[PostingReference]
    ledger: PostedView | None
    erp: MovedView | None


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found."""

    destination: str
    day: date
    agrees: bool
    agreeing: int
    """Postings that were moved just so."""
    on_the_way: int
    """Postings that are not answered yet, of which nothing is said."""
    movements: int
    """What the destination told of the day."""
    rows: int
    """Of the ledger, that were looked at."""
    differences: list[DifferenceView]


def reconcile_day(
    root: Path,
    wish: ReconcileDay,
    actor: Actor,
    ask: Callable[[Callable[[Any], Deferred[Sequence[Movement]]]], Sequence[Movement]],
    told: Callable[[str], None] = lambda _: None,
) -> Reconciliation:
    """Compare; nothing is changed on either side.

    The destination is asked first. What is posted after that is not missed there: it counts as on the way.

    Args:
        root: the workspace.
        wish: destination and day.
        actor: who wishes it.
        ask: calls what it is given with a reactor that runs, once, and waits for the answer.
        told: what is being done, now and then.

    Raises:
        Refusal: there is no such destination, or it can't be asked.
        NotRead: the destination did not answer.
        WorkspaceError: the workspace has errors.
    """
    site = read_site(root)
    make = maker(site, wish.destination)
    if make is None:
        able = (
            listed(sorted(kind for kind, spec in destination_specs().items() if spec.reconcile is not None)) or "none"
        )
        kind = site.destinations[wish.destination]
        words = (
            f"'{wish.destination}' is of the kind '{kind}', which can't be asked what was moved; kinds that can: {able}"
        )
        raise Refusal("bad-value", words)
    settings = load_workspace(root).engine.destinations[wish.destination].settings
    with opened(site, "reader") as store:
        Desk(site=site, store=store, actor=actor, now=wall_clock).permit("see")
        made: list[Reconcilable] = []

        def asked(reactor: Any) -> Deferred[Sequence[Movement]]:  # noqa: ANN401 - zope interfaces say nothing to mypy
            context = DestinationContext(name=wish.destination, settings=settings, reactor=reactor, root=root)
            made.append(make(context))
            movements = made[0].movements(wish.day)
            return movements.addBoth(lambda answer: made[0].stop().addBoth(lambda _: answer))

        told(f"asking {wish.destination}")
        begun = wall_clock()
        movements = ask(asked)
        scan = _Scan(wish, {each.reference for each in movements if each.ours}, made[0], begun)
        scan.read(store, told)
    return _view(wish, reconcile(scan.found.values(), movements), len(movements), scan.rows)


def maker(site: Site, name: str) -> Callable[[DestinationContext], Reconcilable] | None:
    """Makes what is asked; None where the kind of destination can't be. Raises `Refusal`: there is none of the name."""
    if name not in site.destinations:
        known = listed(sorted(site.destinations)) or "none"
        words = f"no destination is called '{name}'; the workspace has {known}"
        raise Refusal("not-found", words, did_you_mean(name, site.destinations))
    specs = destination_specs()
    kind = site.destinations[name]
    return specs[kind].reconcile if kind in specs else None


class _Scan:
    """Looks through a destination's rows of the ledger.

    Args:
        wish: destination and day.
        references: postings that went out under one of these are wanted as well, whatever their day.
        destination: tells what a posting comes to.
        begun: when the destination was asked, µs since 1970.
    """

    def __init__(self, wish: ReconcileDay, references: set[str], destination: Reconcilable, begun: int) -> None:
        self._wish, self._references, self._destination, self._begun = wish, references, destination, begun
        self._mark = wish.day.isoformat().encode()
        self.found: dict[str, Posted] = {}
        self.rows = 0

    def read(self, store: Store, told: Callable[[str], None]) -> None:
        """All of them: the ledger has no order by day, and a use may be told long after."""
        after = 0
        while rows := store.entries_of(self._wish.destination, after, PAGE):
            for row in rows:
                for posting in decode_postings(row.postings):
                    self._take(row.position, posting)
                for verdict in decode_statements(row.statements)[1]:
                    if verdict.key in self.found:
                        effect: PostedEffect = "by hand" if verdict.outcome == "posted" else "not posted"
                        self.found[verdict.key] = self.found[verdict.key]._replace(effect=effect)
            after = rows[-1].sequence
            self.rows += len(rows)
            told(f"rows of the ledger looked at: {self.rows:,}")

    def _take(self, position: int, posting: Posting) -> None:
        day = self._wish.day
        if posting.group not in self._references and (
            self._mark not in posting.payload or _consumption(posting.payload).used_on != day
        ):
            return
        expected = self._destination.expected(posting)
        if expected is not None and expected.day is None:  # the ERP took a day of its own
            expected = msgspec.structs.replace(expected, day=day)
        self.found[posting.key] = Posted(
            posting.key, position, posting.place, posting.state, self._effect(posting), posting.group, expected
        )

    def _effect(self, posting: Posting) -> PostedEffect:
        if posting.state in OPEN:
            return "on the way"
        if posting.state != "posted":
            return "not posted"
        return "on the way" if posting.history and posting.history[-1][0] >= self._begun else "posted"


def _view(wish: ReconcileDay, found: Reconciled, movements: int, rows: int) -> Reconciliation:
    return Reconciliation(
        destination=wish.destination,
        day=wish.day,
        agrees=not found.differences,
        agreeing=found.agreeing,
        on_the_way=found.on_the_way,
        movements=movements,
        rows=rows,
        differences=[_difference(each) for each in found.differences],
    )


def _difference(difference: Difference) -> DifferenceView:
    posted, moved = difference.posted, difference.moved
    return DifferenceView(
        kind=difference.kind,
        words=difference.words,
        fields=list(difference.fields),
        postings=[
            PostingReference(key=each.key, position=each.position, place=each.place, state=each.state)
            for each in difference.postings
        ],
        ledger=None if posted is None else PostedView(**_about(posted)),
        erp=None
        if moved is None
        else MovedView(**_about(moved), number=moved.number, reference=moved.reference, state=moved.state),
    )


def _about(movement: Movement) -> dict[str, Any]:
    return {
        "item": movement.item,
        "lot": movement.lot,
        "quantity": f"{movement.quantity.normalize():f}",
        "source": movement.source,
        "target": movement.target,
        "day": movement.day,
    }
