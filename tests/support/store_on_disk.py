"""A store of each kind on a disk of its own, that can lose its power or be filled up."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import ExitStack, closing
from typing import Literal, Self

import psycopg

from support.disk import Disk, NoDisk
from support.postgresql import Server, Unavailable
from support.require import require

__all__ = ["Kind", "StoreOnDisk"]

Kind = Literal["sqlite", "postgresql", "postgresql, its log"]
"""Of the last, only the write-ahead log is on the disk."""


class StoreOnDisk:
    """A context manager.

    Args:
        kind: of the store.
        megabytes: the disk's size.
        settings: PostgreSQL's, beyond its own.

    Attributes:
        disk: where the store is.
        url: the store's.
        server: PostgreSQL's; None: it is SQLite.
    """

    def __init__(self, kind: Kind, megabytes: int, settings: dict[str, str] | None = None) -> None:
        self.disk = Disk(megabytes)
        self._kind, self._settings = kind, settings
        self.server: Server | None = None
        self.url = f"sqlite:///{self.disk.folder}/casecart.db"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(self.disk)
        except NoDisk as why:
            require("mount", f"an ext4 file system in a file can't be mounted here (it needs root): {why}")
        if self._kind != "sqlite":
            try:
                self.server = self._stack.enter_context(self._new_server())
            except Unavailable as missing:
                self._stack.close()
                require("postgresql", str(missing))
            self.url = self.server.dsn
        self.disk.sync()
        return self

    def _new_server(self) -> Server:
        place = self.disk.folder / "postgresql"
        place.mkdir()
        log_only = self._kind == "postgresql, its log"
        return Server(self._settings, disk=None if log_only else place, log_disk=place if log_only else None)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def cut_power(self) -> None:
        """The disk loses its power, and so does the server."""
        self.disk.cut_power()
        if self.server is not None:
            self.server.kill()

    def restore_power(self) -> None:
        """What a computer's start does. Fails where the store is damaged. Who used it must have ended."""
        self.disk.restore_power()
        if self.server is not None:
            self.server.start()
        self.check()

    def fill_up(self) -> None:
        """Leaves no room on the disk, and lets PostgreSQL free none."""
        if self._kind == "postgresql, its log":
            # As with a standby that is gone: no segment of the log may be used again.
            with psycopg.connect(self.url, autocommit=True) as session:
                session.execute("select pg_create_physical_replication_slot('gone', true)")
        self.disk.fill_up()

    def make_room(self) -> None:
        """Gives the room back; a server that could not go on without is started, as whoever supervises it does."""
        self.disk.make_room()
        if self.server is None:
            return
        if not self.server.answers():
            self.server.stop("immediate")
            self.server.start()
        if self._kind == "postgresql, its log":
            with psycopg.connect(self.url, autocommit=True) as session:
                session.execute("select pg_drop_replication_slot('gone')")

    def check(self) -> None:
        """Fails where SQLite finds its file damaged (`quick_check`), or PostgreSQL a row or an index (`amcheck`)."""
        if self.server is None:
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
                assert connection.execute("pragma quick_check").fetchall() == [("ok",)]
            return
        checked = subprocess.run(
            [self.server.binaries / "pg_amcheck", "--install-missing", "--heapallindexed", self.url],
            capture_output=True,
            check=False,
            text=True,
        )
        assert not checked.returncode, checked.stdout + checked.stderr
