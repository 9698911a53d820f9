"""What is past its time goes, and what is needed stays: the same promises on every store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from casecart.store import (
    Change,
    Count,
    Due,
    Freed,
    HoldChange,
    Identity,
    LegalHold,
    MessageFilter,
    Replay,
    Settlement,
    Store,
    StoreUnavailable,
    encode_tokens,
    lookup_key,
    open_store,
    postgresql_partitions,
)
from casecart.store.memory import MemoryStore
from support.postgresql import database
from support.store import NOW, a_hold, a_message, a_run, a_token, an_entry, an_event, empty, new_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = 86_400_000_000
LATER = NOW + 40 * DAY

DUE = Due(
    now=LATER,
    bodies={"processed": 30 * DAY, "unrouted": 60 * DAY, "refused": 60 * DAY, "quarantined": 400 * DAY},
    channels={},
    documents=400 * DAY,
    events=400 * DAY,
    exceptions=400 * DAY,
    again=True,
)


@pytest.fixture(scope="module")
def migrated(postgresql_server: str) -> Iterator[str]:
    """A PostgreSQL store that the tests share and leave empty."""
    with database(postgresql_server) as url:
        new_store(url)
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store, opened by an engine."""
    if request.param == "memory":
        yield MemoryStore()
        return
    made = f"sqlite:///{tmp_path}/casecart.db" if request.param == "sqlite" else request.getfixturevalue("migrated")
    if request.param == "sqlite":
        new_store(made)
    opened = open_store(made, role="engine")
    yield opened
    opened.close()
    if request.param == "postgresql":
        empty(made)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Store]:
    """A store in a file."""
    new_store(f"sqlite:///{tmp_path}/casecart.db")
    opened = open_store(f"sqlite:///{tmp_path}/casecart.db", role="engine")
    yield opened
    opened.close()


@pytest.fixture
def server(postgresql_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store in a database of its own, with partitions of a hundred messages."""
    monkeypatch.setattr(postgresql_partitions, "SMALLEST", 100)
    monkeypatch.setattr(postgresql_partitions, "LARGEST", 100)
    new_store(postgresql_dsn)
    opened = open_store(postgresql_dsn, role="engine")
    yield opened
    opened.close()


def expire(store: Store, due: Due = DUE, limit: int = 100) -> list[Freed]:
    return [freed for step in store.expire(due, lambda: limit) for freed in step if freed.kind != "space"]


def put(store: Store, first: int = 1, count: int = 1, **changed: Any) -> None:  # noqa: ANN401 - as the field's
    """Messages that were processed at NOW, with runs."""
    numbers = range(first, first + count)
    messages = [a_message(number, **{"recorded_at": NOW, **changed}) for number in numbers]
    store.write(Change(messages=messages, runs=[a_run(number) for number in numbers]))


def there(store: Store, position: int) -> tuple[bool, bool]:
    """Whether a message's body is there, and its runs."""
    message = store.message(position)
    assert message is not None
    assert bool(message.body) is not message.body_gone
    return bool(message.body), bool(store.runs(position))


def partitions(url: str, table: str) -> list[str]:
    with psycopg.connect(url) as session:
        rows = session.execute(postgresql_partitions.PARTITIONS, (table,)).fetchall()
    return sorted(str(name) for (name,) in rows)


def test_a_body_goes_when_its_time_is_over_and_everything_else_of_the_message_stays(store: Store) -> None:
    put(store)
    store.write(Change(entries=[an_entry(1, open=0)], counts=[Count("NORTH", "messages:or-mllp", "received", 1)]))
    before = store.message(1)
    freed = expire(store)
    assert before is not None
    assert freed == [Freed("bodies", "processed", 1, len(before.body), 1, 1)]
    assert store.message(1) == before._replace(body=b"")
    assert store.message(before.id) == before._replace(body=b"")
    assert (len(store.runs(1)), len(store.entries(1)), len(store.counts())) == (1, 1, 1)
    assert [head.size for head in store.messages(MessageFilter(), None, 10)] == [0]


def test_a_resend_is_known_when_the_body_is_gone(store: Store) -> None:
    put(store)
    expire(store)
    (known,) = store.identities([Identity("NORTH", "ORSYS|NORTH", "C1")])
    assert (known.digest, known.position) == (a_message(1).digest, 1)


def test_a_body_whose_time_is_not_over_stays(store: Store) -> None:
    put(store)
    assert expire(store, replace(DUE, now=NOW + 29 * DAY)) == []
    assert there(store, 1) == (True, True)


def test_each_outcome_has_its_own_time(store: Store) -> None:
    put(store, 1, outcome="unrouted")
    put(store, 2)
    put(store, 3, outcome="quarantined")
    assert [(freed.rule, freed.amount) for freed in expire(store)] == [("processed", 1)]
    assert [(freed.rule, freed.amount) for freed in expire(store, replace(DUE, now=NOW + 61 * DAY))] == [
        ("unrouted", 1)
    ]
    assert [there(store, position)[0] for position in (1, 2, 3)] == [False, False, True]


def test_a_channel_s_own_time_counts_and_of_two_channels_the_longer_one(store: Store) -> None:
    due = replace(DUE, channels={"long": 50 * DAY, "short": 10 * DAY})
    put(store, 1, count=3)
    store.write(Change(runs=[a_run(2, channel="long"), a_run(3, channel="short")]))
    put(store, 4)
    store.write(Change(messages=[a_message(5, recorded_at=NOW)], runs=[a_run(5, channel="short")]))
    early = expire(store, replace(due, now=NOW + 12 * DAY))
    assert [(freed.rule, freed.first, freed.last) for freed in early] == [("channel short", 5, 5)]
    assert {freed.rule: freed.amount for freed in expire(store, due)} == {"processed": 3}
    late = expire(store, replace(due, now=NOW + 52 * DAY))
    assert [(freed.rule, freed.first) for freed in late] == [("channel long", 2)]


def test_documents_go_after_their_own_time_and_never_before_the_body(store: Store) -> None:
    due = replace(DUE, documents=35 * DAY)
    put(store)
    assert expire(store, replace(due, now=NOW + 34 * DAY))[0].kind == "bodies"
    assert there(store, 1) == (False, True)
    # The longest time of any body holds for documents too.
    assert expire(store, due) == []
    late = expire(store, replace(due, now=NOW + 402 * DAY))
    assert [(freed.kind, freed.amount) for freed in late] == [("documents", 1)]
    assert there(store, 1) == (False, False)


NEEDS = [
    pytest.param(lambda: Change(holds=[a_hold(1)]), id="an open exception"),
    pytest.param(lambda: Change(holds=[a_hold(1, state="parked")]), id="a parked exception"),
    pytest.param(lambda: Change(entries=[an_entry(1, open=1)]), id="a posting on its way"),
    pytest.param(lambda: Change(replays=[a_replay(1)]), id="a wish to be replayed"),
    pytest.param(lambda: Change(replays=[a_replay(1)._replace(channel="follow:ehr")]), id="a wish to be followed up"),
    pytest.param(lambda: Change(legal_holds=[legal("message", "1")]), id="a legal hold on it"),
    pytest.param(lambda: Change(legal_holds=[legal("facility", "NORTH")]), id="a legal hold on its facility"),
    pytest.param(
        lambda: Change(legal_holds=[legal("case", "case-T")], lookups=[(lookup_key("token", "case-T"), 1)]),
        id="a legal hold on its case",
    ),
]  # fmt: skip
ENDS = {
    "an open exception": lambda: Change(hold_changes=[HoldChange("fixed", "ann", "", NOW, a_hold(1).id)]),
    "a parked exception": lambda: Change(hold_changes=[HoldChange("rejected", "ann", "", NOW, a_hold(1).id)]),
    "a posting on its way": lambda: Change(settlements=[Settlement(0, b"postings 1", 1)]),
    "a wish to be replayed": lambda: Change(replays_done=[(b"w" * 16,)]),
    "a wish to be followed up": lambda: Change(replays_done=[(b"w" * 16,)]),
}


def legal(kind: Any, value: str) -> LegalHold:  # noqa: ANN401 - one of three words
    return LegalHold(b"l" * 16, kind, value, "a lawsuit", "ann", NOW)


def a_replay(position: int) -> Replay:
    return Replay(b"w" * 16, position, "or-usage", "", NOW, "ann", "", "{}")


@pytest.mark.parametrize("need", NEEDS)
def test_what_is_needed_stays_and_goes_when_it_no_longer_is(
    store: Store,
    need: Callable[[], Change],
    request: pytest.FixtureRequest,
) -> None:
    put(store)
    store.write(need())
    assert expire(store) == []
    assert there(store, 1) == (True, True)
    name = request.node.callspec.id.removeprefix(f"{request.node.callspec.params['store']}-")
    store.write(ENDS[name]() if name in ENDS else Change(releases=[(b"l" * 16,)]))
    assert [freed.amount for freed in expire(store)] == [1]
    assert there(store, 1) == (False, True)


def test_a_message_that_waits_stays_however_old_it_is(store: Store) -> None:
    put(store, outcome="waiting")
    assert expire(store, replace(DUE, now=NOW + 1000 * DAY)) == []
    assert there(store, 1) == (True, True)
    store.write(Change(outcomes=[("processed", None, 1)]))
    assert [freed.rule for freed in expire(store)] == ["processed"]


def test_a_part_of_a_message_stays_until_it_is_joined_and_goes_with_the_processed_then(store: Store) -> None:
    put(store, outcome="part")
    assert expire(store, replace(DUE, now=NOW + 1000 * DAY)) == []
    assert there(store, 1) == (True, True)
    store.write(Change(outcomes=[("joined", None, 1)]))
    assert [freed.rule for freed in expire(store)] == ["processed"]


def test_a_message_of_a_clock_that_stood_years_back_is_as_young_as_the_one_before_it(store: Store) -> None:
    put(store, 1)
    put(store, 2, recorded_at=NOW - 700 * DAY)
    assert expire(store, replace(DUE, now=NOW + DAY)) == []
    assert expire(store)[0].amount == 2


def test_a_message_of_a_clock_that_stood_years_ahead_goes_with_those_before_it(store: Store) -> None:
    put(store, 1)
    put(store, 2, recorded_at=NOW + 700 * DAY)
    put(store, 3)
    assert expire(store, replace(DUE, now=NOW + DAY)) == []
    assert expire(store)[0].amount == 3


def test_exceptions_that_are_done_go_after_their_time_but_not_before_the_body(store: Store) -> None:
    put(store, 1, count=3)
    store.write(Change(holds=[a_hold(1, state="fixed"), a_hold(2, state="new"), a_hold(3, state="rejected")]))
    store.write(Change(hold_changes=[HoldChange("rejected", "ann", "", NOW + 39 * DAY, a_hold(3).id)]))
    due = replace(DUE, exceptions=30 * DAY)
    expire(store, replace(due, bodies={**DUE.bodies, "processed": 100 * DAY}))
    assert len(store.holds()) == 3
    expire(store, due)
    assert sorted(hold.position for hold in store.holds()) == [2, 3]


def test_what_went_is_told_by_day_kind_and_rule(store: Store) -> None:
    put(store, 1, count=5)
    expire(store, limit=2)
    (told,) = store.expiries()
    assert (told.day, told.kind, told.rule, told.first, told.last) == (LATER // DAY, "bodies", "processed", 1, 5)
    assert (told.amount, told.bytes) == (5, sum(len(a_message(number).body) for number in range(1, 6)))
    assert store.expired(3) == [told]
    assert store.expired(6) == []
    assert store.expiries(LATER // DAY + 1) == []


def test_legal_holds_are_kept_and_released(store: Store) -> None:
    store.write(Change(legal_holds=[legal("case", "case-T")]))
    assert store.legal_holds() == [legal("case", "case-T")]
    store.write(Change(releases=[(b"l" * 16,)]))
    assert store.legal_holds() == []


def test_a_span_that_became_shorter_holds_for_what_is_there_and_a_longer_one_does_no_harm(store: Store) -> None:
    put(store, 1, count=2)
    expire(store, replace(DUE, now=NOW + DAY))
    assert expire(store, replace(DUE, now=NOW + 3 * DAY, bodies={**DUE.bodies, "processed": DAY}))[0].amount == 2
    assert expire(store, replace(DUE, bodies={**DUE.bodies, "processed": 90 * DAY})) == []


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_events_go_from_the_oldest_on_and_the_newest_stays(store: Store) -> None:
    for number in range(1, 6):
        store.write(Change(events=[an_event(number)]))
    expire(store, replace(DUE, events=30 * DAY), limit=2)
    assert [position for position, _ in store.events(0, 10)] == [5]


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_a_step_looks_at_no_more_than_it_may_and_the_next_goes_on(store: Store) -> None:
    put(store, 1, count=25)
    steps = [sum(freed.amount for freed in step if freed.kind == "bodies") for step in store.expire(DUE, lambda: 10)]
    assert max(steps) == 10
    assert sum(steps) == 25


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_changes_are_written_between_steps(store: Store) -> None:
    put(store, 1, count=20)
    steps = store.expire(DUE, lambda: 5)
    next(steps)
    put(store, 21)
    store.write(Change(legal_holds=[legal("message", "20")]))
    list(steps)
    assert there(store, 20) == (True, True)
    assert there(store, 19) == (False, True)


def test_free_pages_of_a_file_go_back_to_the_file_system(file: Store) -> None:
    for first in range(1, 1001, 100):
        put(file, first, count=100, body=b"x" * 4000)
    before = file.size()
    expire(file, limit=50)
    after = file.size()
    assert after.whole < before.whole / 3
    assert after.free <= after.whole / 10


def test_tokens_go_with_the_documents(store: Store) -> None:
    put(store)
    token = a_token("t")
    tokens = encode_tokens([token])
    store.write(Change(runs=[a_run(1, attempt=1, tokens=tokens)], lookups=[(lookup_key("token", "t"), 1)]))
    expire(store)
    assert store.token("t") == token
    expire(store, replace(DUE, now=NOW + 500 * DAY))
    assert store.token("t") is None


# --- partitions
def test_a_partition_that_is_past_is_dropped_whole(server: Store, postgresql_dsn: str) -> None:
    for first in range(1, 501, 50):
        put(server, first, count=50, recorded_at=NOW + first * 10)
    put(server, 501, recorded_at=LATER)
    assert len(partitions(postgresql_dsn, "body")) == 6
    freed = expire(server)
    assert sum(each.amount for each in freed) == 500
    assert len(partitions(postgresql_dsn, "body")) == 1
    assert there(server, 500) == (False, True)
    assert there(server, 501) == (True, True)


def test_what_must_stay_of_a_partition_takes_its_place(server: Store, postgresql_dsn: str) -> None:
    put(server, 1, count=150)
    put(server, 151, count=150, recorded_at=LATER)
    server.write(Change(holds=[a_hold(7)], legal_holds=[legal("message", "9")]))
    put(server, 301, outcome="quarantined")
    expire(server)
    assert [name for name in partitions(postgresql_dsn, "body") if name.endswith("_kept")] == ["body_0_151_kept"]
    assert [position for position in range(1, 151) if there(server, position)[0]] == [7, 9]
    server.write(Change(releases=[(b"l" * 16,)], hold_changes=[HoldChange("fixed", "ann", "", NOW, a_hold(7).id)]))
    expire(server)
    expire(server)
    assert not any(name.endswith("_kept") for name in partitions(postgresql_dsn, "body"))


def test_a_partition_of_which_more_than_half_must_stay_is_thinned_out(server: Store, postgresql_dsn: str) -> None:
    put(server, 1, count=101, outcome="quarantined")
    put(server, 102, count=20)
    put(server, 122, count=200, recorded_at=LATER)
    before = partitions(postgresql_dsn, "body")
    assert sum(each.amount for each in expire(server)) == 20
    assert partitions(postgresql_dsn, "body") == before
    assert there(server, 1) == (True, True)


def test_a_partition_that_is_long_in_filling_does_not_keep_a_body_for_more_than_a_day(server: Store) -> None:
    put(server, 1, count=10)
    put(server, 11, count=10, recorded_at=NOW + 20 * DAY)
    assert expire(server, replace(DUE, now=NOW + 30 * DAY + DAY // 2)) == []
    assert sum(each.amount for each in expire(server, replace(DUE, now=NOW + 32 * DAY))) == 10


def test_who_sets_a_hold_while_a_partition_is_looked_through_is_heard(server: Store) -> None:
    put(server, 1, count=101)
    put(server, 102, count=100, recorded_at=LATER)
    steps = server.expire(DUE, lambda: 10)
    for _ in range(3):
        next(steps)
    server.write(Change(legal_holds=[legal("message", "1")]))
    list(steps)
    assert there(server, 1) == (True, True)


def test_a_reader_in_the_midst_of_a_partition_puts_the_drop_off_and_nobody_waits(
    server: Store, postgresql_dsn: str
) -> None:
    put(server, 1, count=101)
    put(server, 102, count=100, recorded_at=LATER)
    with psycopg.connect(postgresql_dsn) as reader:
        reader.execute("select count(*) from body")
        steps = server.expire(DUE, lambda: 1000)
        list(steps)
        assert there(server, 1) == (True, True)
        put(server, 202, recorded_at=LATER)
    assert sum(each.amount for each in expire(server)) == 101


def test_a_row_whose_partition_is_gone_is_refused_once_and_then_has_a_place(server: Store) -> None:
    put(server, 1, count=101)
    put(server, 102, count=100, recorded_at=LATER)
    due = replace(DUE, documents=30 * DAY, bodies=dict.fromkeys(DUE.bodies, 30 * DAY))
    expire(server, due)
    assert there(server, 1) == (False, False)
    late = Change(runs=[a_run(1, attempt=1)])
    with pytest.raises(StoreUnavailable):
        server.write(late)
    server.write(late)
    assert there(server, 1) == (False, True)
