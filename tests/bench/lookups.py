"""How long people wait for an answer: what they look up in a large store, each time at a desk opened anew.

A desk is what a command makes: configuration read, store opened, asked, closed. The time that Python takes to start is
not in it. Everything asked for is picked by chance; each kind of look-up is asked some times, round after round.

    PYTHONPATH=tests python tests/bench/lookups.py [--messages 1000000] [--items 10000] [--plans]
    PYTHONPATH=tests python tests/bench/lookups.py --folder FOLDER     a workspace that fill.py made

`--plans` shows how SQLite goes about each. Figures go to var/bench/lookups.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sqlite3
import sys
import tempfile
import time
from bisect import bisect_left
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.fill import HELD, ITEMS, NOBODYS, STEP, UNROUTED, digits_of, fill, workspace
from bench.load import percentiles
from bench.resolve import item
from bench.scenario import DATA
from bench.varied import control_id_of, item_of, lot_of, serial_of
from casecart.commands.actor import local_actor
from casecart.commands.balance import ShowBalances
from casecart.commands.desk import Query, open_desk
from casecart.commands.line import ShowLine
from casecart.commands.message import ShowMessage
from casecart.commands.message_list import ListMessages
from casecart.commands.recall import TraceRecall
from casecart.commands.status import ShowStatus
from casecart.commands.worklist import ListWorklist, ShowCause, cause_id
from casecart.runtime.identifier import shown
from casecart.runtime.made import decode_made
from casecart.store import open_store
from support.master import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from casecart.commands.desk import View
    from casecart.store import Store

__all__ = ["LookUp", "Timed", "add_items", "filled_messages", "look_ups", "main", "timed"]

GOAL, BALANCE_GOAL = 50.0, 20.0
"""Milliseconds that 95 of 100 answers may take."""

SLICE = 500
"""Items that are published at once."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """A kind of question.

    Attributes:
        name: as in the table.
        query: makes one, with what it asks for picked by chance.
        most: ask it so often at most; those that take long are asked less.
        goal: milliseconds.
    """

    name: str
    query: Callable[[], Query[Any]]
    most: int = 1_000
    goal: float = GOAL


@dataclass(frozen=True, slots=True)
class Timed:
    """How long a kind of question took, in milliseconds."""

    name: str
    asked: int
    p50: float
    p95: float
    goal: float


class Nothing(Query[str]):
    """Asks nothing: what the desk alone costs."""

    def answer(self, view: View) -> str:  # noqa: ARG002 - as in Query
        """Nothing."""
        return ""


@dataclass(frozen=True, slots=True)
class ByState(Query[list[Any]]):
    """Exceptions in a state."""

    state: str

    def answer(self, view: View) -> list[Any]:
        """The newest hundred."""
        return view.store.holds(states=(self.state,))


def look_ups(store: Store, messages: int, chance: random.Random) -> list[LookUp]:
    """The kinds of questions about a store that `bench.fill` has filled.

    Args:
        store: is asked for ids and tokens beforehand.
        messages: how many are in it, numbered from 1.
        chance: picks.
    """
    some = [chance.randint(1, messages) for _ in range(200)]
    heads = [found for position in some if (found := store.message(position)) is not None]
    usages = [usage for head in heads for run in store.runs(head.position) for usage in _usages(run.documents)]
    tokens = [usage.case for usage in usages if usage.case is not None]
    holds = store.holds(states=("new", "assigned", "parked"), limit=1_000)
    when = [datetime.fromtimestamp(head.recorded_at / 1e6, UTC) for head in heads]

    def number() -> int:
        return chance.randint(1, messages)

    def digits() -> str:
        """Of a message that has lines."""
        while (picked := number()) % UNROUTED == 1:
            pass
        return digits_of(picked)

    def an_item() -> str:
        return item_of(number() % ITEMS, 1)

    pick = chance.choice
    return [
        LookUp("nothing (the desk alone)", Nothing),
        LookUp("message by position", lambda: ShowMessage(reference=str(number()))),
        LookUp("message by id", lambda: ShowMessage(reference=shown(pick(heads).id))),
        LookUp("message by control id", lambda: ShowMessage(reference=control_id_of(digits()))),
        LookUp("messages by control id", lambda: ListMessages(control_id=control_id_of(digits()))),
        LookUp("line by control id and place", lambda: ShowLine(reference=control_id_of(digits()), place="2")),
        LookUp("messages by case", lambda: ListMessages(case=pick(tokens))),
        LookUp("messages by lot", lambda: ListMessages(lot=lot_of(digits(), 1))),
        LookUp("messages by serial number", lambda: ListMessages(serial=serial_of(digits(), 2))),
        LookUp("messages by serial number, none", lambda: ListMessages(serial="nobody's")),
        LookUp("messages by item", lambda: ListMessages(item=an_item())),
        LookUp("messages by item, further back", lambda: ListMessages(item=an_item(), before=number() + 1)),
        LookUp("messages by item and outcome", lambda: ListMessages(item=an_item(), outcome="unrouted"), most=20),
        LookUp("uses by lot", lambda: TraceRecall(lot=lot_of(digits(), 1))),
        LookUp("uses by serial number", lambda: TraceRecall(serial=serial_of(digits(), 2))),
        LookUp("uses by item, all of them", lambda: TraceRecall(item=an_item()), most=20),
        LookUp("messages, newest", ListMessages),
        LookUp("messages, a page in the middle", lambda: ListMessages(before=number() + 1)),
        LookUp("messages since a time", lambda: ListMessages(since=pick(when))),
        LookUp("messages until a time", lambda: ListMessages(until=pick(when))),
        LookUp("messages by outcome, usual", lambda: ListMessages(outcome="processed")),
        LookUp("messages by outcome, rare", lambda: ListMessages(outcome="unrouted")),
        LookUp("messages by outcome, none", lambda: ListMessages(outcome="quarantined")),
        LookUp("messages by outcome since", lambda: ListMessages(outcome="unrouted", since=pick(when))),
        LookUp("messages by type, usual", lambda: ListMessages(message_type="DFT^P03")),
        LookUp("messages by type, rare", lambda: ListMessages(message_type=NOBODYS), most=5),
        LookUp("messages by type, none", lambda: ListMessages(message_type="ORU^R01"), most=2),
        LookUp("messages by listener, none", lambda: ListMessages(listener="other")),
        LookUp("messages by facility, none", lambda: ListMessages(facility="WEST")),
        LookUp("worklist", ListWorklist),
        LookUp("worklist, rejected", lambda: ListWorklist(states=("rejected",))),
        LookUp("exceptions by state, new", lambda: ByState("new")),
        LookUp("exceptions by state, rejected", lambda: ByState("rejected")),
        LookUp("an exception by id", lambda: ShowCause(reference=shown(pick(holds).id))),
        LookUp("a cause by id", lambda: ShowCause(reference=cause_id(pick(holds)))),
        LookUp("both balances", ShowBalances, goal=BALANCE_GOAL),
        LookUp("status", ShowStatus, goal=BALANCE_GOAL),
    ]


def filled_messages(store: Store, newest: int) -> int:
    """How many messages `bench.fill` put in before any others came.

    Args:
        store: a store that it filled.
        newest: position of the newest message.
    """
    mark = control_id_of(digits_of(0))[:2]

    def other(position: int) -> bool:
        found = store.message(position)
        return found is None or not found.control_id.startswith(mark)

    return bisect_left(range(1, newest + 1), x=True, key=other)


def _usages(documents: bytes) -> list[Any]:
    return [usage for _, _, usage in decode_made(documents).documents]


def add_items(root: Path, items: int) -> None:
    """Has at least so many items, of eight identifiers each, in a store that has no other master data."""
    with closing(open_store(f"sqlite:///{root}/casecart.db", role="person")) as store:
        for first in range(store.published_master(), items, SLICE):
            publish(store, *(item(number) for number in range(first, min(first + SLICE, items))))


def timed(root: Path, kinds: Sequence[LookUp], times: int) -> list[Timed]:
    """Asks each kind so many times, in turns."""
    actor = local_actor()
    took: dict[str, list[tuple[float, int]]] = {kind.name: [] for kind in kinds}
    for turn in range(times):
        for kind in kinds:
            if turn >= kind.most:
                continue
            query = kind.query()
            began = time.perf_counter()
            with open_desk(root, actor) as desk:
                desk.ask(query)
            took[kind.name].append((time.perf_counter() - began, 1))
    found = []
    for kind in kinds:
        p50, p95 = (round(1000 * each, 2) for each in percentiles(took[kind.name], (0.5, 0.95)))
        found.append(Timed(kind.name, len(took[kind.name]), p50, p95, kind.goal))
    return found


def _table(rows: Sequence[Timed]) -> str:
    lines = [f"{'':<36}{'asked':>6}{'p50 ms':>10}{'p95 ms':>10}{'goal':>6}"]
    for row in rows:
        verdict = "" if row.p95 <= row.goal else "  MISSED"
        lines.append(f"{row.name:<36}{row.asked:>6}{row.p50:>10.2f}{row.p95:>10.2f}{row.goal:>6.0f}{verdict}")
    return "\n".join(lines)


def _plans(root: Path, kinds: Sequence[LookUp]) -> str:
    """How SQLite goes about each different statement of each kind."""
    lines = []
    with ExitStack() as stack:
        desk = stack.enter_context(open_desk(root, local_actor()))
        database = stack.enter_context(closing(sqlite3.connect(f"file:{root}/casecart.db?mode=ro", uri=True)))
        connection = desk._store._connection  # type: ignore[attr-defined]  # a look behind the curtain
        for kind in kinds:
            if kind.most == 1:
                continue
            statements: list[str] = []
            connection.set_trace_callback(statements.append)
            desk.ask(kind.query())
            connection.set_trace_callback(None)
            lines.append(f"\n{kind.name}")
            for shape, statement in {_shape(each): each for each in statements}.items():
                steps = [step for *_, step in database.execute(f"explain query plan {statement}")]
                lines.append(f"  {'; '.join(steps)}\n    {shape[:240]}")
    return "\n".join(lines)


def _shape(statement: str) -> str:
    """A statement without its values, and without the columns that it gives."""
    return re.sub(r"x?'[^']*'|\b\d+\b", "?", " ".join(statement.partition("FROM")[2].split()) or statement)


def main(arguments: list[str]) -> None:
    """Fills a store where none is given, asks, prints, writes."""
    options = _options(arguments)
    DATA.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        root = options.folder.absolute() if options.folder else None
        if root is None:
            root = workspace(Path(stack.enter_context(tempfile.TemporaryDirectory(dir=DATA))))
            numbers = range(1, options.messages + 1)
            fill(root, numbers, began=time.time_ns() // 1000 - options.messages * STEP)
        with open_desk(root, local_actor()) as desk:
            newest = desk.ask(ListMessages(limit=1)).messages
        add_items(root, options.items)
        with closing(open_store(f"sqlite:///{root}/casecart.db", role="reader")) as store:
            messages = filled_messages(store, newest[0].position)
            kinds = look_ups(store, messages, random.Random(1))
        rows = timed(root, kinds, options.times)
        print(
            f"{messages:,} messages, {messages // HELD:,} exceptions, {options.items:,} items; {os.cpu_count()} cores"
        )
        print(_table(rows))
        if options.plans:
            print(_plans(root, kinds))
    path = DATA / "lookups.json"
    found = [
        {"messages": messages, "items": options.items, **{name: getattr(row, name) for name in Timed.__slots__}}
        for row in rows
    ]
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {path}")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures how long people wait for an answer.")
    parser.add_argument("--messages", type=int, default=1_000_000, help="to fill a store with")
    parser.add_argument("--items", type=int, default=10_000, help="of master data to add")
    parser.add_argument("--folder", type=Path, help="a workspace that fill.py made, in place of a new one")
    parser.add_argument("--times", type=int, default=100, help="that each kind is asked")
    parser.add_argument("--plans", action="store_true", help="show how SQLite goes about each")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
