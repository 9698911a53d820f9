"""A session with a PostgreSQL server: durable or refused, bounded in time; what its errors mean."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from casecart.store.failure import StoreBroken, StoreInUse, StoreMisconfigured, StoreUnavailable

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["ENGINE_LOCKS", "UNLOCK_ALONE", "connect", "explained", "hold", "let_go", "place", "take_slot"]

Role = Literal["engine", "person", "reader", "migration"]

STEP = 0.05
OLDEST = 130_000
"""The first version with 64-bit transaction ids, as libpq tells versions."""

# What a URL may set otherwise. A server that is gone is noticed in seconds, not in the two hours of TCP's own default.
DEFAULTS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "casecart",
}
SETTINGS = {
    "statement_timeout": "30s",
    # An engine that hangs in a transaction must not keep others from its rows, and from the cases that it locked.
    "idle_in_transaction_session_timeout": "30s",
    "lock_timeout": "10s",
    # The other direction: an engine whose machine is gone must not keep its lock for two hours.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
}
UNSAFE_COMMIT = ("off", "local")

# Every statement of an engine goes by an index. A plan that was made while a table was empty reads all of it, and a
# prepared statement keeps that plan while the table grows.
BY_INDEX = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")

# Engines share it, and a migration has it alone. A store is a schema of a database.
LOCK = "hashtextextended('casecart engine ' || current_schema(), 0)"

UNLOCK_ALONE = f"select pg_advisory_unlock({LOCK})"
SLOT = "hashtextextended(%s || current_schema(), 0)"
MOST_ENGINES = 1_000

# pg_locks shows a lock of 64 bits in two halves.
ENGINE_LOCKS = f"""
select 1 from pg_locks join pg_database on pg_database.oid = pg_locks.database
where locktype = 'advisory' and objsubid = 1 and granted and datname = current_database()
and (classid::bigint << 32) | objid::bigint = {LOCK}
"""  # noqa: S608 - the constant above


def place(url: str) -> str:
    """Where a server's database is, as it may be shown. Raises `StoreMisconfigured` for a URL that libpq can't read."""
    told = _parameters(url)
    host, port = told.get("host") or "localhost", told.get("port") or "5432"
    return f"PostgreSQL database {told.get('dbname') or told.get('user') or '(default)'} at {host}:{port}"


def connect(url: str, role: Role) -> Connection[tuple[Any, ...]]:
    """A session, its settings checked. The connection commits by itself; transactions are begun in so many words.

    Args:
        url: libpq's URL.
        role: A session that writes is refused where its commits would not be durable; a reader's can't write.

    Raises:
        StoreMisconfigured: The URL can't be read, or the server would lose what it acknowledged.
        StoreUnavailable: The server does not answer, or is a standby and an engine asks.
    """
    parameters = DEFAULTS | _parameters(url)
    if role != "reader":
        parameters.setdefault("target_session_attrs", "read-write")  # a standby can't take a message
    try:
        # For a migration SQLAlchemy begins and ends the transactions.
        session = psycopg.connect(**parameters, autocommit=role != "migration")
    except psycopg.ProgrammingError as error:
        raise StoreMisconfigured(f"The PostgreSQL URL can't be used: {error}") from None
    except psycopg.Error as error:
        raise explained(error, secret=parameters.get("password")) from None
    try:
        _set_up(session, role)
    except psycopg.Error as error:
        session.close()
        raise explained(error) from error
    except BaseException:
        session.close()
        raise
    return session


def hold(session: Connection[tuple[Any, ...]], *, patience: float = 0.0, alone: bool = False) -> None:
    """Takes the engines' lock, which lasts as long as the session. Raises `StoreInUse` when it can't be had.

    Args:
        session: The session that will hold it.
        patience: Seconds to wait for others to go.
        alone: While no engine is at work; else beside other engines.
    """
    give_up = time.monotonic() + patience
    function = "pg_try_advisory_lock" if alone else "pg_try_advisory_lock_shared"
    while True:
        row = session.execute(f"select {function}({LOCK})").fetchone()
        if row and row[0]:
            return
        if time.monotonic() >= give_up:
            words = "stop all engines first" if alone else "its tables are being brought up to date; start again then"
            raise StoreInUse(f"The PostgreSQL store is in use by another casecart process: {words}")
        time.sleep(STEP)


def let_go(session: Connection[tuple[Any, ...]]) -> None:
    """Gives all locks back at once: when a session is closed, the server frees them somewhat later."""
    if not session.closed:
        session.execute("select pg_advisory_unlock_all()")


def take_slot(session: Connection[tuple[Any, ...]]) -> int:
    """A number that no other engine's session has, from 0, as long as the session lasts."""
    for slot in range(MOST_ENGINES):
        row = session.execute(f"select pg_try_advisory_lock({SLOT})", (f"casecart slot {slot} ",)).fetchone()
        if row and row[0]:
            return slot
    raise StoreInUse(f"{MOST_ENGINES} engines are at work on this PostgreSQL store already")


def explained(error: psycopg.Error, *, secret: object = None) -> StoreUnavailable | StoreBroken:
    """PostgreSQL's error in the store's words: whether it may pass.

    Args:
        error: As the driver raised it.
        secret: What must not stand in the words.
    """
    # The server's first sentence and no more: the detail behind it may quote a message.
    words = " ".join((error.diag.message_primary or str(error)).split())
    if secret:
        words = words.replace(str(secret), "***")
    words = f"PostgreSQL: {words}" + (f" ({error.sqlstate})" if error.sqlstate else "")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return StoreUnavailable(words)  # a primary that became a standby
    if isinstance(error, errors.IoError):
        return StoreBroken(words)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailable(words)
    return StoreBroken(words)


def _parameters(url: str) -> dict[str, Any]:
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        # libpq's words quote what it could not read, and that may be the password.
        raise StoreMisconfigured(
            "The PostgreSQL URL can't be read. It is postgresql://USER:PASSWORD@HOST:PORT/NAME, "
            "and a special character in a part of it is written as % and two hexadecimal digits"
        ) from None


def _set_up(session: Connection[tuple[Any, ...]], role: Role) -> None:
    if session.info.server_version < OLDEST:
        raise StoreMisconfigured(f"This PostgreSQL is too old: casecart needs {OLDEST // 10_000} or newer")
    session.execute("; ".join(f"set {name} = '{value}'" for name, value in SETTINGS.items()))
    if role == "migration":
        session.execute("set statement_timeout = 0")  # a large table takes its time
    if role == "reader":
        session.execute("set default_transaction_read_only = on")
        return
    if role == "engine":
        session.execute("; ".join(f"set {name} = off" for name in BY_INDEX))
    row = session.execute("select current_setting('synchronous_commit'), current_setting('fsync')").fetchone()
    commit, fsync = row or ("", "")
    if commit in UNSAFE_COMMIT or fsync != "on":
        raise StoreMisconfigured(
            f"This PostgreSQL would lose acknowledged messages in a power cut (synchronous_commit = {commit}, fsync = "
            f"{fsync}): set both to on, for this user and database too (ALTER ROLE ... RESET synchronous_commit)"
        )
