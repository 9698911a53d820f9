"""Backups of a store in PostgreSQL, by PostgreSQL's own `pg_dump` and `pg_restore`, in the format `custom`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from casecart.store.backup_file import BackupRefused, digest_of, new_file, write_manifest
from casecart.store.backup_heads import any_rows, manifest, read_heads, read_revision
from casecart.store.failure import StoreMisconfigured, StoreUnavailable
from casecart.store.postgresql_session import connect, explained, hold, let_go, place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg import Connection

    from casecart.store.backup import Marks
    from casecart.store.backup_file import Manifest

__all__ = ["check", "create", "restore"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST: Final = 300

# What is found of a schema: tables, partitioned ones, views and sequences. What belongs to a table moves with it.
_RELATIONS: Final = """
select relname, relkind from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where nspname = %s and relkind in ('r', 'p', 'v', 'm', 'S') and not exists (
  select 1 from pg_depend where objid = pg_class.oid and deptype in ('a', 'i') and relkind = 'S')
order by relkind = 'S', relname
"""
_MOVED: Final = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "S": "sequence"}

# In the list of what a dump holds: the schema itself, which is there; and the revision, which comes last, so that what
# is restored in part is no store.
_LATER: Final = re.compile(r"^\d+; \S+ \S+ (SCHEMA - |COMMENT - SCHEMA |TABLE DATA \S+ alembic_version )")


def create(url: str, target: Path, *, told: Callable[[str], None], now: Callable[[], int]) -> Manifest:
    """What `casecart.store.backup.create` does."""
    program = _program("pg_dump", target)
    with new_file(target) as part, closing(connect(url, "reader")) as session:
        select = _selecting(session)
        try:
            # It waits while the dump is made, and writes nothing: it holds nobody up.
            session.execute("set idle_in_transaction_session_timeout = 0")
            session.execute("begin isolation level repeatable read read only")
            if select("select to_regclass('alembic_version')") == [(None,)]:
                raise StoreMisconfigured(f"{place(url)} has no casecart tables: there is nothing to keep")
            ((namespace, snapshot),) = select("select current_schema(), pg_export_snapshot()")
            taken_at = now()
            revision, heads = read_revision(select), read_heads(select)
            told("pg_dump writes the backup")
            options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
            options += [f'--schema="{namespace}"', "--file", str(part)]
            _run([program, *options], url)
        except psycopg.Error as error:
            raise explained(error) from error
        made = manifest(
            part,
            kind="postgresql",
            place=place(url),
            revision=revision,
            taken_at=_EPOCH + timedelta(microseconds=taken_at),
            heads=heads,
            sha256=digest_of(part),
            namespace=namespace,
        )
    write_manifest(target, made)
    return made


def check(backup: Path) -> None:
    """`pg_restore` can tell what is in it. Raises `BackupRefused`."""
    _contents(_program("pg_restore", backup), backup)


def restore(
    url: str, backup: Path, made: Manifest, marks: Marks, *, replace: bool, stamp: str, told: Callable[[str], None]
) -> str | None:
    """What `casecart.store.backup.restore` does."""
    program = _program("pg_restore", backup)
    listed = [line for line in _contents(program, backup) if not _LATER.match(line)]
    try:
        with closing(connect(url, "engine")) as session:
            hold(session, alone=True)
            try:
                aside = _make_empty(session, made, replace=replace, stamp=stamp)
                try:
                    told("pg_restore reads the backup")
                    with tempfile.NamedTemporaryFile("w", suffix=".list") as wanted:
                        wanted.write("\n".join(listed))
                        wanted.flush()
                        options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
                        _run([program, *options, "--use-list", wanted.name, str(backup)], url)
                except BaseException:
                    _move_back(session, made.namespace, aside)
                    raise
                _finish(session, made, marks)
            finally:
                let_go(session)
    except psycopg.Error as error:
        raise explained(error) from error
    from casecart.store.migration import migrate  # noqa: PLC0415 - brings Alembic, and only this needs it

    migrate(url, patience=30.0)
    return None if aside is None else f"the schema {aside}"


def _make_empty(session: Connection[tuple[Any, ...]], made: Manifest, *, replace: bool, stamp: str) -> str | None:
    """Moves what is in the schema to another one; gives the name of that."""
    select = _selecting(session)
    ((namespace,),) = select("select current_schema()")
    if namespace != made.namespace:
        words = f"the backup is of the schema {made.namespace}, and the workspace's is {namespace or 'not there'}"
        raise BackupRefused(f"{words}: make it, and have the URL name it (…?options=-csearch_path%3D{made.namespace})")
    names = {str(name) for name, _ in session.execute(_RELATIONS, (namespace,))}
    if not names:
        return None
    if not replace and ({"message", "ledger", "master"} > names or any_rows(select)):
        raise BackupRefused(
            f"the schema {namespace} has something in it: with --replace that is moved to another schema and kept, "
            "and the backup takes its place"
        )
    aside = f"{namespace}_before_{stamp.lower()}"
    session.execute(sql.SQL("create schema {}").format(sql.Identifier(aside)))
    _move(session, namespace, aside)
    return aside


def _move(session: Connection[tuple[Any, ...]], from_: str, to: str) -> None:
    with session.transaction():
        for name, kind in session.execute(_RELATIONS, (from_,)).fetchall():
            statement = sql.SQL("alter {} {} set schema {}").format(
                sql.SQL(_MOVED[kind if isinstance(kind, str) else kind.decode()]),
                sql.Identifier(from_, name),
                sql.Identifier(to),
            )
            session.execute(statement)


def _move_back(session: Connection[tuple[Any, ...]], namespace: str, aside: str | None) -> None:
    """What was restored in one transaction is not there: what stood there can be again."""
    if aside is not None and not session.closed:
        _move(session, aside, namespace)
        session.execute(sql.SQL("drop schema {}").format(sql.Identifier(aside)))


def _finish(session: Connection[tuple[Any, ...]], made: Manifest, marks: Marks) -> None:
    """Marks and revision in one transaction: before it there is no store, and after it one that is marked."""
    with session.transaction():
        for timer in marks.timers:
            session.execute("delete from timer where owner = %s and key = %s", timer[:2])
            session.execute("insert into timer (owner, key, due_at, data) values (%s, %s, %s, %s)", timer)
        for switch in marks.switches:
            session.execute("delete from switch where destination = %s", switch[:1])
            session.execute(
                "insert into switch (destination, state, actor, reason, recorded_at) values (%s, %s, %s, %s, %s)",
                switch,
            )
        session.execute("insert into alembic_version (version_num) values (%s)", (made.revision,))


def _selecting(session: Connection[tuple[Any, ...]]) -> Callable[[str], list[tuple[Any, ...]]]:
    def select(statement: str) -> list[tuple[Any, ...]]:
        return session.execute(statement.encode()).fetchall()

    return select


def _contents(program: str, backup: Path) -> list[str]:
    """What is in a dump, as `pg_restore` lists it."""
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program, and the path that the person named
        [program, "--list", str(backup)], stdin=subprocess.DEVNULL, capture_output=True, check=False, env=_environment()
    )
    if done.returncode:
        raise BackupRefused(f"{backup} can't be read: {_said(done.stderr)}")
    return done.stdout.decode(errors="replace").splitlines()


def _run(command: Sequence[str], url: str) -> None:
    """One of PostgreSQL's programs on a store. The password goes by the environment: the rest is for all to see."""
    parameters = {name: value for name, value in conninfo_to_dict(url).items() if value is not None}
    password = str(parameters.pop("password", "") or "")
    environment = _environment() | ({"PGPASSWORD": password} if password else {})
    name = Path(command[0]).name
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program on the workspace's own database
        [*command, "--no-password", "--dbname", make_conninfo("", **parameters)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise StoreUnavailable(f"{name} failed: {_said(done.stderr, password)}")


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def _said(stderr: bytes, secret: str = "") -> str:
    """The first of its errors in one line; what follows it may quote a row."""
    lines = stderr.decode(errors="replace").splitlines() or ["it said nothing"]
    first = next((line for line in lines if "error: " in line), lines[0])
    words = " ".join(first.split())[:_LONGEST]
    return words.replace(secret, "***") if secret else words


def _program(name: str, backup: Path) -> str:
    found = shutil.which(name)
    if found is None:
        command = {
            "pg_dump": f"pg_dump --format=custom --schema=SCHEMA --file={backup.name} DATABASE",
            "pg_restore": f"pg_restore --dbname=DATABASE {backup.name}",
        }[name]
        raise BackupRefused(
            f"{name} is not here: install PostgreSQL's client programs, of the server's version or newer. Who looks "
            f"after the server can do it there: `{command}`, or pg_basebackup with an archive of the write-ahead log; "
            "after a restore of theirs run `casecart backup restored`"
        )
    return found
