"""A SQLite file, opened so that a commit outlives a power cut, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from casecart.store.failure import StoreBroken, StoreMisconfigured, StoreUnavailable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["connect", "create", "explained"]

PAGE_SIZE = 8192
"""Measured: a message of 1 to 2 KB costs 15 % less than with 4096, and no more than with 16384."""

SYNCHRONOUS = "FULL"
DURABLE = (2, 3)
"""FULL and EXTRA, as `pragma synchronous` tells them. NORMAL loses acknowledged messages in a power cut."""

SETTINGS = (
    "pragma fullfsync = on",  # macOS: there a plain fsync stops at the drive's cache
    "pragma checkpoint_fullfsync = on",
    # KiB. What is written is mostly at the end of the file, and the system caches the rest: 64 MiB gained nothing.
    "pragma cache_size = -8192",
    "pragma temp_store = memory",
)
BUSY_SECONDS = 5.0

# The disk is full, a quota is reached, a limit on files: it may pass, and nothing was synced that could be half there.
MAY_PASS = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_PROTOCOL,
}
MAY_PASS_EXTENDED = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
GONE = {sqlite3.SQLITE_READONLY_DBMOVED}


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection to a file that is there. Raises `StoreMisconfigured` where its commits would not be durable.

    Args:
        path: The file.
        read_only: Refuse to change anything through this connection.
    """
    if not path.is_file():
        raise StoreMisconfigured(f"There is no store at {path}: make it with `casecart migrate`")
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw",  # rw: never make an empty file where one was expected
            uri=True,
            isolation_level=None,
            timeout=BUSY_SECONDS,
            cached_statements=256,
            check_same_thread=False,  # opened in one thread and used in another is fine; at the same time is not
        )
    except sqlite3.Error as error:
        raise explained(error, path) from error
    try:
        (journal,) = connection.execute("pragma journal_mode = wal").fetchone()
        connection.execute(f"pragma synchronous = {SYNCHRONOUS}")
        (synchronous,) = connection.execute("pragma synchronous").fetchone()
        if journal != "wal" or synchronous not in DURABLE:
            raise StoreMisconfigured(
                f"{path}: a commit here would not outlive a power cut (journal_mode {journal}, synchronous "
                f"{synchronous}; wanted: wal, and 2 or 3). Is it on a network file system? Use a local disk"
            )
        for setting in SETTINGS:
            connection.execute(setting)
        if read_only:
            connection.execute("pragma query_only = on")
    except sqlite3.Error as error:
        connection.close()
        raise explained(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def create(path: Path) -> None:
    """Makes an empty database for its owner alone, and the folder it is in; one that is there stays as it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"{path} can't be made: {error.strerror}") from error
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        # The size is fixed by the first page that is written; later this does nothing.
        connection.execute(f"pragma page_size = {PAGE_SIZE}")
        # So is this: pages that become free can be given back a few at a time.
        connection.execute("pragma auto_vacuum = incremental")
        _write_ahead(connection)
    except sqlite3.Error as error:
        raise explained(error, path) from error
    finally:
        connection.close()


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switches to the write-ahead log. SQLite does not wait for another process that does the same; this does."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def explained(error: sqlite3.Error, path: Path) -> StoreUnavailable | StoreBroken:
    """SQLite's error in the store's words: whether it may pass."""
    extended = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    words = f"{path}: {error} ({name})"
    primary = extended & 0xFF
    if (primary in MAY_PASS or extended in MAY_PASS_EXTENDED) and extended not in GONE:
        return StoreUnavailable(words)
    return StoreBroken(words)
