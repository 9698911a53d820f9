"""What is special about the store on a server: its settings, its lock, and a connection that goes away."""

from __future__ import annotations

import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal

import psycopg
import pytest

from casecart.store import (
    Change,
    Identity,
    MessageFilter,
    OutcomeUnknown,
    Settlement,
    Store,
    StoreBroken,
    StoreInUse,
    StoreMisconfigured,
    StoreUnavailable,
    migrate,
    open_store,
    postgresql_statements,
)
from casecart.store.postgresql import PostgreSQLStore, transposed
from casecart.store.postgresql_session import connect, hold
from support.postgresql import Server, database
from support.store import a_case, a_message, an_entry, an_event, empty, work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANY = MessageFilter()


@pytest.fixture(scope="module")
def migrated(postgresql_server: str) -> Iterator[str]:
    with database(postgresql_server) as url:
        migrate(url)
        yield url


@pytest.fixture
def url(migrated: str) -> Iterator[str]:
    """The URL of an empty store."""
    yield migrated
    empty(migrated)


@pytest.fixture
def store(url: str) -> Iterator[PostgreSQLStore]:
    """The same, opened by an engine."""
    opened = PostgreSQLStore(url, "engine")
    try:
        yield opened
    finally:
        opened.close()


def end_session(url: str, store: PostgreSQLStore) -> None:
    """What an administrator, a restart or a firewall does to a session."""
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", (store._connection.info.backend_pid,))


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(statement.encode())


@pytest.mark.parametrize("setting", ["off", "local"])
def test_an_engine_that_would_lose_messages_in_a_power_cut_does_not_start(url: str, setting: str) -> None:
    execute(
        url,
        f"do $$ begin execute 'alter database ' || current_database() || ' set synchronous_commit = {setting}'; end $$",
    )
    try:
        with pytest.raises(StoreMisconfigured, match=f"synchronous_commit = {setting}"):
            open_store(url, role="engine")
        open_store(url, role="reader").close()
    finally:
        execute(
            url, "do $$ begin execute 'alter database ' || current_database() || ' reset synchronous_commit'; end $$"
        )
    open_store(url, role="engine").close()


def test_a_server_that_does_not_sync_is_refused() -> None:
    with Server({"fsync": "off"}) as server, pytest.raises(StoreMisconfigured, match="fsync = off"):
        open_store(server.dsn, role="engine")


def test_a_migration_waits_for_no_engine_that_was_killed(url: str) -> None:
    code = (
        "import sys, time; from casecart.store import open_store\n"
        "store = open_store(sys.argv[1], role='engine'); print('at work', flush=True); time.sleep(50)"
    )
    with subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at work\n"
        with connect(url, "migration") as session, pytest.raises(StoreInUse, match="stop all engines first"):
            hold(session, alone=True)
        process.send_signal(signal.SIGKILL)
    with connect(url, "migration") as session:
        hold(session, alone=True, patience=5)  # the server takes a moment to see that it is gone


def test_an_engine_does_not_start_while_the_store_is_migrated(url: str) -> None:
    with connect(url, "migration") as session:
        hold(session, alone=True)
        with pytest.raises(StoreInUse, match="brought up to date"):
            PostgreSQLStore(url, "engine")


def test_a_lost_session_is_told_once_and_then_taken_up_again(url: str, store: PostgreSQLStore) -> None:
    store.write(work(range(1, 3)))
    numbers = store.reserve("message", 2)
    end_session(url, store)
    with pytest.raises(StoreUnavailable):
        store.write(work(range(3, 5)))
    store.write(work(range(3, 5)))
    assert [position for position, _ in store.events(0, 10)] == [1, 2, 3, 4]
    assert [head.position for head in store.messages(ANY, None, 10)] == [4, 3, 2, 1]
    assert store.reserve("message", 1)[0] > numbers[-1]
    with connect(url, "migration") as session, pytest.raises(StoreInUse):
        hold(session, alone=True)  # the lock was taken again


def test_a_reader_takes_up_a_lost_session_too(url: str) -> None:
    reader = PostgreSQLStore(url, "reader")
    end_session(url, reader)
    with pytest.raises(StoreUnavailable):
        reader.counts()
    assert reader.counts() == []
    reader.close()


def test_a_server_that_is_gone_is_unavailable_until_it_is_back() -> None:
    with Server() as server:
        migrate(server.dsn)
        store = open_store(server.dsn, role="engine")
        store.write(work(range(1, 3)))
        server.stop("immediate")
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                store.write(work(range(3, 5)))
        server.start()
        store.write(work(range(3, 5)))
        assert [head.position for head in store.messages(ANY, None, 10)] == [4, 3, 2, 1]
        numbers = [number for _ in range(3) for number in store.reserve("message", 1)]
        assert sorted(set(numbers)) == numbers
        store.close()


def test_a_wait_for_a_standby_that_was_cut_short_is_told_and_gone_on_from() -> None:
    # The change is in this server and perhaps in no other; what is kept in memory must be read again.
    with Server() as server:
        migrate(server.dsn)
        store = open_store(server.dsn, role="engine")
        assert isinstance(store, PostgreSQLStore)
        store.write(work(range(1, 3)))
        backend = store._connection.info.backend_pid
        with psycopg.connect(server.dsn, autocommit=True) as person:
            person.execute("set synchronous_commit = local")

            def standby(name: str) -> None:
                person.execute(f"alter system set synchronous_standby_names = '{name}'")
                person.execute("select pg_reload_conf()")

            def cut_short() -> None:
                waits = "select 1 from pg_stat_activity where pid = %s and wait_event = 'SyncRep'"
                while person.execute(waits, (backend,)).fetchone() is None:
                    time.sleep(0.01)
                person.execute("select pg_cancel_backend(%s)", (backend,))

            standby("nobody")
            until_so(lambda: "nobody" in execute_one(server.dsn, "show synchronous_standby_names"))
            cutting = threading.Thread(target=cut_short)
            cutting.start()
            with pytest.raises(OutcomeUnknown):
                store.write(work(range(3, 5)))
            cutting.join()
            standby("")
            until_so(lambda: execute_one(server.dsn, "show synchronous_standby_names") == "")
        store.write(work(range(5, 7)))
        assert [head.position for head in store.messages(ANY, None, 10)] == [6, 5, 4, 3, 2, 1]
        positions = [position for position, _ in store.events(0, 100)]
        assert positions == list(range(1, len(positions) + 1))
        store.close()


def until_so(condition: Callable[[], bool]) -> None:
    """Waits until it is so; the test's own time limit ends it otherwise."""
    while not condition():
        time.sleep(0.01)


def execute_one(url: str, statement: str) -> str:
    """The one value that a new session is told."""
    with psycopg.connect(url, autocommit=True) as session:
        row = session.execute(statement.encode()).fetchone()
        assert row is not None
        return str(row[0])


class Proxy:
    """Stands between a session and its server, and cuts the line at a word of the client's."""

    def __init__(self, target: str, word: bytes) -> None:
        self.target, self.word = target, word
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.cut: Literal["", "before", "after"] = ""
        """Whether the word gets through; its answer doesn't."""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.target)
                threading.Thread(target=self.carry, args=(client, server), daemon=True).start()

    def carry(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for source, sink in ((client, server), (server, client)):
                    if source not in ready:
                        continue
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    if source is client and self.cut and self.word in data:
                        if self.cut == "after":
                            server.sendall(data)
                            server.recv(1)  # it has answered, so it has done it
                        self.cut = ""
                        return
                    sink.sendall(data)


def when_it_is_back(store: Store) -> Store:
    """The store, when the server has missed the lost session and freed its lock."""
    while True:
        with suppress(StoreUnavailable):
            store.switches()
            return store


@contextmanager
def behind_a_proxy(url: str, word: bytes) -> Iterator[tuple[str, Proxy]]:
    parameters = psycopg.conninfo.conninfo_to_dict(url)
    proxy = Proxy(f"{parameters['host']}/.s.PGSQL.{parameters.get('port') or 5432}", word)
    try:
        yield f"postgresql://{parameters['user']}@127.0.0.1:{proxy.port}/{parameters['dbname']}?sslmode=disable", proxy
    finally:
        proxy.listening.close()


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_line_cut_in_a_commit_is_told_as_such(url: str, cut: Literal["before", "after"]) -> None:
    with behind_a_proxy(url, b"COMMIT") as (through, proxy):
        store = open_store(through, role="engine")
        store.write(work(range(1, 3)))
        proxy.cut = cut
        with pytest.raises(OutcomeUnknown, match="not known"):
            store.write(work(range(3, 5)))
        kept = [known.position for known in when_it_is_back(store).identities([Identity("NORTH", "ORSYS|NORTH", "C3")])]
        assert kept == ([3] if cut == "after" else [])
        # Whatever it was, the logs go on behind what is there.
        store.write(work(range(5, 7)))
        events = [position for position, _ in store.events(0, 10)]
        assert events == list(range(1, 7 if cut == "after" else 5))
        store.close()


def test_a_line_cut_before_the_commit_is_known_to_have_written_nothing(url: str) -> None:
    with behind_a_proxy(url, b"insert into event") as (through, proxy):
        store = open_store(through, role="engine")
        proxy.cut = "before"
        with pytest.raises(StoreUnavailable) as told:
            store.write(work(range(1, 3)))
        assert not isinstance(told.value, OutcomeUnknown)
        assert when_it_is_back(store).messages(ANY, None, 10) == []
        store.close()


def test_a_text_with_nul_is_refused_and_nothing_is_written(store: PostgreSQLStore) -> None:
    with pytest.raises(ValueError, match="can't keep"):
        store.write(Change(events=[an_event(1)], messages=[a_message(1), a_message(2, control_id="a\0b")]))
    store.write(work(range(1, 3)))
    assert [position for position, _ in store.events(0, 10)] == [1, 2]


def test_of_two_settlements_of_one_row_the_later_counts(store: PostgreSQLStore) -> None:
    settlements = [Settlement(1, b"a", 1), Settlement(0, b"b", 1)]
    store.write(Change(entries=[an_entry(1)], settlements=settlements))
    assert store.entries(1)[0].postings == b"b"


def test_an_error_never_shows_the_password() -> None:
    secret = "hunter2%zz"
    for url in (
        f"postgresql://ann:{secret}@127.0.0.1:1/x",  # can't be read
        "postgresql://ann:hunter2@127.0.0.1:1/x",  # nobody there
        "postgresql://ann:hunter2@127.0.0.1:1/x?connect_timeout=soon",
        "postgresql://ann:hunter2@host.invalid/x",
    ):
        with pytest.raises((StoreMisconfigured, StoreUnavailable)) as told:
            open_store(url, role="engine")
        error: BaseException | None = told.value
        while error is not None:
            assert "hunter2" not in str(error)
            error = error.__cause__
        with pytest.raises((StoreMisconfigured, StoreUnavailable)) as told:
            migrate(url)
        assert "hunter2" not in str(told.value)


def test_an_error_never_shows_what_a_message_says(store: PostgreSQLStore) -> None:
    store.write(Change(messages=[a_message(1, sender="DOE^JANE", reuse=None)]))
    with pytest.raises(StoreBroken) as told:
        store.write(Change(messages=[a_message(2, id=a_message(1).id, sender="DOE^JANE", reuse=None)]))
    assert "message_id" in str(told.value)
    assert "DETAIL" not in str(told.value)
    assert "DOE" not in str(told.value)


def test_every_session_is_bounded_in_time(store: PostgreSQLStore) -> None:
    rows = store._connection.execute(
        "select name, setting::int from pg_settings where name in "
        "('statement_timeout', 'idle_in_transaction_session_timeout', 'lock_timeout') and setting::int > 0"
    ).fetchall()
    assert len(rows) == 3
    assert store._connection.info.get_parameters()["tcp_user_timeout"] == "10000"


def test_a_url_may_set_what_it_wants(url: str) -> None:
    store = PostgreSQLStore(f"{url}&application_name=mine&connect_timeout=9", "engine")
    parameters = store._connection.info.get_parameters()
    assert (parameters["application_name"], parameters["connect_timeout"]) == ("mine", "9")
    store.close()


def test_the_hot_path_goes_by_keys_even_by_a_plan_made_while_the_tables_were_empty(store: PostgreSQLStore) -> None:
    wanted: dict[str, list[tuple[object, ...]]] = {
        postgresql_statements.KNOWN: [("NORTH", "ORSYS|NORTH", "C1")],
        postgresql_statements.CASES: [(1, "NORTH", a_case(1))],
        postgresql_statements.SETTLE: [(0, b"", 1)],
        postgresql_statements.SET_OUTCOMES: [("processed", None, 1)],
    }
    for statement, rows in wanted.items():
        plan = store._connection.execute(f"explain {statement}".encode(), transposed(rows)).fetchall()
        text = "\n".join(row[0] for row in plan)
        assert "Index Scan" in text
        assert "Seq Scan" not in text


def test_two_schemas_of_one_database_are_two_stores(url: str) -> None:
    execute(url, "create schema other")
    try:
        second_url = f"{url}&options=-csearch_path%3Dother"
        migrate(second_url)
        first, second = open_store(url, role="engine"), open_store(second_url, role="engine")
        first.write(work(range(1, 3)))
        assert second.messages(ANY, None, 10) == []
        first.close()
        second.close()
    finally:
        execute(url, "drop schema other cascade")


def test_numbers_never_fall_behind_the_rows(url: str) -> None:
    store = open_store(url, role="engine")
    store.write(Change(messages=[a_message(5000)], entries=[an_entry(7000)]))  # as after a restore of rows alone
    store.close()
    store = open_store(url, role="engine")
    assert store.reserve("message", 1) == [5001]
    assert store.reserve("entry", 1) == [7001]
    store.close()
