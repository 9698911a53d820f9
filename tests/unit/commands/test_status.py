"""The status."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from casecart.commands.actor import Actor
from casecart.commands.desk import Desk
from casecart.commands.drain import ShowDrain
from casecart.commands.moment import moment
from casecart.commands.status import ShowStatus
from casecart.commands.switch import PauseDestination
from casecart.runtime.marks import CERTIFICATE, DISPATCHER, DRAINED, RUNNING
from casecart.store import Change, Cursor, Timer, open_store
from support.log_row import BEGIN, SECOND

if TYPE_CHECKING:
    from casecart.commands.site import Site
    from casecart.store import Store


def test_an_empty_site_shows_all_that_is_configured(desk: Desk) -> None:
    status = desk.ask(ShowStatus())
    assert [listener.name for listener in status.listeners] == ["or-mllp"]
    assert [(there.name, there.kind, there.state) for there in status.destinations] == [
        ("erp", "rest", "running"),
        ("inventory", "file", "running"),
    ]
    assert (status.engine, status.exceptions_open, status.balances.exact) == ("running", 0, True)


def test_a_site_at_work_shows_where_everything_is(worked: Store, desk: Desk) -> None:
    status = desk.ask(ShowStatus())
    assert {listener.name: listener.counts["received"] for listener in status.listeners} == {"adt": 1, "or-mllp": 1}
    assert {listener.name: listener.kind for listener in status.listeners} == {"adt": "", "or-mllp": "mllp"}
    erp = status.destinations[0]
    assert (erp.postings_open, erp.entries_open, erp.oldest) == (1, 1, moment(BEGIN))
    assert (status.engine, status.exceptions_open, status.balances.exact) == ("running", 1, True)


def test_a_certificate_in_use_is_told_by_the_day_that_it_ends(worked: Store, desk: Desk) -> None:
    marks = {"listener:or-mllp": 1_800_000_000, "listener:adt": 0, "destination:erp": 1_900_000_000}
    worked.write(Change(cursors=[Cursor(f"{CERTIFICATE}{name}", 0, ends, 0) for name, ends in marks.items()]))
    status = desk.ask(ShowStatus())
    listeners = {each.name: each.certificate_ends for each in status.listeners}
    destinations = {each.name: each.certificate_ends for each in status.destinations}
    assert listeners == {"or-mllp": moment(1_800_000_000_000_000), "adt": None}
    assert destinations == {"erp": moment(1_900_000_000_000_000), "inventory": None}


def test_an_engine_that_was_killed_is_told_from_one_that_was_stopped(site: Site, store: Store) -> None:
    store.write(Change(cursors=[Cursor(RUNNING, 0, 1, 0)]))
    store.close()
    reader = open_store(site.store_url, role="reader")
    desk = Desk(site=site, store=reader, actor=Actor("bob", frozenset({"see"})), now=lambda: BEGIN)
    assert desk.ask(ShowStatus()).engine == "ended"
    reader.close()


def test_a_paused_destination_says_by_whom_since_when_and_why(desk: Desk) -> None:
    desk.do(PauseDestination(destination="erp", reason="closing"), key="k")
    status = desk.ask(ShowStatus())
    erp, inventory = status.destinations
    assert erp.paused is not None
    assert (erp.state, erp.paused.actor, erp.paused.reason, erp.paused.since) == (
        "paused", "alice", "closing", status.at,
    )  # fmt: skip
    assert (inventory.state, inventory.paused) == ("running", None)


def test_a_destination_that_is_waited_for_says_why_and_until_when(store: Store, desk: Desk) -> None:
    due = BEGIN + 3_660 * SECOND
    store.write(
        Change(timers=[Timer(DISPATCHER, "erp", due, "connection-refused"), Timer("other", "inventory", due, "x")])
    )
    status = desk.ask(ShowStatus())
    erp, inventory = status.destinations
    assert erp.next_try is not None
    assert (erp.next_try.at - status.at, erp.next_try.code) == (timedelta(minutes=1), "connection-refused")
    assert inventory.next_try is None


@pytest.mark.parametrize(
    ("data", "due", "error", "breaker"),
    [
        ("http-503 transient 2", 60, "transient", "closed"),
        ("key-refused permanent 5", 60, "permanent", "open"),
        ("timeout unknown 9", -1, "unknown", "half-open"),
        ("timeout", 60, None, "closed"),  # of an earlier version
    ],
)
def test_a_destination_in_trouble_says_of_which_class_it_is_and_how_its_breaker_stands(
    store: Store, desk: Desk, data: str, due: int, *, error: str | None, breaker: str
) -> None:
    store.write(Change(timers=[Timer(DISPATCHER, "erp", BEGIN + (3_600 + due) * SECOND, data)]))
    waited = desk.ask(ShowStatus()).destinations[0].next_try
    assert waited is not None
    assert (waited.code, waited.error, waited.breaker) == (data.split(maxsplit=1)[0], error, breaker)


@pytest.mark.parametrize(("left", "state"), [(None, "draining"), (3, "draining"), (0, "drained")])
def test_a_drain_says_how_far_it_is(store: Store, desk: Desk, left: int | None, state: str) -> None:
    desk.do(PauseDestination(destination="erp", reason="upgrade", drain=True), key="k")
    (wish,) = store.switches()
    if left is not None:
        store.write(Change(cursors=[Cursor(f"{DRAINED}erp", 0, wish.recorded_at, left)]))
    erp = desk.ask(ShowStatus()).destinations[0]
    assert erp.drain is not None
    assert (erp.state, erp.drain.left, erp.paused is not None) == (state, left, True)


def test_a_drain_is_not_told_by_what_was_told_of_an_earlier_one(store: Store, desk: Desk) -> None:
    desk.do(PauseDestination(destination="erp", reason="upgrade", drain=True), key="k")
    store.write(Change(cursors=[Cursor(f"{DRAINED}erp", 0, BEGIN, 0)]))
    drain = desk.ask(ShowDrain(destination="erp"))
    assert drain is not None
    assert drain.left is None


def test_a_destination_that_left_the_configuration_is_shown_as_long_as_it_has_postings(
    worked: Store, desk: Desk
) -> None:
    (entry,) = worked.entries(1)
    worked.write(Change(entries=[entry._replace(sequence=2, destination="old-erp")]))
    gone = desk.ask(ShowStatus()).destinations[-1]
    assert (gone.name, gone.kind, gone.postings_open) == ("old-erp", "", 1)
