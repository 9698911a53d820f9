"""kill -9 under load: nothing acknowledged is lost, a line keeps its key each time it goes out, balances are exact."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from casecart.store import open_store
from support.crash_oracle import Evidence, faults
from support.engine_process import EngineProcess, free_port
from support.sender import Senders
from support.sink import Sink
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Callable

SENDERS = 6
REST_LIMIT = 60.0


def run(root: Path, store: str, *, kills: int, seed: int) -> Evidence:
    """Senders, an engine that is killed so often, and a sink; at rest in the end.

    Args:
        root: an empty folder.
        store: the store's URL.
        kills: how many times.
        seed: of the moments at which it is killed.
    """
    chance = random.Random(seed)
    record = root / "sink.jsonl"
    port = free_port()
    # The sink takes its time, so that at any moment something is on its way; so do batches, being small.
    with Sink(record, delay=0.02) as sink:
        workspace = write(root / "workspace", Settings(store=store, port=port, destination=sink.url, batch=20))
        with EngineProcess(workspace, port) as engine, Senders(SENDERS, port) as senders:
            engine.start()
            for _ in range(kills):
                time.sleep(chance.uniform(0.0, 0.6))
                engine.kill()
                engine.start()
            time.sleep(0.3)
            senders.finish()
            rest(store)
            said = status(workspace)
            assert said["balances"]["exact"] is True, said
            assert engine.stop() == 0, engine.log
            assert "Traceback" not in engine.log, engine.log
    return Evidence(store, record, senders.sent, senders.acknowledged, senders.resends)


def rest(store: str) -> None:
    """Waits until nothing waits and nothing is on its way."""
    give_up = time.monotonic() + REST_LIMIT
    with closing(open_store(store, role="reader")) as reader:
        while any(reader.waiting_counts().values()) or reader.open_counts():
            assert time.monotonic() < give_up, f"not at rest: {reader.waiting_counts()}, {reader.open_counts()}"
            time.sleep(0.05)


def status(workspace: Path) -> dict[str, dict[str, object]]:
    """What `casecart status --json` says."""
    command = [str(Path(sys.executable).with_name("casecart")), "status", "-w", str(workspace), "--json"]
    said: dict[str, dict[str, object]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return said


def test_an_engine_killed_three_times_under_load_loses_nothing(store_url: str, tmp_path: Path) -> None:
    evidence = run(tmp_path, store_url, kills=3, seed=3)
    assert faults(evidence) == []
    assert evidence.resends >= 3  # the kills were felt


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_engine_killed_twenty_times_under_load_loses_nothing(store_url: str, tmp_path: Path) -> None:
    evidence = run(tmp_path, store_url, kills=20, seed=20)
    assert faults(evidence) == []
    assert evidence.resends >= 20
    keys = [json.loads(line)["key"] for line in evidence.record.read_text("utf-8").splitlines()]
    assert len(set(keys)) < len(keys)  # some were on their way when it was killed, and came twice
    twice = len(keys) - len(set(keys))
    sys.stdout.write(
        f"20 kills: {len(evidence.acknowledged)} messages acknowledged, 0 lost, {evidence.resends} sent again; "
        f"{len(set(keys))} postings at the sink, {twice} came twice, each under its own key; balances exact\n"
    )


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The evidence of a short run without kills, with nothing wrong in it."""
    root = tmp_path_factory.mktemp("quiet")
    evidence = run(root, f"sqlite:///{root}/casecart.db", kills=0, seed=0)
    assert faults(evidence) == []
    return evidence


def in_store(statement: str) -> Callable[[Path, Path], None]:
    """Damage by a statement that must hit exactly one row. FIRST in it is the first message's position."""

    def damage(store: Path, _: Path) -> None:
        with closing(sqlite3.connect(store)) as connection:
            first = connection.execute("select min(position) from ledger").fetchone()[0]
            assert connection.execute(statement.replace("FIRST", str(first))).rowcount == 1
            connection.commit()

    return damage


def in_record(change: Callable[[list[str]], list[str]]) -> Callable[[Path, Path], None]:
    """Damage to the lines of the sink's record."""

    def damage(_: Path, record: Path) -> None:
        record.write_text("".join(change(record.read_text("utf-8").splitlines(keepends=True))), "utf-8")

    return damage


def with_other_key(line: str) -> str:
    posted = json.loads(line)
    return json.dumps({**posted, "key": "0" * 32 + ".1"}) + "\n"


@pytest.mark.parametrize(
    ("damage", "seen"),
    [
        (in_store("delete from message where position = FIRST"), "was acknowledged and is not in the store"),
        (in_store("update message set body = x'00' where position = FIRST"), "not in the store as it was sent"),
        (in_store("update message set outcome = 'waiting' where position = FIRST"), "is waiting at rest"),
        (in_store("delete from run where position = FIRST"), "has no run"),
        (in_store("delete from ledger where position = FIRST"), "came and is not in the ledger"),
        (in_store("update ledger set open = 1 where position = FIRST"), "has 1 postings on their way"),
        (in_store("update run set tokens = null where position = FIRST"), "came and nobody stated it"),
        (in_store("update balance set amount = amount + 1 where name = 'posted'"), "lines is not exact"),
        (in_store("update balance set amount = amount - 1 where name = 'received'"), "messages is not exact"),
        (in_store("update balance set amount = amount - 1 where name = 'held'"), "lines held:"),
        (in_record(lambda lines: lines[1:]), "is in the ledger and did not come"),
        (in_record(lambda lines: [*lines, with_other_key(lines[0])]), "came under 2 keys"),
        (in_record(lambda lines: [*lines, lines[0].replace("use", "reverse")]), "came with different payloads"),
    ],
)
def test_the_oracle_sees(quiet: Evidence, tmp_path: Path, damage: Callable[[Path, Path], None], seen: str) -> None:
    store, record = tmp_path / "casecart.db", tmp_path / "sink.jsonl"
    shutil.copy(
        quiet.store.removeprefix("sqlite:///"), store
    )  # the engine has stopped: there is nothing beside the file
    shutil.copy(quiet.record, record)
    damage(store, record)
    found = faults(replace(quiet, store=f"sqlite:///{store}", record=record))
    assert any(seen in fault for fault in found), found
