"""What a message with three lines costs in rows: CPU per message of the store alone, for each candidate layout.

Each layout stores the message (1.3 KB), what its mapping made of it, three ledger lines and the confirmation of their
postings, in groups of 64 as the group commit does, on SQLite with WAL and ``synchronous=FULL``; every second message
speaks of a case that is known, and what is known of its case is read first. Encoding of documents is not counted (it is
the same for all). What the store itself costs, with all its indexes, is measured by store_costs.py.

Run it with ``python tests/bench/row_costs.py [messages]``; BENCH_DIR, PAGE and CHECKPOINT vary the place and the file.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

__all__ = ["LAYOUTS", "Layout", "MessageOnly", "measure"]

GROUP = 64
LINES = 3
REPEATS = 3
BODY = os.urandom(20).hex().encode() + b"x" * 1240
DOCUMENTS = b"d" * 420
POSTING = b"p" * 120
HISTORY = b"h" * 24

MESSAGE = """
create table message (
  position integer primary key, id blob not null, organisation text not null, facility text not null,
  correlation_id blob, causation_id blob, traceparent text, occurred_at integer, recorded_at integer not null,
  actor text not null, schema text not null, listener text not null, message_type text not null,
  sender text not null, control_id text not null, reuse integer, digest blob not null, partition integer not null,
  outcome text not null, notes text, source text not null, charset text, body blob not null);
create unique index message_identity on message (facility, sender, control_id, reuse);
create index message_waiting on message (position) where outcome = 'waiting';
"""
INSERT_MESSAGE = "insert into message values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"

RUN = """
create table run (position integer, channel text, revision text, recorded_at integer, documents blob,
  primary key (position, channel)) without rowid;
"""

Key = tuple[str, bytes, str]


def message(position: int) -> tuple[object, ...]:
    """One row of the intake log."""
    now = 1_790_000_000_000_000 + position
    return (
        position, now.to_bytes(8, "big") + os.urandom(8), "MERCY", "NORTH", None, None, None, now, now, "orsys",
        "hl7v2/2.8.2", "or-mllp", "DFT^P03", "ORSYS|NORTH", f"C{position:09d}", 0, os.urandom(16), position % 64,
        "processed", None, "127.0.0.1:40001", None, BODY,
    )  # fmt: skip


@cache
def keys(position: int) -> list[Key]:
    """Facility, case and line of the three lines of a message; cases come in no order, as digests do."""
    case = bytes([position * 37 % 256, position * 91 % 256]) + (position // 2).to_bytes(8, "big") + b"caseca"
    return [("NORTH", case, f"{position}-{line}") for line in range(LINES)]


class Layout:
    """A candidate: its tables, what one group writes, what its confirmation writes."""

    name = ""
    schema = ""
    chosen = False

    def write(self, cursor: sqlite3.Cursor, positions: range) -> None:
        """Everything but the messages of one group."""

    def confirm(self, cursor: sqlite3.Cursor, positions: range) -> None:
        """The postings of one group have been confirmed."""


class MessageOnly(Layout):
    """The intake log alone: the floor under every layout."""

    name = "the message row alone (floor)"


class RowEach(Layout):
    """The obvious one: tables in third normal form."""

    name = "a row for each document, posting, transition"
    schema = """
    create table document (id integer primary key, position integer, facility text, case_key blob, data blob);
    create table posting (id integer primary key, position integer, facility text, case_key blob, line text,
        state text, data blob);
    create index posting_open on posting (id) where state in ('planned', 'sent', 'unknown');
    create unique index posting_line on posting (facility, case_key, line);
    create table transition (id integer primary key, posting integer, at integer, state text);
    """

    def write(self, cursor: sqlite3.Cursor, positions: range) -> None:
        documents, postings, transitions = [], [], []
        for position in positions:
            for n, (facility, case, line) in enumerate(keys(position)):
                row = position * LINES + n
                documents.append((row, position, facility, case, POSTING))
                postings.append((row, position, facility, case, line, "planned", POSTING))
                transitions.append((row * 2, row, position, "planned"))
        cursor.executemany("insert into document values (?,?,?,?,?)", documents)
        cursor.executemany("insert into posting values (?,?,?,?,?,?,?)", postings)
        cursor.executemany("insert into transition values (?,?,?,?)", transitions)

    def confirm(self, cursor: sqlite3.Cursor, positions: range) -> None:
        rows = [position * LINES + n for position in positions for n in range(LINES)]
        cursor.executemany("update posting set state = 'posted' where id = ?", [(row,) for row in rows])
        transitions = [(row * 2 + 1, row, row, "posted") for row in rows]
        cursor.executemany("insert into transition values (?,?,?,?)", transitions)


class Clustered(Layout):
    """Rows of a case lie together: read at once, written at random places of the tree."""

    name = "run, and a ledger row a line clustered by case"
    schema = f"""
    {RUN}
    create table ledger (facility text, case_key blob, line text, destination text, position integer, open integer,
      data blob, primary key (facility, case_key, line, destination)) without rowid;
    create index ledger_open on ledger (destination, position) where open > 0;
    """

    def write(self, cursor: sqlite3.Cursor, positions: range) -> None:
        write_runs(cursor, positions)
        rows = []
        for position in positions:
            for facility, case, line in keys(position):
                rows.append((facility, case, line, "erp", position, 1, POSTING + HISTORY))
            query = "select * from ledger where facility = ? and case_key = ?"
            cursor.execute(query, (facility, case)).fetchall()
        cursor.executemany("insert into ledger values (?,?,?,?,?,?,?)", rows)

    def confirm(self, cursor: sqlite3.Cursor, positions: range) -> None:
        cursor.executemany(
            "update ledger set open = 0, data = ? "
            "where facility = ? and case_key = ? and line = ? and destination = 'erp'",
            [(POSTING + HISTORY * 2, *key) for position in positions for key in keys(position)],
        )


class Lines(Layout):
    """Rows in the order of their coming: written at the end of the tree, found by an index on the case."""

    name = "run, and a ledger row a line in order"
    schema = f"""
    {RUN}
    create table ledger (sequence integer primary key, position integer, facility text, case_key blob, line text,
      destination text, open integer, data blob);
    create index ledger_case on ledger (facility, case_key);
    create index ledger_open on ledger (destination, sequence) where open > 0;
    """

    def write(self, cursor: sqlite3.Cursor, positions: range) -> None:
        write_runs(cursor, positions)
        rows = []
        for position in positions:
            for n, (facility, case, line) in enumerate(keys(position)):
                row = position * LINES + n
                rows.append((row, position, facility, case, line, "erp", 1, POSTING + HISTORY))
            read_case(cursor, position)
        cursor.executemany("insert into ledger values (?,?,?,?,?,?,?,?)", rows)

    def confirm(self, cursor: sqlite3.Cursor, positions: range) -> None:
        rows = [(POSTING + HISTORY * 2, position * LINES + n) for position in positions for n in range(LINES)]
        cursor.executemany("update ledger set open = 0, data = ? where sequence = ?", rows)


class Entries(Layout):
    """The lines of a message for one case and destination encoded together, in the order of their coming."""

    name = "run, and one ledger row a message in order"
    chosen = True
    schema = f"""
    {RUN}
    create table ledger (sequence integer primary key, position integer, facility text, case_key blob,
      destination text, open integer, data blob);
    create index ledger_case on ledger (facility, case_key);
    create index ledger_open on ledger (destination, sequence) where open > 0;
    """

    def write(self, cursor: sqlite3.Cursor, positions: range) -> None:
        write_runs(cursor, positions)
        rows = []
        for position in positions:
            facility, case, _ = keys(position)[0]
            rows.append((position, position, facility, case, "erp", LINES, (POSTING + HISTORY) * LINES))
            read_case(cursor, position)
        cursor.executemany("insert into ledger values (?,?,?,?,?,?,?)", rows)

    def confirm(self, cursor: sqlite3.Cursor, positions: range) -> None:
        rows = [((POSTING + HISTORY * 2) * LINES, position) for position in positions]
        cursor.executemany("update ledger set open = 0, data = ? where sequence = ?", rows)


LAYOUTS = (MessageOnly, RowEach, Clustered, Lines, Entries)


def write_runs(cursor: sqlite3.Cursor, positions: range) -> None:
    """What the mapping made of each message."""
    runs = [(position, "or-usage", "abcdef0123456789", position, DOCUMENTS) for position in positions]
    cursor.executemany("insert into run values (?,?,?,?,?)", runs)


def read_case(cursor: sqlite3.Cursor, position: int) -> None:
    """What is known of a message's case."""
    facility, case, _ = keys(position)[0]
    cursor.execute("select * from ledger where facility = ? and case_key = ?", (facility, case)).fetchall()


def measure(layout: Layout, messages: int, group: int = GROUP) -> tuple[float, float, float]:
    """CPU µs a message, wall µs a message, bytes a message on disk."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        path = Path(folder, "bench.db")
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        connection.execute(f"pragma page_size = {int(os.environ.get('PAGE', '8192'))}")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("pragma cache_size = -65536")
        connection.execute(f"pragma wal_autocheckpoint = {int(os.environ.get('CHECKPOINT', '1000'))}")
        connection.executescript(MESSAGE + layout.schema)
        cursor = connection.cursor()
        groups = [range(start, start + group) for start in range(1, messages + 1, group)]
        rows = [[message(position) for position in positions] for positions in groups]
        for positions in groups:
            for position in positions:
                keys(position)  # made now, so that making it is not counted
        gc.collect()
        gc.freeze()  # else the collector's rounds over all that was prepared are counted too
        cpu, wall = time.thread_time(), time.perf_counter()
        previous: range | None = None
        for positions, messages_of_group in zip(groups, rows, strict=True):
            cursor.execute("begin immediate")
            cursor.executemany(INSERT_MESSAGE, messages_of_group)
            layout.write(cursor, positions)
            if previous is not None:
                layout.confirm(cursor, previous)
            cursor.execute("commit")
            previous = positions
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        gc.unfreeze()
        connection.execute("pragma wal_checkpoint(truncate)")
        connection.close()
        count = len(groups) * group
        return cpu / count * 1e6, wall / count * 1e6, path.stat().st_size / count


def main(arguments: list[str]) -> None:
    """Prints a row for each layout, the best of three repeats; the chosen one is marked."""
    messages = int(arguments[0]) if arguments else 20_000
    print(f"{messages} messages of {len(BODY)} bytes, {LINES} lines each, groups of {GROUP}")
    print(f"SQLite {sqlite3.sqlite_version}, WAL, synchronous=FULL")
    print(f"{'layout':<52}{'cpu µs':>8}{'wall µs':>9}{'bytes':>8}")
    for make in LAYOUTS:
        cpu, wall, size = min(measure(make(), messages) for _ in range(REPEATS))
        print(f"{'* ' * make.chosen + make.name:<52}{cpu:8.1f}{wall:9.1f}{size:8.0f}")
    print("* chosen")


if __name__ == "__main__":
    main(sys.argv[1:])
