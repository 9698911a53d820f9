"""Backups of a store: taken while an engine is at work, checked, and restored; never half there.

A backup is one file, and a manifest beside it. Of SQLite it is a database that can be opened as it is; of PostgreSQL
what `pg_dump --format=custom` writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from casecart.store import backup_sqlite
from casecart.store.backup_file import BackupRefused, Manifest, read_manifest, same_bytes
from casecart.store.location import SqliteFile, locate
from casecart.store.schema import REVISION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from casecart.store.records import Switch, Timer

__all__ = ["Marks", "create", "restore", "verify"]


@dataclass(frozen=True, slots=True)
class Marks:
    """What is written into a store that is restored before anybody can open it."""

    timers: Sequence[Timer] = field(default=())
    switches: Sequence[Switch] = field(default=())


def create(
    url: str,
    target: Path,
    *,
    told: Callable[[str], None],
    now: Callable[[], int],
    exact: Callable[[str], bool | None] = lambda _: None,
) -> Manifest:
    """Makes a backup; the engine may be at work.

    Args:
        url: the store's.
        target: the file that it is to be; it must not be there.
        told: what is being done.
        now: wall clock, µs since 1970.
        exact: asked about a copy that can be opened as a store, by its URL: whether its balances are exact.

    Raises:
        BackupRefused: it can't be made like this.
        StoreMisconfigured: there is no store.
        StoreUnavailable: no room, or the store does not answer.
    """
    location = locate(url)
    if isinstance(location, SqliteFile):
        return backup_sqlite.create(location.path, target, told=told, now=now, exact=exact)
    from casecart.store import backup_postgresql  # noqa: PLC0415 - a file needs no driver of a server

    return backup_postgresql.create(location.url, target, told=told, now=now)


def verify(backup: Path, *, told: Callable[[str], None]) -> Manifest:
    """Reads all of a backup: it is what was written, and it can be opened. Nothing is changed.

    Raises:
        BackupRefused: it can't be restored; the words say why.
    """
    manifest = read_manifest(backup)
    if manifest.revision > REVISION:
        words = f"{backup} was made by a newer casecart (tables {manifest.revision}, this one knows {REVISION})"
        raise BackupRefused(f"{words}: restore it with casecart {manifest.casecart}")
    told(f"reading {manifest.size:,} bytes")
    same_bytes(backup, manifest)
    told("checking what is in it")
    if manifest.kind == "sqlite":
        backup_sqlite.check(backup, manifest)
    else:
        from casecart.store import backup_postgresql  # noqa: PLC0415 - as above

        backup_postgresql.check(backup)
    return manifest


def restore(
    url: str, backup: Path, manifest: Manifest, marks: Marks, *, replace: bool, stamp: str, told: Callable[[str], None]
) -> str | None:
    """Puts a backup that was verified in a store's place, brought up to this program's tables.

    The store is never there without the marks: they are written before it can be opened. What stood there is moved
    aside and never deleted.

    Args:
        url: the store's.
        backup: the file.
        manifest: its own.
        marks: to be written.
        replace: whether a store that has something in it may be moved aside.
        stamp: of the time, for the name of what is moved aside.
        told: what is being done.

    Returns:
        Where the store is that stood there; None: there was none.

    Raises:
        BackupRefused: the backup is of another kind, or something is in the store.
        StoreInUse: an engine is at work on it.
        StoreUnavailable: no room, or the server does not answer.
    """
    location = locate(url)
    kind = "sqlite" if isinstance(location, SqliteFile) else "postgresql"
    if kind != manifest.kind:
        words = f"{backup} is of a store in {_NAMES[manifest.kind]}, and the workspace's is in {_NAMES[kind]}"
        raise BackupRefused(f"{words}: look at `store` in config/engine.yaml")
    if isinstance(location, SqliteFile):
        return backup_sqlite.restore(location.path, backup, manifest, marks, replace=replace, stamp=stamp, told=told)
    from casecart.store import backup_postgresql  # noqa: PLC0415 - as above

    return backup_postgresql.restore(location.url, backup, manifest, marks, replace=replace, stamp=stamp, told=told)


_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
