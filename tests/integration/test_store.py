"""Every store keeps the same promises: the same tests on SQLite, on PostgreSQL and on the one in memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from casecart.store import (
    AuditRecord,
    CaseRow,
    Change,
    Count,
    Cursor,
    DuplicateIdentity,
    Identity,
    KnownIdentity,
    MessageFilter,
    MessageHead,
    OpenCount,
    Settlement,
    Store,
    StoreBroken,
    StoreInUse,
    StoreMisconfigured,
    Switch,
    Timer,
    encode_tokens,
    lookup_key,
    open_store,
    schema,
)
from casecart.store.memory import MemoryStore
from casecart.store.migration import connected
from casecart.store.tail import chained
from casecart.workspace import Text
from support.postgresql import database
from support.store import (
    NOW,
    a_case,
    a_hold,
    a_known_case,
    a_message,
    a_run,
    a_token,
    an_entry,
    an_event,
    empty,
    new_store,
    work,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANY = MessageFilter()


@pytest.fixture(scope="module")
def migrated(postgresql_server: str) -> Iterator[str]:
    """The URL of a PostgreSQL store; making one takes longer than most tests, so they share it and leave it empty."""
    with database(postgresql_server) as url:
        new_store(url)
        yield url


def place(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/casecart.db"
        new_store(url)
        yield url
    else:
        url = request.getfixturevalue("migrated")
        yield url
        empty(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a store that is migrated and empty."""
    yield from place(request, tmp_path)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store, opened by an engine."""
    if request.param == "memory":
        yield MemoryStore()
        return
    for url in place(request, tmp_path):
        opened = open_store(url, role="engine")
        try:
            yield opened
        finally:
            opened.close()


def positions(found: list[MessageHead]) -> list[int]:
    return [head.position for head in found]


def everything(store: Store) -> list[object]:
    """All that can be read of a store."""
    heads = store.messages(ANY, None, 1000)
    return [
        [store.message(head.position) for head in heads],
        [store.runs(head.position) for head in heads],
        [store.entries(head.position) for head in heads],
        store.holds(limit=1000),
        store.token("t"),
        store.counts(),
        store.events(0, 1000),
        store.timers(),
        store.cursors(),
        store.switches(),
        store.audit(1000),
        store.known_cases_after((b"", "", ""), 1000),
    ]


def everything_at_once() -> Change:
    """A change with something of each kind."""
    change = work(range(1, 4))
    change.holds = [a_hold(1)]
    change.runs[0] = change.runs[0]._replace(tokens=encode_tokens([a_token("t")]))
    change.lookups = [(lookup_key("token", "t"), 1)]
    change.timers = [Timer("retry", "erp", NOW, "{}")]
    change.cursors = [Cursor("webhook", 3, 7, 1)]
    change.switches = [Switch("erp", "paused", "ann", "month end", NOW)]
    change.known_cases = [a_known_case(1)]
    change.audit = [AuditRecord(NOW, "ann", "destination pause", "erp", "month end")]
    return change


def test_a_message_comes_back_as_it_went_in(store: Store) -> None:
    full = a_message(
        1,
        correlation_id=b"c" * 16,
        causation_id=b"a" * 16,
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        occurred_at=None,
        notes="charset-fallback control-id-reused",
        charset="iso-8859-15",
        body=bytes(range(256)) * 100,
        sender="Ä|ЖЖ",
        control_id="'; drop table message; --",
    )
    bare = a_message(2, body=b"")
    store.write(Change(messages=[full, bare]))
    assert store.message(1) == full
    assert store.message(full.id) == full
    assert store.message(2) == bare
    assert store.message(3) is None
    assert store.message(b"no such id ....!") is None


def test_messages_of_which_none_has_the_rare_fields_come_back_too(store: Store) -> None:
    store.write(Change(messages=[a_message(1), a_message(2)]))
    assert [store.message(position) for position in (1, 2)] == [a_message(1), a_message(2)]


def test_names_out_of_a_workspace_are_as_good_as_any(store: Store) -> None:
    name = Text("or-mllp")
    change = Change(
        messages=[a_message(1, listener=name)],
        entries=[an_entry(1, destination=name)],
        counts=[Count(name, name, name, 1)],
        events=[an_event(1, subject=name, data={name: name})],
        timers=[Timer(name, name, NOW, name)],
        audit=[AuditRecord(NOW, name, name, name, name)],
    )
    store.write(change)
    assert store.message(1) == change.messages[0]
    assert [row.destination for row in store.open_entries(name, 0, 1)] == ["or-mllp"]
    assert store.events(0, 1) == [(1, change.events[0])]
    assert (store.counts(), store.timers(), store.audit(1)) == (change.counts, change.timers, change.audit)


def test_an_empty_change_is_nothing(store: Store) -> None:
    store.write(Change())
    assert everything(store) == [[], [], [], [], None, [], [], [], [], [], [], []]


def test_numbers_are_consecutive_and_only_grow(store: Store) -> None:
    taken = [list(store.reserve("message", count)) for count in (3, 1, 2000, 1)]
    assert taken == [[1, 2, 3], [4], list(range(5, 2005)), [2005]]
    assert list(store.reserve("entry", 2)) == [1, 2]
    assert list(store.reserve("entry", 1)) == [3]


def test_a_number_that_was_used_is_never_given_again(url: str) -> None:
    used: list[int] = []
    for _ in range(3):
        store = open_store(url, role="engine")
        numbers = store.reserve("message", 2)
        store.write(Change(messages=[a_message(number) for number in numbers]))
        used += numbers
        store.close()
    assert used == [1, 2, 3, 4, 5, 6]


def test_a_second_message_of_an_identity_is_refused_and_nothing_of_its_change_is_written(store: Store) -> None:
    store.write(work(range(1, 3)))
    before = everything(store)
    change = work(range(3, 6))
    change.messages[2] = a_message(5, control_id="C2")
    with pytest.raises(DuplicateIdentity):
        store.write(change)
    assert everything(store) == before
    store.write(work(range(3, 6)))


def test_two_messages_of_one_identity_in_one_change_are_refused(store: Store) -> None:
    with pytest.raises(DuplicateIdentity):
        store.write(Change(messages=[a_message(1), a_message(2, control_id="C1")]))
    assert store.messages(ANY, None, 10) == []


@pytest.mark.parametrize("field", ["facility", "sender", "reuse"])
def test_an_identity_is_facility_sender_control_id_and_reuse_together(store: Store, field: str) -> None:
    other = a_message(2, control_id="C1", **{field: 1 if field == "reuse" else "OTHER"})
    store.write(Change(messages=[a_message(1), other]))
    assert positions(store.messages(ANY, None, 10)) == [2, 1]


def test_messages_without_identity_are_never_duplicates(store: Store) -> None:
    store.write(Change(messages=[a_message(1, reuse=None, control_id=""), a_message(2, reuse=None, control_id="")]))
    assert store.identities([Identity("NORTH", "ORSYS|NORTH", "")]) == []


def test_what_is_known_of_identities_is_told_with_digests_and_positions(store: Store) -> None:
    first, again, other = a_message(1), a_message(2, control_id="C1", reuse=1), a_message(3)
    store.write(Change(messages=[first, again, other]))
    known, unknown, next_to = (Identity("NORTH", "ORSYS|NORTH", name) for name in ("C1", "C9", "C3"))
    assert store.identities([next_to, unknown, known, known]) == [
        KnownIdentity(next_to, 0, other.digest, 3),
        KnownIdentity(known, 0, first.digest, 1),
        KnownIdentity(known, 1, again.digest, 2),
    ]
    assert store.identities([]) == []


def test_the_rows_of_a_case_come_in_order_whatever_message_they_are_from(store: Store) -> None:
    rows = [an_entry(1), an_entry(2, case_key=a_case(1), destination="file"), an_entry(3), an_entry(4)]
    rows.append(an_entry(5, case_key=a_case(1), facility="SOUTH"))
    store.write(Change(entries=rows))
    found = store.case_rows([("NORTH", a_case(3)), ("NORTH", a_case(1)), ("NORTH", a_case(9)), ("NORTH", a_case(1))])
    assert found == [
        CaseRow("NORTH", a_case(1), 1, 1, "or-usage", "erp", b"postings 1", None),
        CaseRow("NORTH", a_case(1), 2, 2, "or-usage", "file", b"postings 2", None),
        CaseRow("NORTH", a_case(3), 3, 3, "or-usage", "erp", b"postings 3", None),
    ]
    assert store.case_rows([]) == []


def test_waiting_messages_are_read_in_windows_until_they_have_an_outcome(store: Store) -> None:
    store.write(Change(messages=[a_message(n, outcome="waiting" if n % 2 else "processed") for n in range(1, 10)]))
    assert [message.position for message in store.waiting(0, 3)] == [1, 3, 5]
    assert [message.position for message in store.waiting(5, 3)] == [7, 9]
    store.write(Change(outcomes=[("processed", None, 1), ("quarantined", "killed-the-process", 3)]))
    assert [message.position for message in store.waiting(0, 3)] == [5, 7, 9]
    assert store.waiting_counts() == {"or-mllp": 3}
    kept = store.message(3)
    assert kept == a_message(3, outcome="quarantined", notes="killed-the-process")


def test_waiting_messages_are_counted_by_listener(store: Store) -> None:
    listeners = ["or-mllp", "lab-mllp", "or-mllp"]
    store.write(Change(messages=[a_message(n, listener=name, outcome="waiting") for n, name in enumerate(listeners)]))
    assert store.waiting_counts() == {"or-mllp": 2, "lab-mllp": 1}


def test_an_outcome_for_a_message_of_the_same_change_counts(store: Store) -> None:
    store.write(Change(messages=[a_message(1, outcome="waiting")], outcomes=[("unrouted", None, 1)]))
    assert store.waiting_counts() == {}


def test_all_entries_of_a_destination_are_read_in_windows_also_when_they_are_settled(store: Store) -> None:
    rows = [an_entry(n, destination="erp" if n % 2 else "file", open=n % 3) for n in range(1, 8)]
    store.write(Change(entries=rows))
    assert store.entries_of("erp", 0, 3) == [rows[0], rows[2], rows[4]]
    assert store.entries_of("erp", 5, 3) == [rows[6]]
    assert store.entries_of("nobody", 0, 3) == []


def test_open_entries_are_read_in_windows_until_they_are_settled(store: Store) -> None:
    rows = [an_entry(n, destination="erp" if n % 2 else "file") for n in range(1, 8)]
    store.write(Change(entries=rows))
    assert store.open_entries("erp", 0, 3) == [rows[0], rows[2], rows[4]]
    assert store.open_entries("erp", 5, 3) == [rows[6]]
    # Two postings each: with the second row there are three or more.
    assert [store.open_entries("erp", 0, 9, postings) for postings in (3, 2)] == [[rows[0], rows[2]], [rows[0]]]
    assert store.open_counts() == [OpenCount("erp", 4, 8, NOW + 100), OpenCount("file", 3, 6, NOW + 200)]
    store.write(Change(settlements=[Settlement(0, b"settled", 1), Settlement(1, b"half", 3)]))
    assert [(row.sequence, row.open, row.postings) for row in store.open_entries("erp", 0, 2)] == [
        (3, 1, b"half"),
        (5, 2, b"postings 5"),
    ]
    assert store.open_counts()[0] == OpenCount("erp", 3, 5, NOW + 300)
    assert store.entries(1) == [an_entry(1, open=0, postings=b"settled")]


def test_of_two_settlements_of_one_row_the_later_counts(store: Store) -> None:
    settlements = [Settlement(1, b"sent", 1), Settlement(0, b"posted", 1)]
    store.write(Change(entries=[an_entry(1)], settlements=settlements))
    assert store.entries(1) == [an_entry(1, open=0, postings=b"posted")]


@pytest.mark.parametrize(
    "wrong",
    [
        Change(settlements=[Settlement(0, b"", 99)]),
        Change(outcomes=[("processed", None, 99)]),
        Change(messages=[a_message(1, control_id="new")]),
        Change(messages=[a_message(9, id=a_message(1).id)]),
        Change(runs=[a_run(1)]),
        Change(entries=[an_entry(1)]),
        Change(holds=[a_hold(1)]),
    ],
    ids=["settlement of nothing", "outcome of nothing", "position", "id", "run", "entry", "hold"],
)
def test_a_change_that_contradicts_the_store_breaks_it_and_writes_nothing(store: Store, wrong: Change) -> None:
    store.write(everything_at_once())
    before = everything(store)
    wrong.events = [an_event(1)]
    wrong.counts = [Count("NORTH", "messages:or-mllp", "received", 1)]
    with pytest.raises(StoreBroken):
        store.write(wrong)
    if isinstance(store, MemoryStore):
        assert everything(store) == before


def test_a_text_that_cant_be_kept_is_refused_and_nothing_is_written(url: str) -> None:
    store = open_store(url, role="engine")
    with pytest.raises(ValueError, match="surrogates"):
        store.write(Change(events=[an_event(1)], messages=[a_message(1), a_message(2, control_id="\ud800")]))
    store.write(work(range(1, 3)))
    assert [position for position, _ in store.events(0, 10)] == [1, 2]
    store.close()


def test_counters_are_added_up_within_a_change_and_over_changes(store: Store) -> None:
    received = Count("NORTH", "messages:or-mllp", "received", 2)
    store.write(Change(counts=[received, Count("", "messages:or-mllp", "refused", 1), received]))
    store.write(Change(counts=[received, Count("NORTH", "lines:or-usage:erp", "in flight", -3)]))
    assert store.counts() == [
        Count("", "messages:or-mllp", "refused", 1),
        Count("NORTH", "lines:or-usage:erp", "in flight", -3),
        Count("NORTH", "messages:or-mllp", "received", 6),
    ]


def test_events_are_dense_and_in_order_and_read_from_anywhere(store: Store) -> None:
    for group in (range(1, 4), range(4, 5), range(5, 9)):
        store.write(Change(events=[an_event(n) for n in group]))
    expected = [(n, an_event(n)) for n in range(1, 9)]
    for after in range(10):
        for limit in (1, 2, 3, 100):
            assert store.events(after, limit) == expected[after : after + limit]


def test_the_end_of_the_events_is_told(store: Store) -> None:
    assert store.event_heads() == {}
    store.write(Change(events=[an_event(n) for n in range(1, 4)]))
    store.write(Change(events=[an_event(4), an_event(5)]))
    assert list(store.event_heads().values()) == [5]


def test_events_stay_dense_when_a_change_fails(store: Store) -> None:
    store.write(work(range(1, 3)))
    with pytest.raises(DuplicateIdentity):
        store.write(Change(messages=[a_message(3, control_id="C1")], events=[an_event(9)]))
    store.write(work(range(3, 5)))
    assert [position for position, _ in store.events(0, 10)] == [1, 2, 3, 4]


def test_what_a_token_stands_for_is_found_by_the_runs_that_have_it(store: Store) -> None:
    given = [[a_token("t")], [a_token("t"), a_token("s", kind="patient")], []]
    store.write(
        Change(
            runs=[a_run(number)._replace(tokens=encode_tokens(tokens)) for number, tokens in enumerate(given, 1)],
            lookups=[
                (lookup_key("token", each.token), number) for number, tokens in enumerate(given, 1) for each in tokens
            ],
        )
    )
    assert store.token("t") == a_token("t")
    assert store.token("s") == a_token("s", kind="patient")
    assert store.token("nothing") is None


def test_timers_are_set_moved_and_done(store: Store) -> None:
    store.write(Change(timers=[Timer("retry", "erp", NOW + 5, ""), Timer("retry", "file", NOW + 1, "")]))
    moved = Timer("retry", "erp", NOW, "second try")
    store.write(Change(timers=[moved], timers_done=[("retry", "never set")]))
    assert store.timers() == [moved, Timer("retry", "file", NOW + 1, "")]
    again = Timer("retry", "file", NOW + 9, "")
    store.write(Change(timers=[again], timers_done=[("retry", "erp"), ("retry", "file")]))
    assert store.timers() == [again]


def test_timers_of_one_owner_are_found_among_others(store: Store) -> None:
    timers = [Timer("retry", "erp", NOW + 5, ""), Timer("part", "7", NOW + 9, ""), Timer("part", "8", NOW + 1, "")]
    store.write(Change(timers=timers))
    assert store.timers("part") == [timers[2], timers[1]]
    assert store.timers("nobody") == []


def test_cursors_and_switches_have_their_last_value(store: Store) -> None:
    store.write(Change(cursors=[Cursor("webhook", 1, 5, 1), Cursor("webhook", 0, 5, 1)]))
    paused, running = (Switch("erp", state, "ann", "month end", NOW) for state in ("paused", "running"))
    store.write(Change(cursors=[Cursor("webhook", 1, 9, 2)], switches=[paused, running]))
    assert store.cursors() == [Cursor("webhook", 0, 5, 1), Cursor("webhook", 1, 9, 2)]
    assert store.switches() == [running]


def test_the_list_of_messages_goes_back_page_by_page(store: Store) -> None:
    store.write(Change(messages=[a_message(n) for n in range(1, 8)]))
    pages, before = [], None
    while page := store.messages(ANY, before, 3):
        pages.append(positions(page))
        before = page[-1].position
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]


def test_a_head_is_the_message_without_its_body(store: Store) -> None:
    message = a_message(1, notes="charset-fallback", body=b"x" * 3000)
    store.write(Change(messages=[message]))
    assert store.messages(ANY, None, 1) == [
        MessageHead(
            1, message.id, message.recorded_at, "NORTH", "or-mllp", "orsys", "DFT^P03", "C1", "processed",
            "charset-fallback", 3000,
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (MessageFilter(outcome="processed"), [6, 5, 1]),
        (MessageFilter(outcome="refused"), [3]),
        (MessageFilter(listener="lab-mllp"), [4]),
        (MessageFilter(facility="SOUTH"), [2]),
        (MessageFilter(message_type="ADT^A08"), [5]),
        (MessageFilter(control_id="C1"), [6, 4, 1]),  # of three senders
        (MessageFilter(control_id="C1", listener="lab-mllp"), [4]),
        (MessageFilter(control_id="C1", facility="SOUTH"), []),
        (MessageFilter(since=NOW + 500), [6, 5]),
        (MessageFilter(since=NOW + 601), []),
        (MessageFilter(since=NOW + 90_000_000_000), []),
        (MessageFilter(since=0, outcome="processed"), [6, 5, 1]),
        (MessageFilter(until=NOW + 300), [2, 1]),
        (MessageFilter(until=NOW), []),
        (MessageFilter(until=0), []),
        (MessageFilter(until=NOW + 90_000_000_000, outcome="processed"), [6, 5, 1]),
        (MessageFilter(until=1 << 62), [6, 5, 4, 3, 2, 1]),
        (MessageFilter(since=NOW + 200, until=NOW + 400), [3, 2]),
        (MessageFilter(positions=(2, 6, 3, 99)), [6, 3, 2]),
        (MessageFilter(positions=(2, 6, 3), facility="NORTH", since=NOW + 400), [6]),
        (MessageFilter(positions=(4, 5), control_id="C1"), [4]),
        (MessageFilter(positions=()), []),
    ],
)
def test_messages_are_filtered(store: Store, wanted: MessageFilter, expected: list[int]) -> None:
    rows = [
        a_message(1),
        a_message(2, facility="SOUTH", outcome="waiting"),
        a_message(3, outcome="refused"),
        a_message(4, listener="lab-mllp", outcome="unrouted", control_id="C1", sender="LAB|NORTH"),
        a_message(5, message_type="ADT^A08"),
        a_message(6, control_id="C1", sender="ADT|NORTH"),
    ]
    store.write(Change(messages=rows))
    assert positions(store.messages(wanted, None, 10)) == expected
    assert positions(store.messages(wanted, None, 1)) == expected[:1]
    assert positions(store.messages(wanted, 4, 10)) == [position for position in expected if position < 4]


def test_since_finds_what_was_recorded_before_a_clock_was_set_back(store: Store) -> None:
    minute = 60_000_000
    clock = [NOW, NOW + 30 * minute, NOW + 31 * minute, NOW + 2 * minute, NOW + 40 * minute]
    store.write(Change(messages=[a_message(n, recorded_at=at) for n, at in enumerate(clock, 1)]))
    assert positions(store.messages(MessageFilter(since=NOW + 20 * minute), None, 10)) == [5, 3, 2]


def test_until_finds_what_was_recorded_after_a_clock_was_set_back(store: Store) -> None:
    minute = 60_000_000
    clock = [0, 70, 130, 20, 140]  # ids go on from the latest moment
    ids = [(NOW // 1000 + latest * 60_000).to_bytes(6, "big") + bytes(9) for latest in (0, 70, 130, 130, 140)]
    rows = [
        a_message(n, recorded_at=NOW + at * minute)._replace(id=ids[n - 1] + bytes([n]))
        for n, at in enumerate(clock, 1)
    ]
    store.write(Change(messages=rows))
    assert positions(store.messages(MessageFilter(until=NOW + 75 * minute), None, 10)) == [4, 2, 1]


def test_runs_and_entries_of_a_message_are_its_own(store: Store) -> None:
    runs = [a_run(1), a_run(1, channel="archive"), a_run(2)]
    entries = [an_entry(1), an_entry(2, position=1), an_entry(3, position=2)]
    store.write(Change(runs=runs, entries=entries))
    assert store.runs(1) == [runs[1], runs[0]]
    assert store.entries(1) == entries[:2]
    assert store.runs(9) == []
    assert store.entries(9) == []


def test_exceptions_are_listed_newest_first_and_counted_while_they_are_work(store: Store) -> None:
    states = ["new", "assigned", "parked", "fixed", "rejected", "new"]
    holds = [a_hold(n, state=state, position=n // 2) for n, state in enumerate(states)]
    store.write(Change(holds=holds))
    assert store.holds() == holds[::-1]
    assert store.holds(limit=2) == [holds[5], holds[4]]
    assert store.holds(state="new") == [holds[5], holds[0]]
    assert store.holds(position=1) == [holds[3], holds[2]]
    assert store.holds(position=1, state="parked") == [holds[2]]
    assert store.held_count() == 3


def test_the_audit_trail_is_read_newest_first(store: Store) -> None:
    records = [AuditRecord(NOW + n, "ann", "replay", f"message {n}", "") for n in range(5)]
    store.write(Change(audit=records[:3]))
    store.write(Change(audit=records[3:]))
    assert store.audit(4) == records[:0:-1]


def test_the_audit_trail_is_one_chain_over_restarts(url: str) -> None:
    for group in (range(3), range(3, 4), range(4, 6)):
        store = open_store(url, role="engine")
        store.write(Change(audit=[AuditRecord(NOW + n, "ann", "replay", f"message {n}", "ä") for n in group]))
        store.close()
    with connected(url) as connection:
        rows = connection.execute(select(*schema.audit.c).order_by(schema.audit.c.position)).fetchall()
    digest = b""
    for position, row in enumerate(rows, 1):
        digest = chained(digest, position, AuditRecord(*row[1:6]))
        assert (row.position, row.digest) == (position, digest)
    assert len(rows) == 6


def test_everything_is_there_after_opening_again(url: str) -> None:
    store = open_store(url, role="engine")
    store.write(everything_at_once())
    before = everything(store)
    store.close()
    store = open_store(url, role="engine")
    assert everything(store) == before
    store.write(work(range(4, 6)))
    assert [position for position, _ in store.events(0, 10)] == [1, 2, 3, 4, 5]
    store.close()


def test_a_second_engine_is_refused_until_the_first_is_gone_unless_the_store_is_shared(url: str) -> None:
    first = open_store(url, role="engine")
    if first.shared:
        open_store(url, role="engine").close()
    else:
        with pytest.raises(StoreInUse, match="stop that one first"):
            open_store(url, role="engine")
    first.close()
    open_store(url, role="engine").close()


def test_a_reader_sees_what_the_engine_wrote_and_writes_nothing(url: str) -> None:
    engine = open_store(url, role="engine")
    reader = open_store(url, role="reader")
    assert reader.messages(ANY, None, 10) == []
    engine.write(everything_at_once())
    assert everything(reader) == everything(engine)
    engine.write(work(range(4, 6)))
    assert positions(reader.messages(ANY, None, 2)) == [5, 4]
    with pytest.raises(RuntimeError, match="opened to read"):
        reader.write(work(range(6, 7)))
    with pytest.raises(RuntimeError, match="opened to read"):
        reader.reserve("message", 1)
    reader.close()
    engine.close()


def test_who_looks_sees_whether_an_engine_is_at_work(url: str) -> None:
    reader = open_store(url, role="reader")
    assert not reader.engine_at_work()
    engine = open_store(url, role="engine")
    assert reader.engine_at_work()
    assert engine.engine_at_work()
    engine.close()
    give_up = time.monotonic() + 5
    while reader.engine_at_work():  # PostgreSQL's server needs a moment to see that the session has gone
        assert time.monotonic() < give_up
    reader.close()


def test_a_person_writes_beside_the_engine_and_the_trail_stays_one_chain(url: str) -> None:
    engine = open_store(url, role="engine")
    alice, bob = open_store(url, role="person"), open_store(url, role="person")
    writers = [alice, engine, bob, bob, engine, alice]
    for number, writer in enumerate(writers, 1):
        record = AuditRecord(NOW, "someone", "destination.pause", f"destination:{number}", "{}")
        writer.write(Change(switches=[Switch("erp", "paused", "someone", str(number), NOW)], audit=[record]))
    assert [switch.reason for switch in engine.switches()] == ["6"]
    assert [record.subject for record in alice.audit(10)] == [f"destination:{n}" for n in range(6, 0, -1)]
    for store in (alice, bob, engine):
        store.close()


def test_a_person_writes_nothing_that_is_the_engines(url: str) -> None:
    person = open_store(url, role="person")
    with pytest.raises(RuntimeError, match="master data, revisions and audit records"):
        person.write(work(range(1, 2)))
    with pytest.raises(RuntimeError):
        person.reserve("message", 1)
    assert person.messages(ANY, None, 10) == []
    person.close()


def test_a_store_without_tables_names_the_command_that_makes_them(store_url: str) -> None:
    for role in ("engine", "person", "reader"):
        with pytest.raises(StoreMisconfigured, match="casecart migrate"):
            open_store(store_url, role=role)
