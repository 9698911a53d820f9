"""Brings a store's tables to what this program knows, making the store where there is none."""

# ruff: noqa: PLC0415 - every start passes here: a store that is up needs no Alembic, and a file no driver of a server

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from casecart.store import sqlite_file
from casecart.store.failure import StoreUnavailable
from casecart.store.location import SqliteFile, locate
from casecart.store.lock import FileLock
from casecart.store.revision import check
from casecart.store.schema import REVISION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from sqlalchemy import Connection, Engine

    from casecart.store.failure import StoreBroken
    from casecart.store.location import PostgresqlServer

__all__ = ["configuration", "connected", "kept", "migrate", "revision_of"]


def migrate(url: str, *, patience: float, keep: bool = True) -> None:
    """What `casecart.store.migrate` does."""
    location = locate(url)
    if isinstance(location, SqliteFile):
        sqlite_file.create(location.path)
    with connected(url) as connection:
        if _is_up(connection, location):
            return
    with _alone(location, patience), connected(url) as connection:
        # Asked again: another process may have done it while this one waited.
        if not _is_up(connection, location):
            from alembic import command

            if keep and isinstance(location, SqliteFile):
                _keep(location.path, revision_of(connection))
            command.upgrade(configuration(connection), "head")


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection of SQLAlchemy's to a store, with the store's settings and errors."""
    location = locate(url)
    engine = _engine(location)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        explained = _explained(error.orig, location)
        if explained is None:
            raise
        raise explained from error
    finally:
        engine.dispose()


def configuration(connection: Connection) -> Config:
    """Alembic's settings for our migrations on a connection; no ini file is needed."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    settings.attributes["connection"] = connection
    return settings


def kept(path: Path, revision: str) -> Path:
    """Where the copy is that is made of a store before it is brought up from a revision."""
    return path.with_name(f"{path.name}.before-{revision}")


def _keep(path: Path, revision: str | None) -> None:
    """A copy of what an older program can still read: there is no way back for the tables."""
    if revision is None or kept(path, revision).exists():  # one that is there was made before a try that failed
        return
    from casecart.store import backup_sqlite
    from casecart.store.backup_file import BackupRefused, new_file

    try:
        with new_file(kept(path, revision)) as part:
            backup_sqlite.copy(path, part, told=lambda _: None, now=lambda: 0)
            backup_sqlite.make_one_file(part)
    except (BackupRefused, StoreUnavailable) as error:
        words = "no copy could be made of the store before it is brought up"
        raise StoreUnavailable(f"{words}: {error}; `casecart migrate --without-copy` goes on without") from error


def revision_of(connection: Connection) -> str | None:
    """That of a store's tables; None: there are none of ours."""
    # As Alembic keeps it.
    known = inspect(connection).has_table("alembic_version")
    revision = connection.scalar(text("select version_num from alembic_version")) if known else None
    connection.rollback()
    return revision


def _is_up(connection: Connection, location: SqliteFile | PostgresqlServer) -> bool:
    revision = revision_of(connection)
    if revision is not None and revision >= REVISION:
        check(location.place, revision)
        return True
    return False


@contextmanager
def _alone(location: SqliteFile | PostgresqlServer, patience: float) -> Iterator[None]:
    """While this lasts, no engine and no other migration is at work on the store."""
    if isinstance(location, SqliteFile):
        lock = FileLock(location.path, patience=patience)
        try:
            yield
        finally:
            lock.release()
    else:
        from casecart.store import postgresql_session

        with postgresql_session.connect(location.url, "engine") as session:
            postgresql_session.hold(session, patience=patience, alone=True)
            try:
                yield
            finally:
                postgresql_session.let_go(session)


def _engine(location: SqliteFile | PostgresqlServer) -> Engine:
    if isinstance(location, SqliteFile):
        path = location.path
        engine = create_engine("sqlite://", creator=lambda: sqlite_file.connect(path), poolclass=NullPool)
        event.listen(engine, "begin", _begin)
        return engine
    from casecart.store import postgresql_session

    server = location.url
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: postgresql_session.connect(server, "migration"),
        poolclass=NullPool,
    )


def _explained(
    error: BaseException | None, location: SqliteFile | PostgresqlServer
) -> StoreUnavailable | StoreBroken | None:
    """A driver's error in the store's words."""
    if isinstance(location, SqliteFile):
        return sqlite_file.explained(error, location.path) if isinstance(error, sqlite3.Error) else None
    import psycopg

    from casecart.store import postgresql_session

    return postgresql_session.explained(error) if isinstance(error, psycopg.Error) else None


def _begin(connection: Connection) -> None:
    # Python's sqlite3 begins no transaction for a CREATE TABLE: without this, half a migration could stay.
    connection.exec_driver_sql("begin immediate")
