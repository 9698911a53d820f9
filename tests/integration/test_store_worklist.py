"""Master data, exceptions, replays and look-ups: the same promises on every store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from casecart.canonical import Usage
from casecart.runtime.made import SCHEMA, Made, encode_made
from casecart.store import (
    LEFT_TO,
    Change,
    Count,
    HoldChange,
    Replay,
    Store,
    StoreBroken,
    StoreInUse,
    Token,
    lookup_key,
    migrate,
    open_store,
)
from casecart.store.memory import MemoryStore
from casecart.store.migration import configuration, connected
from casecart.store.seal import opened
from support.master import version
from support.postgresql import database
from support.store import NOW, a_case, a_hold, a_message, a_run, an_entry, empty

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def migrated(postgresql_server: str) -> Iterator[str]:
    """A PostgreSQL store that the tests share and leave empty."""
    with database(postgresql_server) as url:
        migrate(url)
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path}/casecart.db"
        migrate(made)
        yield made
    else:
        made = request.getfixturevalue("migrated")
        yield made
        empty(made)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    made = f"sqlite:///{tmp_path}/casecart.db" if request.param == "sqlite" else request.getfixturevalue("migrated")
    if request.param == "sqlite":
        migrate(made)
    opened = open_store(made, role="engine")
    yield opened
    opened.close()
    if request.param == "postgresql":
        empty(made)


def publish(store: Store, position: int) -> None:
    change = Change()
    change.publish(position)
    store.write(change)


def keys(store: Store, *, current: bool) -> list[tuple[int, str]]:
    return [(each.position, each.key) for each in store.master(0, 100, current=current)]


def test_versions_are_seen_when_they_are_published_and_not_before(store: Store) -> None:
    with store.master_lock():
        last = store.append_master([version("item", "A", b"1"), version("item", "B", b"1")])
        assert (last, keys(store, current=False), store.published_master()) == (2, [], 0)
        publish(store, last)
    assert keys(store, current=False) == [(1, "A"), (2, "B")]
    assert store.published_master() == 2


def test_what_a_writer_that_died_left_is_gone(store: Store) -> None:
    with store.master_lock():
        publish(store, store.append_master([version("item", "A", b"1")]))
        store.append_master([version("item", "LOST", b"1")])
    with store.master_lock():
        assert store.append_master([version("item", "B", b"1")]) == 2
        publish(store, 2)
    assert keys(store, current=False) == [(1, "A"), (2, "B")]


def test_what_is_stood_over_is_left_out_once_that_is_known(store: Store) -> None:
    with store.master_lock():
        versions = [version("item", "A", b"1"), version("item", "B", b"1"), version("item", "A", b"2")]
        publish(store, store.append_master([*versions, version("item", "B", b"")]))
        while store.tidy_master(2):
            pass
    newest = {each.key: each.data for each in store.master(0, 100, current=True)}
    assert newest["A"] == b"2"
    assert [each.data for each in store.master_history("item", "A")] == [b"2", b"1"]
    assert [each.key for each in store.master(2, 1, current=False)] == ["A"]


def test_versions_are_found_by_what_their_data_hold_also_what_was_stood_over(store: Store) -> None:
    rows = [("item", "A", b"\xff\x000123%"), ("item", "B", b"45"), ("item", "A", b"6"), ("lot", "A", b"0123")]
    with store.master_lock():
        publish(store, store.append_master([version(*row) for row in rows]))
        store.append_master([version("item", "C", b"0123")])

    def held(*pieces: bytes) -> list[int]:
        return [each.position for each in store.master_holding("item", pieces)]

    assert [held(b"0123"), held(b"\x000"), held(b"45", b"3%"), held(b"9", b"_"), held()] == [
        [1],
        [1],
        [1, 2],
        [],
        [1, 2, 3],
    ]


def test_a_facilitys_version_stands_over_nothing_else(store: Store) -> None:
    with store.master_lock():
        local = version("item", "A", b"2", facility="NORTH")
        publish(store, store.append_master([version("item", "A", b"1"), local]))
        while store.tidy_master(10):
            pass
    assert [each.facility for each in store.master(0, 10, current=True)] == ["", "NORTH"]
    assert [each.facility for each in store.master_history("item", "A")] == ["NORTH", ""]


def test_one_at_a_time_changes_master_data(url: str) -> None:
    alice, bob = open_store(url, role="person"), open_store(url, role="person")
    with (
        alice.master_lock(),
        pytest.raises(StoreInUse, match="somebody else is changing the master data"),
        bob.master_lock(),
    ):
        pass
    with bob.master_lock():
        pass
    alice.close()
    bob.close()


def test_a_person_brings_master_data_in_while_an_engine_is_at_work(url: str) -> None:
    engine, person = open_store(url, role="engine"), open_store(url, role="person")
    with person.master_lock():
        publish(person, person.append_master([version("item", "A", b"1")]))
    assert keys(engine, current=True) == [(1, "A")]
    person.write(Change(counts=[Count("NORTH", "lines:x", "held", -1)]))
    with pytest.raises(RuntimeError):
        person.write(Change(lookups=[(1, 1)]))
    engine.close()
    person.close()


def test_values_are_found_at_the_newest_messages_that_have_them(store: Store) -> None:
    lot, serial, other = lookup_key("lot", "L1"), lookup_key("serial", "L1"), lookup_key("lot", "L2")
    store.write(Change(lookups=[(lot, 1), (lot, 2), (lot, 3), (serial, 9), (other, 4), (other, 9), (lot, 1)]))
    assert store.looked_up([lot], limit=2) == [2, 3]
    assert store.looked_up([serial, other, lookup_key("item", "L1")], limit=9) == [4, 9]
    assert store.looked_up([], limit=1) == []


def test_a_wish_is_written_once_and_is_there_until_it_is_done(store: Store) -> None:
    first = Replay(b"h" * 16, 1, "usage", "FT1[1]", NOW, "kim", "", "{}")
    later = Replay(b"g" * 16, 2, "usage", "FT1[1]", NOW + 1, "kim", "r", '{"item":"A"}')
    store.write(Change(replays=[later, first]))
    store.write(Change(replays=[first._replace(actor="another")]))
    assert store.replays(10) == [first, later]
    assert store.replays(1) == [first]
    store.write(Change(replays_done=[(first.hold,)]))
    assert store.replays(10) == [later]


def test_what_is_left_to_a_listener_stands_apart_from_what_people_wish(store: Store) -> None:
    wish = Replay(b"h" * 16, 5, "usage", "", NOW + 9, "kim", "", "{}")
    left = [
        Replay(bytes([number]) * 16, number, f"{LEFT_TO}{name}", "", NOW, "ehr", "", "{}")
        for number, name in ((4, "ehr"), (2, "ehr"), (3, "ehr"), (1, "ehr2"))
    ]
    store.write(Change(replays=[*left, wish]))
    assert store.replays(1) == [wish]
    assert [each.position for each in store.left("ehr", 2)] == [2, 3]
    assert [each.position for each in store.left("ehr", 9, 3)] == [4]
    assert store.left("eh", 9) == []
    assert dict(store.left_counts()) == {"ehr": 3, "ehr2": 1}
    store.write(Change(replays_done=[(each.hold,) for each in left[:3]]))
    assert (store.left("ehr", 9), dict(store.left_counts())) == ([], {"ehr2": 1})


def test_exceptions_change_and_are_found_by_what_they_are(store: Store) -> None:
    holds = [a_hold(number)._replace(cause="one" if number < 3 else "two", subject="di:1") for number in (1, 2, 3)]
    store.write(Change(holds=holds))
    store.write(Change(hold_changes=[HoldChange("assigned", "kim", "why", NOW, holds[0].id)]))
    changed = store.hold(holds[0].id)
    assert changed == holds[0]._replace(state="assigned", assignee="kim", reason="why", changed_at=NOW)
    assert store.hold(b"x" * 16) is None
    assert {each.id for each in store.holds(states=("new",))} == {holds[1].id, holds[2].id}
    assert {each.id for each in store.holds(cause="one", state="new")} == {holds[1].id}
    groups = store.hold_groups(("new", "assigned"), 10)
    assert sorted((group.cause, group.state, group.exceptions, group.assignee) for group in groups) == [
        ("one", "assigned", 1, "kim"),
        ("one", "new", 1, ""),
        ("two", "new", 1, ""),
    ]
    assert {each.id for each in store.holds(group=groups[0], limit=9)} <= {each.id for each in holds}


def test_a_change_for_an_exception_that_is_not_there_breaks_the_store(store: Store) -> None:
    with pytest.raises(StoreBroken):
        store.write(Change(hold_changes=[HoldChange("fixed", "", "", NOW, b"x" * 16)]))


def test_runs_are_numbered_and_come_in_their_order(store: Store) -> None:
    store.write(Change(messages=[a_message(1)], runs=[a_run(1)]))
    again = a_run(1)._replace(attempt=1, documents=b"again")
    store.write(Change(runs=[again]))
    assert store.runs(1) == [a_run(1), again]


def test_rows_of_an_earlier_version_are_kept(store_url: str) -> None:
    from alembic import command  # noqa: PLC0415 - only this test needs it

    migrate(store_url)
    before = open_store(store_url, role="engine")
    before.write(Change(messages=[a_message(1)], runs=[a_run(1)], holds=[a_hold(1)]))
    before.close()
    with connected(store_url) as connection:
        command.downgrade(configuration(connection), "0001")
    migrate(store_url)
    after = open_store(store_url, role="engine")
    assert (after.runs(1), after.holds()) == ([a_run(1)], [a_hold(1)])
    after.close()


def test_what_an_earlier_version_stored_is_found_by_what_stands_in_it(store_url: str) -> None:
    from alembic import command  # noqa: PLC0415 - only these tests need it

    usage = Usage(case="case-1a", lot="L1", serial="S1", item="A")
    made = opened(encode_made(Made(SCHEMA, [("FT1[1]", "1", usage)], [], [])), "")  # without the seal of later versions
    migrate(store_url)
    before = open_store(store_url, role="engine")
    before.write(Change(messages=[a_message(1)], runs=[a_run(1, documents=made)], entries=[an_entry(1)]))
    before.close()
    with connected(store_url) as connection:
        command.downgrade(configuration(connection), "0001")
    with connected(store_url) as connection:
        for token in ("case-1a", "case-of-nothing"):
            values = {"token": token, "facility": "NORTH", "kind": "case", "value": "V1", "recorded_at": 1}
            columns = ", ".join(values)
            marks = ", ".join(f":{name}" for name in values)
            connection.execute(text(f"insert into token ({columns}) values ({marks})"), values)  # noqa: S608 - our own
        connection.commit()
    migrate(store_url)
    after = open_store(store_url, role="engine")
    assert after.token("case-1a") == Token("case-1a", "case", "V1")
    for kind, value in (("lot", "L1"), ("serial", "S1"), ("item", "A"), ("token", "case-1a")):
        assert after.looked_up([lookup_key(kind, value)], limit=9) == [1]  # type: ignore[arg-type]  # a kind
    assert [row.sequence for row in after.case_rows([("NORTH", a_case(1))])] == [1]
    after.close()
