"""Rows for tests of the store: each has what it needs, and the test says what matters to it."""

# ruff: noqa: ANN401 - what a test changes in a row may be of any type

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from casecart.store import (
    Change,
    Count,
    Entry,
    Event,
    Hold,
    KnownCase,
    Message,
    Revision,
    Run,
    SqliteFile,
    Token,
    encode_channels,
    encode_files,
    files_digest,
    locate,
    migrate,
)
from casecart.store.schema import metadata

__all__ = [
    "NOW",
    "a_case",
    "a_hold",
    "a_known_case",
    "a_message",
    "a_revision",
    "a_run",
    "a_token",
    "an_entry",
    "an_event",
    "empty",
    "new_store",
    "work",
]

NOW = 1_790_000_000_000_000
"""µs since 1970: a day in September 2026."""


def a_message(position: int, **changed: Any) -> Message:
    """The message at a position; each has a control id of its own and is recorded 100 µs after the one before."""
    recorded_at = changed.get("recorded_at", NOW + position * 100)
    body = changed.get("body", b"MSH|^~\\&|ORSYS|NORTH|||20260921||DFT^P03|C%d|P|2.8.2\r" % position)
    return Message(
        position=position,
        id=(recorded_at // 1000).to_bytes(6, "big") + position.to_bytes(10, "big"),
        organisation="MERCY",
        facility="NORTH",
        correlation_id=None,
        causation_id=None,
        traceparent=None,
        occurred_at=recorded_at - 1_000_000,
        recorded_at=recorded_at,
        actor="orsys",
        schema="hl7v2/2.8.2",
        listener="or-mllp",
        message_type="DFT^P03",
        sender="ORSYS|NORTH",
        control_id=f"C{position}",
        reuse=0,
        digest=blake2b(body, digest_size=16).digest(),
        partition=position % 64,
        outcome="processed",
        notes=None,
        source="127.0.0.1:40001",
        charset=None,
        body=body,
    )._replace(**changed)


def a_revision(number: int, **changed: Any) -> Revision:
    """A revision that was applied, with one file that says its number."""
    files = {"channels/or-usage.yaml": b"channel: or-usage  # %d\n" % number}
    return Revision(
        number=number,
        kind="apply",
        recorded_at=NOW + number,
        actor="ann",
        note="",
        due_at=None,
        origin=None,
        cancelled_at=None,
        digest=files_digest(files),
        channels=encode_channels({"or-usage": f"digest-{number}"}),
        files=encode_files(files),
    )._replace(**changed)


def a_case(number: int) -> bytes:
    """A case's key."""
    return blake2b(b"case %d" % number, digest_size=16).digest()


def a_run(position: int, **changed: Any) -> Run:
    return Run(position, "or-usage", "revision-1", NOW, b"documents %d" % position)._replace(**changed)


def an_entry(sequence: int, **changed: Any) -> Entry:
    """A ledger row that the message of the same number caused, with two postings on their way."""
    return Entry(
        sequence=sequence,
        position=sequence,
        channel="or-usage",
        facility="NORTH",
        case_key=a_case(sequence),
        order_key=a_case(sequence),
        destination="erp",
        open=2,
        recorded_at=NOW + sequence * 100,
        postings=b"postings %d" % sequence,
    )._replace(**changed)


def a_known_case(position: int, **changed: Any) -> KnownCase:
    """What the message at a position told of the first case's department."""
    return KnownCase(a_case(1), "or-schedule", "department", NOW, position, b"value %d" % position)._replace(**changed)


def a_hold(number: int, **changed: Any) -> Hold:
    """The number-th exception, about the message of that position."""
    return Hold(
        id=(NOW // 1000).to_bytes(6, "big") + number.to_bytes(10, "big"),
        organisation="MERCY",
        facility="NORTH",
        position=number,
        recorded_at=NOW + number,
        actor="orsys",
        channel="or-usage",
        place="FT1[2]",
        line=f"{number}",
        code="code-not-in-table",
        cause="Transaction type XX is not in the table transaction-type",
        destination="",
        key="",
        state="new",
    )._replace(**changed)


def a_token(name: str, **changed: Any) -> Token:
    return Token(name, "case", f"value of {name}")._replace(**changed)


def an_event(number: int, **changed: Any) -> Event:
    return Event("casecart.message.stored", f"{number}", "NORTH", NOW + number, {"n": str(number)})._replace(**changed)


def work(positions: range) -> Change:
    """What a group commit writes for these messages: each with its run, its ledger row, its counts and its event."""
    return Change(
        messages=[a_message(position) for position in positions],
        runs=[a_run(position) for position in positions],
        entries=[an_entry(position) for position in positions],
        counts=[Count("NORTH", "messages:or-mllp", "received", 1) for _ in positions],
        events=[an_event(position) for position in positions],
    )


def new_store(url: str) -> None:
    """An empty store, as `migrate` makes it; a SQLite file is a copy of one that was made so."""
    location = locate(url)
    if isinstance(location, SqliteFile):
        location.path.parent.mkdir(parents=True, exist_ok=True)
        assert not location.path.exists(), "there is one already: `migrate` brings it up"
        shutil.copy(_made_once(), location.path)
    else:
        migrate(url)


@cache
def _made_once() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="casecart-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    migrate(f"sqlite:///{folder}/casecart.db")
    return folder / "casecart.db"


def empty(url: str) -> None:
    """Makes a PostgreSQL store as new, in less time than a new one takes."""
    ours = [table.name for table in metadata.sorted_tables if table.info.get("only", "postgresql") == "postgresql"]
    tables = sql.SQL(", ").join(map(sql.Identifier, ours))
    with psycopg.connect(url) as session:
        session.execute(sql.SQL("truncate {}").format(tables))
        for sequence in ("message_position", "entry_sequence"):
            session.execute("select setval(%s, 1, false)", (sequence,))
