"""What is special about the store in a file: its durability, its lock, its disk, its plans."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Select

from casecart.store import (
    Change,
    DuplicateIdentity,
    MessageFilter,
    StoreBroken,
    StoreInUse,
    StoreMisconfigured,
    StoreUnavailable,
    migrate,
    open_store,
    queries,
    sqlite_file,
)
from casecart.store import sqlite as sqlite_store
from casecart.store.sqlite import SQLiteStore
from support.require import require
from support.store import a_case, a_message, an_entry, work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


LOT = 2 << 32 | 7


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty store's file."""
    path = tmp_path / "var" / "casecart.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    """The same, opened by an engine."""
    opened = SQLiteStore(path, "engine")
    try:
        yield opened
    finally:
        opened.close()


def pragma(store: SQLiteStore, name: str) -> object:
    return store._connection.execute(f"pragma {name}").fetchone()[0]


def test_a_commit_outlives_a_power_cut(store: SQLiteStore) -> None:
    assert pragma(store, "journal_mode") == "wal"
    assert pragma(store, "synchronous") == 2


def test_an_engine_that_would_lose_messages_in_a_power_cut_does_not_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "SYNCHRONOUS", "NORMAL")
    with pytest.raises(StoreMisconfigured, match="would not outlive a power cut"):
        SQLiteStore(path, "engine")
    monkeypatch.undo()
    SQLiteStore(path, "engine").close()  # its lock is free again


def test_the_files_are_their_owners_alone(path: Path, store: SQLiteStore) -> None:
    store.write(work(range(1, 3)))
    names = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert names == dict.fromkeys(["casecart.db", "casecart.db-wal", "casecart.db-shm", "casecart.db.lock"], 0o600)


def test_a_missing_file_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(StoreMisconfigured, match="casecart migrate"):
        SQLiteStore(tmp_path / "nothing.db", "engine")
    assert list(tmp_path.iterdir()) == []


def test_an_engines_lock_is_free_when_it_was_killed(path: Path) -> None:
    code = (
        "import sys, time; from casecart.store import open_store\n"
        "store = open_store(sys.argv[1], role='engine'); print('at work', flush=True); time.sleep(50)"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at work\n"
        with pytest.raises(StoreInUse, match="stop that one first"):
            SQLiteStore(path, "engine")
        process.send_signal(signal.SIGKILL)
    SQLiteStore(path, "engine").close()


def test_a_writer_that_is_no_engine_of_ours_holds_it_up_for_a_while_only(path: Path, store: SQLiteStore) -> None:
    store._connection.execute("pragma busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(StoreUnavailable, match="locked"):
        store.write(work(range(1, 3)))
    other.execute("rollback")
    other.close()
    store.write(work(range(1, 3)))


def test_a_file_that_is_damaged_stops_it(path: Path) -> None:
    store = SQLiteStore(path, "engine")
    for start in range(1, 300, 50):
        store.write(work(range(start, start + 50)))
    store.close()
    with path.open("r+b") as file:
        file.seek(sqlite_file.PAGE_SIZE)
        file.write(os.urandom(path.stat().st_size - sqlite_file.PAGE_SIZE))
    with pytest.raises(StoreBroken, match=r"malformed|corrupt|not a database"):
        SQLiteStore(path, "engine")


def test_after_it_broke_nothing_is_written_any_more(store: SQLiteStore) -> None:
    with pytest.raises(StoreBroken, match="not there"):
        store.write(Change(outcomes=[("processed", None, 1)]))
    with pytest.raises(StoreBroken, match="broke earlier"):
        store.write(work(range(1, 3)))
    assert store.messages(MessageFilter(), None, 10) == []


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (sqlite3.SQLITE_FULL, StoreUnavailable),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreUnavailable),
        (sqlite3.SQLITE_IOERR_WRITE, StoreUnavailable),  # a quota is reached: nothing was synced yet
        (sqlite3.SQLITE_IOERR_SHMSIZE, StoreUnavailable),  # how a full disk shows in the shared memory's file
        (sqlite3.SQLITE_IOERR_FSYNC, StoreBroken),  # tried again it would seem to succeed
        (sqlite3.SQLITE_IOERR_READ, StoreBroken),
        (sqlite3.SQLITE_CORRUPT_INDEX, StoreBroken),
        (sqlite3.SQLITE_READONLY_DBMOVED, StoreBroken),  # the file was taken away under us
        (sqlite3.SQLITE_NOTADB, StoreBroken),
        (sqlite3.SQLITE_ERROR, StoreBroken),
    ],
)
def test_an_error_says_whether_it_may_pass(code: int, meaning: type[Exception], path: Path) -> None:
    error = sqlite3.OperationalError("words")
    error.sqlite_errorcode = code
    assert type(sqlite_file.explained(error, path)) is meaning


# Fills its disk, says how many messages are safe, waits until there is room, and goes on.
FILLER = """
import resource, sys
from casecart.store import Change, StoreUnavailable, open_store
from support.store import a_message
url, limit = sys.argv[1], int(sys.argv[2])
store = open_store(url, role="engine")
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
def write():
    store.write(Change(messages=[a_message(n, body=b"x" * 5000) for n in store.reserve("message", 10)]))
    return 10
safe = refused = 0
while refused < 5:
    try:
        safe += write()
    except StoreUnavailable as error:
        refused += 1
print(safe, flush=True)
sys.stdin.readline()
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(safe + write(), flush=True)
store.close()
"""


def fill(path: Path, limit: int, make_room: list[str]) -> None:
    """Runs the above and checks that just the messages which it was told of are there."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", FILLER, f"sqlite:///{path}", str(limit)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        safe = int(process.stdout.readline())
        reader = SQLiteStore(path, "reader")
        assert len(reader.messages(MessageFilter(), None, 100_000)) == safe > 0
        if make_room:
            subprocess.run(make_room, check=True)
        process.stdin.write("\n")
        process.stdin.flush()
        assert int(process.stdout.readline()) == safe + 10
        assert len(reader.messages(MessageFilter(), None, 100_000)) == safe + 10
        reader.close()
    assert process.returncode == 0
    with sqlite3.connect(path) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_file_that_may_not_grow_refuses_messages_and_loses_none(path: Path) -> None:
    fill(path, 3_000_000, [])


def test_a_full_disk_refuses_messages_and_loses_none(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        require("mount", "a small file system can't be mounted here (it needs root)")
    try:
        path = disk / "casecart.db"
        migrate(f"sqlite:///{path}")
        fill(path, 0, ["mount", "-o", "remount,size=16m", str(disk)])
    finally:
        subprocess.run(["umount", disk], check=True)


def plan(store: SQLiteStore, query: str, values: list[int] | dict[str, object]) -> list[str]:
    return [row[3] for row in store._connection.execute(f"explain query plan {query}", values)]


STATEMENTS = {name: value for name, value in vars(queries).items() if isinstance(value, Select)}
GIVEN = ("LIST SUBQUERY", "CO-ROUTINE", "MATERIALIZE", "SCAN SUBQUERY", "SCAN (", "SCAN anon")
SMALL = ("cursor", "switch", "timer", "balance", "audit")  # audit: newest first, as far as the limit


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_query_reads_the_whole_log_or_ledger(store: SQLiteStore, name: str) -> None:
    query, given = queries.compiled(STATEMENTS[name], sqlite_store.DIALECT)
    for step in plan(store, query, {key: 1 if value is None else value for key, value in given.items()}):
        indexed = step.startswith(("SEARCH", "USE TEMP", "CORRELATED SCALAR")) or "ledger_open" in step
        # What a subquery gives, which has steps of its own, and a limit.
        given_by_another = step.startswith(GIVEN)
        assert indexed or given_by_another or step.split()[1] in SMALL


@pytest.mark.parametrize(
    "query", [sqlite_store.KNOWN, sqlite_store.CASE, sqlite_store.SETTLE, sqlite_store.SET_OUTCOME]
)
def test_the_hot_path_goes_by_keys(store: SQLiteStore, query: str) -> None:
    assert [step.split()[0] for step in plan(store, query, [1] * query.count("?"))] == ["SEARCH"]


def test_a_message_is_found_by_control_id_without_reading_the_log(store: SQLiteStore) -> None:
    for start in range(1, 2000, 500):
        store.write(Change(messages=[a_message(n, sender=f"S{n % 5}|") for n in range(start, start + 500)]))
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    store._connection.set_progress_handler(count, 100)  # called every 100 instructions of SQLite's machine
    found = store.messages(MessageFilter(control_id="C777"), None, 10)
    assert [head.position for head in found] == [777]
    assert steps < 20


def test_a_store_is_opened_by_its_url_relative_to_the_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parents[1])
    open_store("sqlite:///var/casecart.db", role="engine").close()


def test_look_ups_are_found_by_engine_and_readers_while_they_wait_and_when_they_are_in_place(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casecart.store.sqlite_lookup.RUN", 40)
    for position in range(1, 31):
        lookups = [(LOT, position), (3 << 32 | position, position), (LOT, position)]
        store.write(Change(entries=[an_entry(position)], lookups=lookups))
        with closing(SQLiteStore(path, "reader")) as reader:
            for asked in (store, reader):
                assert asked.looked_up([LOT], limit=99) == list(range(1, position + 1))
                assert asked.looked_up([LOT], limit=2)[-1:] == [position]
                assert [row.sequence for row in asked.case_rows([("NORTH", a_case(position))])] == [position]
    runs, logged = store._select("select (select count(*) from lookup_run), (select count(*) from lookup_log)")[0]
    assert runs == 2
    assert 0 < logged < 30
    store.close()
    with closing(SQLiteStore(path, "engine")) as again:
        assert len(again.looked_up([LOT], limit=99)) == 30
        assert [row.sequence for row in again.case_rows([("NORTH", a_case(n)) for n in (3, 29)])] == [3, 29]


def test_a_commit_that_fails_leaves_the_look_ups_as_they_were(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casecart.store.sqlite_lookup.RUN", 3)
    store.write(Change(lookups=[(LOT, 1), (LOT, 2)]))
    with pytest.raises(DuplicateIdentity):
        store.write(Change(messages=[a_message(1), a_message(2, control_id="C1")], lookups=[(LOT, 3)]))
    assert store.looked_up([LOT], limit=9) == [1, 2]
    store.write(Change(lookups=[(LOT, 4)]))
    assert store.looked_up([LOT], limit=9) == [1, 2, 4]
