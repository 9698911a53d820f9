"""Whatever is done to them, the stores answer as the one in memory does."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from casecart.store import (
    AuditRecord,
    Change,
    Count,
    Cursor,
    DuplicateIdentity,
    Identity,
    KnownCase,
    MessageFilter,
    Replay,
    Settlement,
    Store,
    StoreBroken,
    Switch,
    Timer,
    migrate,
    open_store,
)
from casecart.store.memory import MemoryStore
from support.postgresql import database
from support.store import NOW, a_case, a_hold, a_message, a_run, an_entry, an_event, empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Few names, so that they meet; and texts as senders write them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
NAMES = st.sampled_from(["", "NORTH", "SOUTH", "ÄÖ", "zz"])
OUTCOMES = st.sampled_from(["waiting", "processed", "unrouted", "refused", "quarantined"])
NUMBERS = st.integers(1, 12)
TIMES = st.integers(NOW, NOW + 3_000_000_000)  # in no order, but none further back than CLOCK_SLACK
KEYS = st.tuples(NAMES, NAMES)
LIMITS = st.integers(1, 20)

MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "facility": NAMES,
            "sender": NAMES,
            "control_id": NAMES,
            "reuse": st.none() | st.integers(0, 3),
            "listener": NAMES,
            "outcome": OUTCOMES,
            "notes": st.none() | TEXTS,
            "body": st.binary(max_size=3000),
            "recorded_at": TIMES,
            "occurred_at": st.none() | st.integers(-(2**63), 2**63 - 1),
        }
    ),
    min_size=1,
    max_size=4,
)
LOOKUPS = st.sampled_from([1, 4 << 32, (4 << 32) + 1])
ENTRIES = st.lists(st.tuples(NAMES, NUMBERS, NAMES, st.integers(0, 3), st.binary(max_size=100)), max_size=4)
WISHES = NUMBERS.map(lambda number: number.to_bytes(16))
LEFT = st.sampled_from(["", "usage", "follow:", "follow:ehr", "follow:ehr2", "follow;", "follower"])
SMALL = st.builds(
    Change,
    replays=st.lists(st.builds(Replay, WISHES, NUMBERS, LEFT, NAMES, NUMBERS, NAMES, NAMES, TEXTS), max_size=4),
    replays_done=st.lists(st.tuples(WISHES), max_size=2),
    lookups=st.lists(st.tuples(LOOKUPS, NUMBERS)),
    counts=st.lists(st.builds(Count, NAMES, NAMES, NAMES, st.integers(-(2**40), 2**40))),
    events=st.lists(st.builds(an_event, NUMBERS, data=st.dictionaries(TEXTS, TEXTS, max_size=2))),
    timers=st.lists(st.builds(Timer, NAMES, NAMES, NUMBERS, TEXTS)),
    timers_done=st.lists(KEYS),
    cursors=st.lists(st.builds(Cursor, NAMES, NUMBERS, NUMBERS, NUMBERS)),
    switches=st.lists(st.builds(Switch, NAMES, st.sampled_from(["running", "paused"]), TEXTS, TEXTS, NUMBERS)),
    known_cases=st.lists(
        st.builds(KnownCase, st.integers(1, 3).map(a_case), NAMES, NAMES, NUMBERS, NUMBERS, st.binary(max_size=3)),
        unique_by=lambda row: row[:5],
    ),
    audit=st.lists(st.builds(AuditRecord, NUMBERS, TEXTS, TEXTS, TEXTS, TEXTS), max_size=3),
)
FILTERS = st.builds(
    MessageFilter,
    outcome=st.none() | OUTCOMES,
    listener=st.none() | NAMES,
    facility=st.none() | NAMES,
    control_id=st.none() | NAMES,
    since=st.none() | TIMES,
    until=st.none() | TIMES,
    positions=st.none() | st.lists(NUMBERS, max_size=3).map(tuple),
)


class Stores(RuleBasedStateMachine):
    """Does the same to each store and compares what they say."""

    postgresql = ""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.urls = (f"sqlite:///{self.folder}/casecart.db", self.postgresql)
        migrate(self.urls[0])
        empty(self.postgresql)
        self.memory = MemoryStore()
        self.others: list[Store] = []
        self.open()

    def open(self) -> None:
        self.others = [open_store(url, role="engine") for url in self.urls]

    def teardown(self) -> None:
        for store in self.others:
            store.close()
        shutil.rmtree(self.folder)

    def write(self, change: Change) -> None:
        expected = outcome(self.memory, change)
        for store in self.others:
            assert outcome(store, change) is expected
        if expected is StoreBroken:
            self.open_again()

    def ask(self, question: Callable[[Store], object]) -> None:
        expected = question(self.memory)
        for store in self.others:
            assert question(store) == expected

    @rule(rows=MESSAGES)
    def messages_come(self, rows: list[dict[str, object]]) -> None:
        first = self.memory.reserve("message", len(rows)).start
        self.write(Change(messages=[a_message(position, **row) for position, row in enumerate(rows, first)]))

    @rule(rows=ENTRIES)
    def entries_come(self, rows: list[tuple[str, int, str, int, bytes]]) -> None:
        first = self.memory.reserve("entry", len(rows)).start
        entries = [
            an_entry(n, facility=facility, case_key=a_case(case), destination=name, open=count, postings=data)
            for n, (facility, case, name, count, data) in enumerate(rows, first)
        ]
        self.write(Change(entries=[entry._replace(position=entry.sequence // 3 + 1) for entry in entries]))

    @rule(change=SMALL)
    def small_things_change(self, change: Change) -> None:
        self.write(change)

    @rule(positions=st.lists(NUMBERS, max_size=3), name=NAMES)
    def runs_and_exceptions_come(self, positions: list[int], name: str) -> None:
        holds = [a_hold(position, state=name or "new") for position in positions]
        self.write(Change(runs=[a_run(position, channel=name) for position in positions], holds=holds))

    @rule(rows=st.lists(st.tuples(OUTCOMES, st.none() | TEXTS, NUMBERS), min_size=1, max_size=3))
    def outcomes_change(self, rows: list[tuple]) -> None:
        self.write(Change(outcomes=rows))

    @rule(rows=st.lists(st.builds(Settlement, st.integers(0, 3), st.binary(max_size=200), NUMBERS), max_size=3))
    def rows_are_settled(self, rows: list[Settlement]) -> None:
        self.write(Change(settlements=rows))

    @rule()
    def open_again(self) -> None:
        for store in self.others:
            store.close()
        self.open()

    @rule(wanted=FILTERS, before=st.none() | NUMBERS, limit=LIMITS)
    def ask_for_messages(self, wanted: MessageFilter, before: int | None, limit: int) -> None:
        self.ask(lambda store: store.messages(wanted, before, limit))

    @rule(after=st.integers(0, 12), limit=LIMITS, name=NAMES)
    def ask_for_windows(self, after: int, limit: int, name: str) -> None:
        self.ask(lambda store: (store.waiting(after, limit), store.events(after, limit), store.audit(limit)))
        self.ask(lambda store: (store.open_entries(name, after, limit), store.holds(state=name, limit=limit)))
        self.ask(lambda store: store.entries_of(name, after, limit))

    @rule(position=NUMBERS)
    def ask_about_one(self, position: int) -> None:
        self.ask(lambda store: (store.message(position), store.runs(position), store.entries(position)))
        self.ask(lambda store: (store.holds(position=position), store.looked_up([1, 4 << 32], limit=2)))

    @rule(cases=st.lists(st.tuples(NAMES, NUMBERS)), identities=st.lists(st.builds(Identity, NAMES, NAMES, NAMES)))
    def ask_the_hot_path(self, cases: list[tuple[str, int]], identities: list[Identity]) -> None:
        keys = [(facility, a_case(number)) for facility, number in cases]
        self.ask(lambda store: (store.case_rows(keys), store.identities(identities)))
        self.ask(lambda store: store.known_cases([key for _, key in keys]))

    @rule(number=st.integers(1, 3), channel=NAMES, field=NAMES, limit=LIMITS)
    def ask_for_known_cases(self, number: int, channel: str, field: str, limit: int) -> None:
        self.ask(lambda store: store.known_cases_after((a_case(number), channel, field), limit))

    @rule(limit=LIMITS, after=st.integers(0, 12), listener=st.sampled_from(["ehr", "ehr2", "eh"]))
    def ask_what_is_wished(self, limit: int, after: int, listener: str) -> None:
        self.ask(lambda store: (store.replays(limit), store.left(listener, limit, after), store.left_counts()))

    @invariant()
    def the_sums_agree(self) -> None:
        self.ask(lambda store: (store.counts(), store.waiting_counts(), store.open_counts(), store.held_count()))
        self.ask(lambda store: (store.cursors(), store.timers(), store.switches()))


def outcome(store: Store, change: Change) -> type[Exception] | None:
    try:
        store.write(change)
    except (DuplicateIdentity, StoreBroken) as refused:
        return type(refused)
    return None


@pytest.fixture(scope="module")
def migrated(postgresql_server: str) -> Iterator[str]:
    with database(postgresql_server) as url:
        migrate(url)
        yield url


# A failure is shrunk before it is shown, and each try makes a store.
@pytest.mark.timeout(600)
def test_every_store_answers_as_the_one_in_memory(migrated: str) -> None:
    class Here(Stores):
        postgresql = migrated

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
