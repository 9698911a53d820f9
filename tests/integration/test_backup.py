"""Backups: whole or not there, of one moment, and restored so that nobody can post before it is marked."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from casecart.cli.exit import Exit
from casecart.cli.main import run
from casecart.store import (
    AuditRecord,
    Change,
    Cursor,
    StoreInUse,
    StoreMisconfigured,
    StoreUnavailable,
    Switch,
    Timer,
    backup_file,
    backup_sqlite,
    migrate,
    open_store,
)
from casecart.store import backup as backups
from casecart.store.backup import Marks
from casecart.store.backup_file import BackupRefused, manifest_of
from casecart.store.tail import chained
from support.new_workspace import new_workspace
from support.postgresql import client_programs, database
from support.store import NOW, a_case, a_known_case, a_message, work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casecart.store.backup_file import Manifest

MARKS = Marks([Timer("restored", "erp", NOW, "{}")], [Switch("erp", "paused", "kim", "restored", NOW)])


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's own, of the server's version."""
    monkeypatch.setenv("PATH", f"{client_programs()}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, store_url: str, tmp_path: Path) -> Iterator[str]:
    """An empty place of the same kind as the store."""
    if store_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path}/elsewhere/casecart.db"
        return
    with database(request.getfixturevalue("postgresql_server")) as url:
        yield url


def filled(url: str, messages: int = 20) -> None:
    migrate(url)
    engine = open_store(url, role="engine")
    first = engine.reserve("message", messages)[0]
    engine.reserve("entry", messages)
    change = work(range(first, first + messages))
    change.known_cases = [a_known_case(first)]
    engine.write(change)
    engine.close()


def create(url: str, target: Path, told: Callable[[str], None] = lambda _: None) -> Manifest:
    return backups.create(url, target, told=told, now=lambda: NOW)


def restore(url: str, target: Path, *, replace: bool = False) -> str | None:
    manifest = backups.verify(target, told=lambda _: None)
    stamp = "20261103T221500Z"
    return backups.restore(url, target, manifest, MARKS, replace=replace, stamp=stamp, told=lambda _: None)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A backup of twenty messages in SQLite."""
    url = f"sqlite:///{tmp_path}/casecart.db"
    filled(url)
    (tmp_path / "out").mkdir()
    create(url, tmp_path / "out" / "monday.db")
    return tmp_path / "out" / "monday.db"


def test_a_backup_is_restored_with_all_that_was_in_it_and_marked(
    store_url: str, elsewhere: str, tmp_path: Path
) -> None:
    filled(store_url)
    made = create(store_url, tmp_path / "monday")
    assert (made.heads.message, made.heads.ledger, made.heads.event, made.heads.open) == (20, 20, 20, 40)
    assert backups.verify(tmp_path / "monday", told=lambda _: None) == made
    assert restore(elsewhere, tmp_path / "monday") is None
    before, after = open_store(store_url, role="reader"), open_store(elsewhere, role="engine")
    for position in (1, 20):
        assert after.message(position) == before.message(position)
        assert after.entries(position) == before.entries(position)
    assert after.counts() == before.counts()
    assert after.known_cases([a_case(1)]) == [a_known_case(1)]
    assert after.events(0, 100) == before.events(0, 100)
    assert (after.timers(), after.switches()) == (list(MARKS.timers), list(MARKS.switches))
    assert list(after.reserve("message", 1)) == [21]
    # Engines that share a store take the numbers of ledger rows 64 at a time, and leave what they don't need.
    assert list(after.reserve("entry", 1)) == ([65] if after.shared else [21])
    after.write(Change(messages=[a_message(21)]))
    before.close()
    after.close()


def test_it_holds_what_was_committed_when_it_began_and_nothing_later(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/casecart.db"
    filled(url, 2_000)
    engine = open_store(url, role="engine")
    stop = threading.Event()
    written: list[int] = []

    def write() -> None:
        while not stop.is_set():
            (position,) = engine.reserve("message", 1)
            engine.reserve("entry", 1)
            engine.write(work(range(position, position + 1)))
            written.append(position)

    writer = threading.Thread(target=write)
    began: list[int] = []

    def told(words: str) -> None:
        if words.startswith("copied") and not began:
            began.append(len(written))

    writer.start()
    try:
        made = create(url, tmp_path / "under-load.db", told)
    finally:
        stop.set()
        writer.join()
        engine.close()
    assert 2_000 <= made.heads.message < 2_000 + len(written)  # one moment, while others were written
    assert made.heads.message == made.heads.ledger == made.heads.event
    with closing(sqlite3.connect(tmp_path / "under-load.db")) as copy:
        assert copy.execute("select count(*) from message").fetchone() == (made.heads.message,)


def test_a_backup_can_be_verified_where_nothing_can_be_written(kept: Path) -> None:
    before = sorted(path.name for path in kept.parent.iterdir())
    backups.verify(kept, told=lambda _: None)
    assert sorted(path.name for path in kept.parent.iterdir()) == before == ["monday.db", "monday.db.manifest.json"]
    assert kept.stat().st_mode & 0o777 == manifest_of(kept).stat().st_mode & 0o777 == 0o600


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def altered(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def manifest_with(**changed: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        manifest = manifest_of(path)
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changed))

    return change


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, "cut short or altered"),
        (altered, "SHA-256 differs"),
        (lambda path: manifest_of(path).unlink(), "no manifest"),
        (lambda path: manifest_of(path).write_text("{"), "is no manifest of a backup"),
        (manifest_with(format=99), "written by a newer casecart"),
        (manifest_with(revision="9999"), "made by a newer casecart"),
        (lambda path: path.unlink(), "there is no backup"),
    ],
)
def test_what_is_no_whole_backup_is_refused_in_plain_words(
    kept: Path, tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(kept)
    with pytest.raises(BackupRefused, match=words):
        restore(f"sqlite:///{tmp_path}/new/casecart.db", kept)
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_another_database_under_a_true_digest_is_refused(kept: Path) -> None:
    with closing(sqlite3.connect(kept)) as other:
        other.execute("delete from message where position = 20")
        other.commit()
    manifest_with(size=kept.stat().st_size, sha256=backup_file.digest_of(kept))(kept)
    with pytest.raises(BackupRefused, match="not the database that its manifest tells of"):
        backups.verify(kept, told=lambda _: None)


def test_a_backup_is_never_overwritten(kept: Path, tmp_path: Path) -> None:
    before = kept.read_bytes()
    with pytest.raises(BackupRefused, match="is there already"):
        create(f"sqlite:///{tmp_path}/casecart.db", kept)
    assert kept.read_bytes() == before


def test_where_the_disk_is_full_nothing_is_left(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/casecart.db"

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StoreUnavailable, match="No space left on device; nothing is left of it"):
            create(url, kept.with_name("tuesday.db"))
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
        with pytest.raises(StoreUnavailable, match="MB free, and the copy needs about"):
            create(url, kept.with_name("tuesday.db"))
    assert sorted(path.name for path in kept.parent.iterdir()) == ["monday.db", "monday.db.manifest.json"]


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/casecart.db"
    filled(url, 1)
    with pytest.raises(BackupRefused, match="there is no folder"):
        create(url, tmp_path / "nowhere" / "monday.db")
    with pytest.raises(StoreMisconfigured, match="There is no store"):
        create(f"sqlite:///{tmp_path}/none.db", tmp_path / "monday.db")


def test_while_an_engine_is_at_work_nothing_is_restored(store_url: str, tmp_path: Path) -> None:
    filled(store_url)
    create(store_url, tmp_path / "monday")
    engine = open_store(store_url, role="engine")
    with pytest.raises(StoreInUse):
        restore(store_url, tmp_path / "monday", replace=True)
    engine.close()


def test_a_store_that_has_something_in_it_is_moved_aside_only_when_that_is_wished(
    store_url: str, tmp_path: Path
) -> None:
    filled(store_url, 3)
    create(store_url, tmp_path / "monday")
    engine = open_store(store_url, role="engine")
    engine.reserve("message", 1)
    engine.write(Change(messages=[a_message(4)]))
    engine.close()
    with pytest.raises(BackupRefused, match="--replace"):
        restore(store_url, tmp_path / "monday")
    aside = restore(store_url, tmp_path / "monday", replace=True)
    after = open_store(store_url, role="reader")
    assert (after.message(3) is None, after.message(4)) == (False, None)
    after.close()
    assert aside is not None
    if store_url.startswith("sqlite"):
        old = open_store(f"sqlite:///{aside}", role="reader")
        assert old.message(4) is not None
        old.close()
    else:
        with psycopg.connect(store_url) as session:
            table = sql.Identifier(aside.removeprefix("the schema "), "message")
            assert session.execute(sql.SQL("select max(position) from {}").format(table)).fetchone() == (4,)


def test_an_empty_store_gives_way_to_a_backup(store_url: str, tmp_path: Path) -> None:
    filled(store_url, 3)
    create(store_url, tmp_path / "monday")
    if store_url.startswith("sqlite"):
        Path(store_url.removeprefix("sqlite:///")).unlink()
    else:
        with psycopg.connect(store_url) as session:
            session.execute("drop schema public cascade; create schema public")
    migrate(store_url)
    assert restore(store_url, tmp_path / "monday") is not None
    after = open_store(store_url, role="reader")
    assert after.message(3) is not None
    after.close()


def test_a_restore_that_dies_leaves_the_store_that_was_there(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "casecart.db"
    before = path.read_bytes()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backup_sqlite, "_bring_up", dies)
    with pytest.raises(KeyboardInterrupt):
        restore(f"sqlite:///{path}", kept, replace=True)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if "restor" in each.name] == []


def test_what_pg_restore_can_not_bring_back_leaves_the_schema_as_it_was(postgresql_dsn: str, tmp_path: Path) -> None:
    filled(postgresql_dsn, 3)
    create(postgresql_dsn, tmp_path / "monday")
    with psycopg.connect(postgresql_dsn) as session:  # something that is not moved, and in the way
        session.execute("alter table switch rename to switch_old")
        session.execute("create type switch as enum ('x')")
    with pytest.raises(StoreUnavailable, match="pg_restore failed"):
        restore(postgresql_dsn, tmp_path / "monday", replace=True)
    with psycopg.connect(postgresql_dsn) as session:
        assert session.execute("select max(position) from message").fetchone() == (3,)
        assert session.execute("select count(*) from pg_namespace where nspname like 'public_before%'").fetchone() == (
            0,
        )


def test_without_pg_dump_the_words_say_what_to_do(
    postgresql_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(postgresql_dsn)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupRefused, match=r"install PostgreSQL's client programs.*pg_basebackup.*backup restored"):
        create(postgresql_dsn, tmp_path / "monday")
    assert not list(tmp_path.glob("*monday*"))


def test_a_backup_goes_into_a_store_of_its_own_kind(kept: Path, postgresql_dsn: str) -> None:
    with pytest.raises(BackupRefused, match="is of a store in SQLite, and the workspace's is in PostgreSQL"):
        restore(postgresql_dsn, kept)


@pytest.fixture
def ws(tmp_path: Path) -> Path:
    """A workspace with a store in which something is."""
    new_workspace(tmp_path / "ws")
    filled(f"sqlite:///{tmp_path}/ws/var/casecart.db", 3)
    return tmp_path / "ws"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("ws/var", "is where the store is"),
        ("ws/var/kept/monday.db", "is where the store is"),
        ("nowhere/monday.db", "There is no folder"),
        ("taken.db", "never overwritten"),
    ],
)
def test_a_place_that_is_none_for_a_backup_is_refused_in_one_line(
    ws: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str, words: str
) -> None:
    (ws / "var" / "kept").mkdir()
    (tmp_path / "taken.db").touch()
    assert run(["backup", "create", str(tmp_path / target), "-w", str(ws)]) == Exit.WRONG
    said = capsys.readouterr()
    assert (said.out, words in said.err, said.err.count("\n")) == ("", True, 1)


def test_a_backup_in_a_folder_is_named_by_whose_it_is_and_the_time_and_is_in_the_audit_trail_it_holds(
    ws: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backup", "create", str(tmp_path), "-w", str(ws), "--json"]) == Exit.FINE
    made = json.loads(capsys.readouterr().out)
    assert re.fullmatch(r"casecart-mercy-\d{8}T\d{6}Z\.db", Path(made["file"]).name)
    copy = open_store(f"sqlite:///{made['file']}", role="reader")
    assert [record.command for record in copy.audit(1)] == ["backup.create"]
    copy.close()


def test_beside_another_secret_for_keys_nothing_is_restored(
    ws: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_store(f"sqlite:///{ws}/var/casecart.db", role="engine")
    engine.write(Change(cursors=[Cursor("secret:keys", 0, 4711, 0)]))  # of another secret than the workspace's
    engine.close()
    assert run(["backup", "create", str(tmp_path / "monday.db"), "-w", str(ws)]) == Exit.FINE
    assert run(["backup", "verify", str(tmp_path / "monday.db")]) == Exit.FINE
    capsys.readouterr()
    assert run(["backup", "restore", str(tmp_path / "monday.db"), "--replace", "-w", str(ws)]) == Exit.WRONG
    assert "Bring the old one back" in capsys.readouterr().err


def test_a_destination_that_only_the_backup_knows_is_paused_too_and_the_audit_trail_goes_on(
    ws: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backup", "create", str(tmp_path / "monday.db"), "-w", str(ws)]) == Exit.FINE
    (ws / "var" / "casecart.db").unlink()
    capsys.readouterr()
    assert run(["backup", "restore", str(tmp_path / "monday.db"), "-w", str(ws), "--json"]) == Exit.FINE
    assert json.loads(capsys.readouterr().out)["destinations"] == ["inventory", "erp"]  # the rows are for `erp`
    store = open_store(f"sqlite:///{ws}/var/casecart.db", role="reader")
    assert {switch.destination: switch.state for switch in store.switches()} == {"inventory": "paused", "erp": "paused"}
    assert [record.command for record in store.audit(2)] == ["backup.restore", "backup.create"]
    store.close()
    with closing(sqlite3.connect(ws / "var" / "casecart.db")) as rows:
        digest = b""
        for position, *record, said in rows.execute("select * from audit order by position"):
            digest = chained(digest, position, AuditRecord(*record))
            assert said == digest
