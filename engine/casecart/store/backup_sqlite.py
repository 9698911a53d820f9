"""Backups of a store in a SQLite file, by SQLite's own online backup: one snapshot, copied in slices."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from casecart.store import schema
from casecart.store.backup_file import (
    BackupRefused,
    digest_of,
    must_have_room,
    new_file,
    same_bytes,
    synced,
    write_manifest,
)
from casecart.store.backup_heads import any_rows, manifest, read_heads, read_revision
from casecart.store.failure import StoreBroken, StoreMisconfigured, StoreUnavailable
from casecart.store.lock import FileLock
from casecart.store.sqlite_file import connect, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from casecart.store.backup import Marks
    from casecart.store.backup_file import Manifest

__all__ = ["check", "copy", "create", "make_one_file", "restore"]

SLICE: Final = 512
"""Pages at a time, 4 MiB: what is written is synced after each, so that no sync of the engine's waits for much more."""

REST: Final = 0.5
"""How long the copy rests after a slice, as a share of what the slice took: the engine comes first."""

LONGEST_REST: Final = 0.1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BESIDE: Final = ("-wal", "-shm")


def create(
    path: Path,
    target: Path,
    *,
    told: Callable[[str], None],
    now: Callable[[], int],
    exact: Callable[[str], bool | None],
) -> Manifest:
    """What `casecart.store.backup.create` does."""
    with new_file(target) as part:
        taken_at = copy(path, part, told=told, now=now)
        told("checking the copy")
        with _opened(part) as select:
            revision, heads = read_revision(select), read_heads(select)
        balanced = exact(f"sqlite:///{part.absolute()}") if revision == schema.REVISION else None
        make_one_file(part)
        with _read_only(part) as select:
            _must_be_sound(select, target)
        made = manifest(
            part,
            kind="sqlite",
            place=str(path),
            revision=revision,
            taken_at=_EPOCH + timedelta(microseconds=taken_at),
            heads=heads,
            sha256=digest_of(part),
            exact=balanced,
        )
    write_manifest(target, made)
    return made


def copy(path: Path, part: Path, *, told: Callable[[str], None], now: Callable[[], int]) -> int:
    """Copies all that is committed now; gives the time of that, µs since 1970.

    The source is read in one transaction: a backup that begins one for each slice starts anew whenever the engine has
    committed in between, and would never end. Meanwhile SQLite's write-ahead log grows by what the engine writes.

    Raises:
        StoreUnavailable: no room, or the disk is full.
    """
    with closing(connect(path, read_only=True)) as source, closing(_plain(part)) as target:
        try:
            source.execute("begin")
            ((pages,), (size,)) = source.execute("pragma page_count").fetchone(), _page_size(source)
            taken_at = now()
            must_have_room(part.parent, pages * size, "the copy")
            target.execute("pragma synchronous = off")  # synced below, slice by slice
            file = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
            try:
                begun = time.monotonic()

                def sliced(_: int, remaining: int, total: int) -> None:
                    nonlocal begun
                    os.fsync(file)
                    told(f"copied {(total - remaining) * size / 1e6:,.0f} of {total * size / 1e6:,.0f} MB")
                    if remaining:
                        time.sleep(min(LONGEST_REST, REST * (time.monotonic() - begun)))
                    begun = time.monotonic()

                source.backup(target, pages=SLICE, progress=sliced)
            finally:
                os.close(file)
        except sqlite3.Error as error:
            raise explained(error, part) from error
    return taken_at


def check(backup: Path, made: Manifest) -> None:
    """The file is a sound database, and as far as its manifest says. It is opened so that nothing of it is changed."""
    with _read_only(backup) as select:
        _must_be_sound(select, backup)
        if (read_revision(select), read_heads(select)) != (made.revision, made.heads):
            raise BackupRefused(f"{backup} is not the database that its manifest tells of")


def restore(
    path: Path,
    backup: Path,
    made: Manifest,
    marks: Marks,
    *,
    replace: bool,
    stamp: str,
    told: Callable[[str], None],
) -> str | None:
    """What `casecart.store.backup.restore` does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackupRefused(f"{path.parent} can't be made: {error.strerror}") from error
    lock = FileLock(path)
    try:
        if not replace and _holds_something(path):
            raise BackupRefused(
                f"{path} is a store with something in it: with --replace it is moved aside and kept, and the backup "
                "takes its place"
            )
        return _replace(path, backup, made, marks, stamp, told)
    finally:
        lock.release()


def _replace(  # noqa: PLR0917 - as `restore` has them
    path: Path, backup: Path, made: Manifest, marks: Marks, stamp: str, told: Callable[[str], None]
) -> str | None:
    part = path.with_name(f".{path.name}.restoring")
    _remove(part)
    must_have_room(path.parent, made.size, "the restored store")
    try:
        told(f"copying {made.size:,} bytes")
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        shutil.copyfile(backup, part)
        same_bytes(part, made)
        _bring_up(part, marks)
        synced(part)
        aside = _move_aside(path, stamp)
        part.rename(path)
        synced(path.parent)
    except OSError as error:
        raise StoreUnavailable(f"{path} can't be restored: {error.strerror}; what was there is still there") from error
    finally:
        _remove(part)
    return None if aside is None else str(aside)


def _bring_up(part: Path, marks: Marks) -> None:
    """The tables as this program knows them, and the marks."""
    from casecart.store.migration import connected, migrate  # noqa: PLC0415 - brings Alembic, and only this needs it

    url = f"sqlite:///{part.absolute()}"
    migrate(url, patience=0.0, keep=False)
    with connected(url) as connection, connection.begin():
        for table, rows in ((schema.timer, marks.timers), (schema.switch, marks.switches)):
            for row in rows:
                key = [column == getattr(row, column.name) for column in table.primary_key.columns]
                connection.execute(table.delete().where(*key))
                connection.execute(table.insert().values(row._asdict()))
    if any(part.with_name(f"{part.name}{beside}").exists() for beside in _BESIDE):
        raise StoreBroken(f"{part} was not closed in order")


def _move_aside(path: Path, stamp: str) -> Path | None:
    """What stands in the place of the store; all of it in one file, if it can still be opened."""
    if not os.path.lexists(path):
        return None
    with suppress(StoreUnavailable, StoreBroken, StoreMisconfigured, sqlite3.Error), closing(connect(path)) as old:
        old.execute("pragma wal_checkpoint(truncate)")
    aside = path.with_name(f"{path.name}.before-restore-{stamp}")
    if os.path.lexists(aside):
        raise BackupRefused(f"{aside} is there already: try again in a second")
    # The log goes first: beside another database it would be taken for that one's.
    for beside in (*_BESIDE, ""):
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}{beside}").rename(aside.with_name(f"{aside.name}{beside}"))
    synced(path.parent)
    return aside


def _holds_something(path: Path) -> bool:
    """Whether somebody would miss what is there; also where that can't be told."""
    if not path.is_file() or not path.stat().st_size:
        return os.path.lexists(path) and not path.is_file()
    try:
        with _opened(path) as select:
            ours = select("select 1 from sqlite_master where name = 'master'")
            others = select("select 1 from sqlite_master limit 1")
            return any_rows(select) if ours else bool(others)
    except (StoreBroken, StoreUnavailable, StoreMisconfigured, BackupRefused):
        return True


def make_one_file(part: Path) -> None:
    """Its header says that it has a write-ahead log; a backup is read where nothing can be written beside it."""
    with closing(_plain(part)) as connection:
        try:
            connection.execute("pragma journal_mode = delete").fetchone()
        except sqlite3.Error as error:
            raise explained(error, part) from error


def _must_be_sound(select: Callable[[str], list[tuple[Any, ...]]], path: Path) -> None:
    found = select("pragma quick_check(1)")
    if found != [("ok",)]:
        raise BackupRefused(f"{path} is damaged: SQLite's quick_check finds a fault in it")


@contextmanager
def _opened(path: Path) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """Runs statements on a store's file; errors are the store's."""
    with closing(connect(path, read_only=True)) as connection:
        yield _selecting(connection, path)


@contextmanager
def _read_only(path: Path) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """The same on a backup, of which nothing is changed: no file is made beside it."""
    name = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(name, uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise BackupRefused(f"{path} can't be opened: {error}") from error
    with closing(connection):
        yield _selecting(connection, path, refuse=True)


def _selecting(
    connection: sqlite3.Connection, path: Path, *, refuse: bool = False
) -> Callable[[str], list[tuple[Any, ...]]]:
    def select(statement: str) -> list[tuple[Any, ...]]:
        try:
            return connection.execute(statement).fetchall()
        except sqlite3.Error as error:
            if refuse:
                raise BackupRefused(f"{path} is no store of casecart's, or it is damaged: {error}") from error
            raise explained(error, path) from error

    return select


def _plain(path: Path) -> sqlite3.Connection:
    """Without the settings of a store that is at work."""
    return sqlite3.connect(path, isolation_level=None, timeout=0.0)


def _page_size(connection: sqlite3.Connection) -> tuple[int]:
    size: tuple[int] = connection.execute("pragma page_size").fetchone()
    return size


def _remove(part: Path) -> None:
    for beside in (*_BESIDE, ".lock", "-journal", ""):
        with suppress(OSError):
            part.with_name(f"{part.name}{beside}").unlink()
