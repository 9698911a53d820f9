"""What a message with three lines costs in the store itself: CPU per message of `Store.write`, on each kind of store.

A group of 64 is written as the engine's group commit writes it: each message with its run, one ledger row with three
postings for its case, its counts, and one event; and with it the settlement of the group before. What is known of the
cases is read first and counted apart. Changes are built beforehand. Beside it stands the floor: the message rows alone,
through bare sqlite3, in the same run.

Run it with ``PYTHONPATH=tests python tests/bench/store_costs.py [messages]``; CASECART_TEST_POSTGRESQL names a server
to use in place of a private one.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.row_costs import BODY, DOCUMENTS, GROUP, HISTORY, LINES, POSTING, MessageOnly
from bench.row_costs import measure as measure_rows
from casecart.store import Change, Count, Entry, Event, Message, Run, Settlement, migrate, open_store
from support.postgresql import Server, Unavailable, database

if TYPE_CHECKING:
    from casecart.store import Store

__all__ = ["Cost", "changes", "measure"]

BUDGET = 20.0
REPEATS = 3
NOW = 1_790_000_000_000_000
POSTINGS = (POSTING + HISTORY) * LINES
SETTLED = (POSTING + HISTORY * 2) * LINES


class Cost(NamedTuple):
    """µs a message."""

    write: float
    cases: float
    wall: float
    server: float
    """CPU of the server's process, 0 where there is none."""


def changes(messages: int, group: int = GROUP) -> list[Change]:
    """The group commits for this many messages; every second message speaks of a case that is known."""
    made: list[Change] = []
    previous: range | None = None
    for start in range(1, messages + 1, group):
        positions = range(start, start + group)
        change = Change(
            messages=[message(position) for position in positions],
            runs=[Run(position, "or-usage", "abcdef0123456789", NOW, DOCUMENTS) for position in positions],
            entries=[entry(position) for position in positions],
            settlements=[Settlement(0, SETTLED, position) for position in previous or ()],
            events=[Event("casecart.messages.stored", str(start), "NORTH", NOW, {"count": str(group)})],
        )
        for _ in positions:
            change.counts += [
                Count("NORTH", "messages:or-mllp", "received", 1),
                Count("NORTH", "messages:or-mllp", "processed", 1),
                Count("NORTH", "lines:or-usage:erp", "produced", LINES),
            ]
        made.append(change)
        previous = positions
    return made


def message(position: int) -> Message:
    now = NOW + position * 100
    identity = (now // 1000).to_bytes(6, "big") + position.to_bytes(4, "big") + os.urandom(6)
    return Message(
        position, identity, "MERCY", "NORTH", None, None, None, now, now, "orsys", "hl7v2/2.8.2", "or-mllp", "DFT^P03",
        "ORSYS|NORTH", f"C{position:09d}", 0, os.urandom(16), position % 64, "processed", None, "127.0.0.1:40001",
        None, BODY,
    )  # fmt: skip


def entry(position: int) -> Entry:
    # Cases come in no order, as digests do.
    case = bytes([position * 37 % 256, position * 91 % 256]) + (position // 2).to_bytes(8, "big") + b"caseca"
    return Entry(position, position, "or-usage", "NORTH", case, case, "erp", LINES, NOW + position * 100, POSTINGS)


def measure(url: str, messages: int, pid: int | None = None) -> Cost:
    """Writes so many messages to an empty store.

    Args:
        url: The store's URL.
        messages: How many.
        pid: Count the children of this process too: a PostgreSQL server.
    """
    prepared = changes(messages)
    migrate(url)
    store = open_store(url, role="engine")
    try:
        return run(store, prepared, pid)
    finally:
        store.close()


def run(store: Store, prepared: list[Change], pid: int | None) -> Cost:
    cases = [[(entry.facility, entry.case_key) for entry in change.entries] for change in prepared]
    count = sum(len(change.messages) for change in prepared)
    asking = writing = 0.0
    gc.collect()
    gc.freeze()  # else the collector's rounds over all that was prepared are counted too
    before, wall = used(pid), time.perf_counter()
    for change, keys in zip(prepared, cases, strict=True):
        begun = time.thread_time()
        store.case_rows(keys)
        asked = time.thread_time()
        store.write(change)
        asking += asked - begun
        writing += time.thread_time() - asked
    wall, after = time.perf_counter() - wall, used(pid)
    server = sum(ticks - before.get(child, 0) for child, ticks in after.items()) / os.sysconf("SC_CLK_TCK")
    gc.unfreeze()
    return Cost(*(seconds / count * 1e6 for seconds in (writing, asking, wall, server)))


def used(pid: int | None) -> dict[str, int]:
    """Ticks of CPU that each live child of a process has used: a PostgreSQL server's sessions and writers."""
    if pid is None:
        return {}
    ticks = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        ticks[child] = int(fields[11]) + int(fields[12])
    return ticks


def main(arguments: list[str]) -> None:
    """Prints a row for each store, the best of three repeats."""
    messages = int(arguments[0]) if arguments else 20_000
    print(f"{messages} messages of {len(BODY)} bytes, {LINES} lines each, groups of {GROUP}; CPU µs a message")
    print(f"{'store':<36}{'write':>8}{'cases':>8}{'server':>8}{'wall':>8}{'write / floor':>15}")
    floor = min(measure_rows(MessageOnly(), messages)[0] for _ in range(REPEATS))
    print(f"{'message rows alone, bare sqlite3':<36}{floor:8.1f}")

    def line(name: str, cost: Cost) -> None:
        figures = "".join(f"{figure:8.1f}" for figure in (cost.write, cost.cases, cost.server, cost.wall))
        print(f"{name:<36}{figures}{cost.write / floor:15.2f}")

    with ExitStack() as stack:
        made = [
            stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR"))) for _ in range(REPEATS)
        ]
        line("SQLite, FULL", min(measure(f"sqlite:///{folder}/bench.db", messages) for folder in made))
    print(f"the budget for write on SQLite is {BUDGET:.0f} µs")

    given = os.environ.get("CASECART_TEST_POSTGRESQL")
    with ExitStack() as stack:
        try:
            server = None if given else stack.enter_context(Server())
        except Unavailable as missing:
            print(f"PostgreSQL is not here: {missing}")
            return
        pid = server._process.pid if server and server._process else None
        made = [stack.enter_context(database(given or (server.dsn if server else ""))) for _ in range(REPEATS)]
        line("PostgreSQL, synchronous_commit=on", min(measure(url, messages, pid) for url in made))


if __name__ == "__main__":
    main(sys.argv[1:])
