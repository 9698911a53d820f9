"""Engines on one store: who holds what, when one comes, goes, is killed, stopped, or loses its connection."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, cast

import psycopg
import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from casecart.runtime.marks import DISPATCH, FOLLOW, REPLAY, WORK
from casecart.runtime.membership import BEAT, DEAD, FORGOTTEN, PARTITIONS, Membership
from casecart.runtime.shared_backlog import marks_of
from casecart.store import Change, Cursor, Lease, LeaseLost, Member, SharedStore, StoreUnavailable, open_store
from support.store import a_message, new_store

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERYTHING = f"{WORK} {REPLAY} {DISPATCH}erp {FOLLOW}item-changes"


class Engine:
    """One engine's share, and what it was told."""

    def __init__(self, url: str, name: str, clock: Clock, roles: str = EVERYTHING) -> None:
        self.store = cast("SharedStore", open_store(url, role="engine"))
        self.partitions: set[int] = set()
        self.others: set[str] = set()
        self.inherited: list[bytes] = []
        self.deaths: list[bytes] = []
        self.drained: Deferred[None] | None = None
        """When set, a destination is given away only when this fires."""
        self.broken: list[Exception] = []
        self.id = name.encode().ljust(16, b".")
        member = Member(self.id, roles, name, 0)
        self.membership = Membership(self.store, member, clock, self, self.broken.append)

    def taken(self, lease: Lease, dead: bytes | None) -> None:
        if lease.name == WORK:
            self.partitions.add(lease.partition)
        else:
            self.others.add(lease.name)
        if dead is not None:
            self.inherited.append(dead)

    def given(self, lease: Lease) -> Deferred[None]:
        giving = succeed(None) if lease.name == WORK or self.drained is None else self.drained
        return giving.addCallback(lambda _: self.lost(lease))

    def lost(self, lease: Lease) -> None:
        self.partitions.discard(lease.partition) if lease.name == WORK else self.others.discard(lease.name)

    def died(self, member: bytes) -> None:
        self.deaths.append(member)

    def write(self, partition: int, position: int) -> None:
        """A message of a partition that is held, stored under its lease."""
        fence = self.membership.fence(WORK, partition)
        assert fence is not None
        self.store.write(Change(messages=[a_message(position)], fences=[fence]))


@pytest.fixture
def url(postgresql_dsn: str) -> str:
    new_store(postgresql_dsn)
    return postgresql_dsn


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def first(url: str, clock: Clock) -> Iterator[Engine]:
    """An engine that is alone, and started."""
    engine = Engine(url, "first", clock)
    engine.membership.start()
    with closing(engine.store):
        yield engine


@pytest.fixture
def second(url: str, clock: Clock) -> Iterator[Engine]:
    """Another one, on a clock of its own: `stopped` is that its clock stands still."""
    engine = Engine(url, "another", Clock())
    with closing(engine.store):
        yield engine
    del clock


def go_on(*engines: Engine, beats: int = 3) -> None:
    """Time goes by for these engines, and for no other."""
    for _ in range(beats):
        for engine in engines:
            cast("Clock", engine.membership.reactor).advance(BEAT)


def test_an_engine_that_is_alone_has_everything_at_once(first: Engine) -> None:
    assert first.partitions == set(range(PARTITIONS))
    assert first.others == {REPLAY, f"{DISPATCH}erp", f"{FOLLOW}item-changes"}
    assert first.inherited == []


def test_a_second_engine_gets_half_of_it(first: Engine, second: Engine) -> None:
    second.membership.start()
    go_on(first, second)
    assert len(first.partitions) == len(second.partitions) == PARTITIONS / 2
    assert first.partitions | second.partitions == set(range(PARTITIONS))
    assert first.others | second.others == {REPLAY, f"{DISPATCH}erp", f"{FOLLOW}item-changes"}
    assert not first.others & second.others


def test_an_engine_that_leaves_leaves_everything_to_the_others_and_nobody_mourns(first: Engine, second: Engine) -> None:
    second.membership.start()
    go_on(first, second)
    second.membership.stop()
    go_on(first)
    assert first.partitions == set(range(PARTITIONS))
    assert (first.inherited, first.deaths) == ([], [])


def test_what_a_killed_engine_held_is_taken_over_at_the_next_beat(first: Engine, second: Engine) -> None:
    second.membership.start()
    go_on(first, second)
    held = len(second.partitions) + len(second.others)
    second.store.close()  # its session is gone, as after a kill
    go_on(first, beats=1)
    assert first.partitions == set(range(PARTITIONS))
    assert first.deaths == [second.id]
    assert first.inherited == [second.id] * held


def test_an_engine_that_is_stopped_loses_what_it_held_and_can_write_nothing_when_it_goes_on(
    first: Engine, second: Engine
) -> None:
    second.membership.start()
    go_on(first, second)
    partition = min(second.partitions)
    second.write(partition, 1)
    go_on(first, beats=int(DEAD) + 2)  # the second one's clock stands still
    assert partition in first.partitions
    with pytest.raises(LeaseLost) as raised:
        second.write(partition, 2)
    assert [(fence.name, fence.partition) for fence in raised.value.lost] == [(WORK, partition)]
    second.membership.over(raised.value.lost)
    assert partition not in second.partitions
    first.write(partition, 3)
    assert [first.store.message(position) is not None for position in (1, 2, 3)] == [True, False, True]


def test_an_engine_that_goes_on_after_a_stop_takes_its_share_again(first: Engine, second: Engine) -> None:
    second.membership.start()
    go_on(first, second)
    go_on(first, beats=int(DEAD) + 2)
    go_on(second, first)
    assert len(second.partitions) == PARTITIONS / 2
    assert not first.partitions & second.partitions


def test_a_destination_changes_hands_only_when_what_is_on_its_way_has_ended(first: Engine, second: Engine) -> None:
    first.drained = Deferred()
    second.membership.start()
    go_on(first, second)
    moved = {REPLAY, f"{DISPATCH}erp", f"{FOLLOW}item-changes"} - second.others
    assert moved == first.others  # whichever it is, nobody has it twice
    held = len(first.others)
    first.drained.callback(None)
    go_on(first, second)
    assert len(first.others) < held
    assert not first.others & second.others
    assert first.others | second.others == {REPLAY, f"{DISPATCH}erp", f"{FOLLOW}item-changes"}


def test_an_engine_that_lost_its_connection_for_a_moment_is_soon_as_before(
    url: str, first: Engine, second: Engine
) -> None:
    second.membership.start()
    go_on(first, second)
    with psycopg.connect(url, autocommit=True) as other:
        others = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid <> pg_backend_pid()"
        other.execute(others + " and datname = current_database()")
    go_on(first, second, beats=6)
    assert first.partitions | second.partitions == set(range(PARTITIONS))
    assert not first.partitions & second.partitions
    for engine in (first, second):
        engine.write(min(engine.partitions), min(engine.partitions) + 1)
        assert engine.broken == []


def test_an_engine_whose_store_does_not_answer_says_so_once_and_once_when_it_does(
    first: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: Member) -> None:
        raise StoreUnavailable("PostgreSQL: it is away")

    with monkeypatch.context() as gone:
        gone.setattr(first.store, "meet", away)
        go_on(first)
    go_on(first)
    assert [record.message for record in caplog.records] == [
        "the store does not answer: PostgreSQL: it is away; what others do is not known",
        "the store answers again",
    ]
    assert first.partitions == set(range(PARTITIONS))


def test_roles_decide_what_an_engine_can_hold(url: str, first: Engine, clock: Clock) -> None:
    listener = Engine(url, "listener", clock, roles="listener")
    with closing(listener.store):
        listener.membership.start()
        go_on(first)
        assert (listener.partitions, listener.others) == (set(), set())
        assert first.partitions == set(range(PARTITIONS))


def test_a_dead_engine_is_forgotten_after_a_while_with_its_marks(first: Engine, second: Engine) -> None:
    second.membership.start()
    second.store.write(Change(cursors=[Cursor(name, 0, 1, 0) for name in marks_of(second.id)]))
    second.store.close()
    go_on(first, beats=int(FORGOTTEN) + 5)
    assert [member.place for member in first.store.members()] == ["first"]
    assert not [cursor for cursor in first.store.cursors() if cursor.name in marks_of(second.id)]
    assert first.deaths == [second.id]
