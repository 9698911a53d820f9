"""How an engine is: what came through each door, what is on its way to each destination, and why something waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, cast

import msgspec

from casecart.commands.balance import Balances, balances, read_counters
from casecart.commands.desk import Query
from casecart.commands.drain import Drain, drain_of
from casecart.commands.moment import moment
from casecart.commands.retention import DiskView, RetentionStatus, disk_view, retention_status
from casecart.commands.running import EngineRuns, at_work, engine_runs
from casecart.runtime.error_class import ErrorClass
from casecart.runtime.marks import CERTIFICATE, DISPATCH, DISPATCHER, LISTENER, RUNNING, WORK
from casecart.runtime.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.commands.desk import View
    from casecart.store import Cursor, OpenCount, SharedStore, Store, Switch, Timer

__all__ = [
    "DestinationStatus",
    "EngineStatus",
    "ListenerStatus",
    "NextTry",
    "PausedBy",
    "ShowStatus",
    "Status",
    "certificates_end",
]


class ListenerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A way in."""

    name: str
    kind: str
    """Empty when it is no longer configured."""
    counts: dict[str, int]
    difference: int
    certificate_ends: datetime | None
    """When the certificate that the engine shows ends; null without TLS."""


class PausedBy(msgspec.Struct, frozen=True, kw_only=True):
    """Who wanted a destination paused, and why."""

    actor: str
    reason: str
    since: datetime


class NextTry(msgspec.Struct, frozen=True, kw_only=True):
    """A destination that is waited for."""

    at: datetime
    code: str
    """Why, as a stable code."""
    error: ErrorClass | None
    """Of which class it is; null where an earlier version noted it."""
    failures: int
    """In a row."""
    breaker: Literal["closed", "open", "half-open"]
    """Open: nothing is sent. Half-open: the time is over, and one posting at a time probes."""


class DestinationStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A way out."""

    name: str
    kind: str
    """Empty when it is no longer configured."""
    state: Literal["running", "paused", "draining", "drained"]
    paused: PausedBy | None
    drain: Drain | None
    postings_open: int
    entries_open: int
    oldest: datetime | None
    next_try: NextTry | None
    certificate_ends: datetime | None
    """As a listener's."""


class EngineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One of several engines on a store."""

    place: str
    """Host and process."""
    roles: list[str]
    """listener, worker, dispatcher."""
    since: datetime
    state: Literal["running", "gone"]
    """`gone`: it was not stopped, and has no session; the others do its work."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at a glance."""

    workspace: str
    organisation: str
    store: str
    at: datetime
    engine: Literal["running", "stopped", "ended"]
    """`ended`: it was not stopped, and is gone; what it had taken is worked off by the next one."""
    engines: list[EngineStatus]
    """Where several share the store; else empty."""
    runs: list[EngineRuns]
    """Which revision each engine at work runs."""
    listeners: list[ListenerStatus]
    destinations: list[DestinationStatus]
    to_follow_up: dict[str, int]
    """Listener → notifications that wait to be followed up by it; those with none are left out."""
    exceptions_open: int
    balances: Balances
    disk: DiskView | None
    """Set where nothing is taken because the disk is nearly full."""
    retention: RetentionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowStatus(Query[Status]):
    """How is it?"""

    def answer(self, view: View) -> Status:
        """The whole of it."""
        site, store = view.site, view.store
        reading = read_counters(store)
        both = balances(reading, site.listeners)
        engines = _engines(store)
        cursors = store.cursors()
        started = bool(engines) or any(cursor.name == RUNNING and cursor.position for cursor in cursors)
        ends = certificates_end(cursors)
        switches = {switch.destination: switch for switch in store.switches()}
        timers = {timer.key: timer for timer in store.timers() if timer.owner == DISPATCHER}
        open_ = {count.destination: count for count in reading.open}
        names = [*site.destinations, *sorted({*open_, *timers} - set(site.destinations))]
        return Status(
            workspace=str(site.root.absolute()),
            organisation=site.organisation,
            store=site.store_place,
            at=moment(view.now),
            engine="running" if store.engine_at_work() else "ended" if started else "stopped",
            engines=engines,
            runs=[engine_runs(row) for row in at_work(store)],
            listeners=[
                ListenerStatus(
                    name=balance.of,
                    kind=site.listeners.get(balance.of, ""),
                    counts={**balance.came_in, **balance.is_in},
                    difference=balance.difference,
                    certificate_ends=_ends(ends, "listener", balance.of),
                )
                for balance in both.messages
            ],
            destinations=[
                _destination(
                    view,
                    name,
                    open_.get(name),
                    switches.get(name),
                    timers.get(name),
                    ends=_ends(ends, "destination", name),
                )
                for name in names
            ],
            to_follow_up=dict(store.left_counts()),
            exceptions_open=store.held_count(),
            balances=both,
            disk=disk_view(store),
            retention=retention_status(store, view.now),
        )


def certificates_end(cursors: Iterable[Cursor]) -> dict[tuple[str, str], int]:
    """(`listener` or `destination`, name) → when its certificate ends, seconds since 1970."""
    found = {}
    for cursor in cursors:
        if cursor.name.startswith(CERTIFICATE) and cursor.position:
            sort, _, name = cursor.name.removeprefix(CERTIFICATE).partition(":")
            found[sort, name] = cursor.position
    return found


def _ends(ends: dict[tuple[str, str], int], sort: str, name: str) -> datetime | None:
    seconds = ends.get((sort, name))
    return None if seconds is None else moment(seconds * 1_000_000)


def _engines(store: Store) -> list[EngineStatus]:
    members = cast("SharedStore", store).members() if store.shared else []
    return [
        EngineStatus(
            place=member.place,
            roles=_roles(member.roles.split()),
            since=moment(member.started_at),
            state="running" if member.connected else "gone",
        )
        for member in sorted(members, key=lambda member: (member.started_at, member.place))
    ]


def _roles(leases: list[str]) -> list[str]:
    does = {
        "listener": LISTENER in leases,
        "worker": WORK in leases,
        "dispatcher": any(lease.startswith(DISPATCH) for lease in leases),
    }
    return [role for role, its in does.items() if its]


def _destination(
    view: View,
    name: str,
    open_: OpenCount | None,
    switch: Switch | None,
    timer: Timer | None,
    *,
    ends: datetime | None,
) -> DestinationStatus:
    paused = switch if switch is not None and switch.state != "running" else None
    drain = None
    if paused is not None and paused.state == "draining":
        drain = drain_of(paused, view.store.cursors(), engine_at_work=view.store.engine_at_work())
    return DestinationStatus(
        name=name,
        kind=view.site.destinations.get(name, ""),
        state=_state(paused, drain),
        drain=drain,
        paused=None
        if paused is None
        else PausedBy(actor=paused.actor, reason=paused.reason, since=moment(paused.recorded_at)),
        postings_open=open_.postings if open_ is not None else 0,
        entries_open=open_.entries if open_ is not None else 0,
        oldest=moment(open_.oldest) if open_ is not None else None,
        next_try=_next_try(timer, view.now) if timer is not None else None,
        certificate_ends=ends,
    )


def _state(paused: Switch | None, drain: Drain | None) -> Literal["running", "paused", "draining", "drained"]:
    if drain is not None:
        return "drained" if drain.left == 0 else "draining"
    return "running" if paused is None else "paused"


def _next_try(timer: Timer, now: int) -> NextTry:
    waiting = Waiting.read(timer.data)
    breaker: Literal["closed", "open", "half-open"] = "closed"
    if waiting.breaker_open:
        breaker = "open" if timer.due_at > now else "half-open"
    return NextTry(
        at=moment(timer.due_at),
        code=waiting.code,
        error=waiting.error,
        failures=waiting.failures,
        breaker=breaker,
    )
