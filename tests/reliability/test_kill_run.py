"""kill -9 under load: nothing acknowledged is lost, a line keeps its key each time it goes out, balances are exact."""

from __future__ import annotations

import json
import math
import random
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import pytest

from support.crash_oracle import Evidence, faults, tally
from support.sender import Load
from support.under_load import UnderLoad

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.trial import Trial

READY_LIMIT = 5.0
"""Seconds from a start to the first acknowledgement."""


def killed_under_load(
    root: Path, store: str, *, kills: int, chance: random.Random, keyed: bool = True, load: Load | None = None
) -> UnderLoad:
    """Senders, an engine that is killed so often, and a sink; at rest in the end."""
    with UnderLoad(root, store, keyed=keyed, load=load) as scene:
        scene.begin()
        for _ in range(kills):
            time.sleep(chance.uniform(0.0, 0.6))
            scene.engine.kill()
            scene.engine.start()
        time.sleep(0.3)
        scene.come_to_rest()
    return scene


def test_an_engine_killed_three_times_under_load_loses_nothing(store_url: str, tmp_path: Path, trial: Trial) -> None:
    scene = killed_under_load(tmp_path, store_url, kills=3, chance=trial.chance)
    evidence = scene.evidence()
    assert faults(evidence) == []
    assert evidence.resends >= 3  # the kills were felt


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_engine_killed_again_and_again_under_load_loses_nothing_and_is_soon_back(
    store_url: str, tmp_path: Path, trial: Trial
) -> None:
    kills = trial.times(20, 200)
    scene = killed_under_load(tmp_path, store_url, kills=kills, chance=trial.chance)
    evidence, ready = scene.evidence(), scene.ready_after()
    slowest = ready[math.ceil(len(ready) * 0.99) - 1]
    more: dict[str, float] = {
        "resent": evidence.resends,
        "refused by key": scene.counts.duplicates,
        "ready s": round(median(ready), 2),
    }
    more["ready p99 s"] = round(slowest, 2)
    counted = tally(evidence)
    trial.tell("kill -9", counted, store=store_url, cycles=kills, **more)
    assert faults(evidence) == []
    assert counted[1:] == (0, 0, 0)
    assert evidence.resends >= kills
    assert len(ready) > kills / 2
    assert slowest < trial.limit(READY_LIMIT)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_to_a_sink_that_refuses_nothing_a_posting_comes_again_under_its_own_key(
    store_url: str, tmp_path: Path, trial: Trial
) -> None:
    kills = trial.times(5, 50)
    scene = killed_under_load(tmp_path, store_url, kills=kills, chance=trial.chance, keyed=False)
    evidence = scene.evidence()
    again = scene.counts.duplicates
    counted = tally(evidence)
    more = {"resent": evidence.resends, "came again": again}
    trial.tell("kill -9, a blind sink", counted, store=store_url, cycles=kills, **more)
    assert faults(evidence) == []  # among them: a line that comes under two keys
    assert counted.lost == 0
    assert counted.inversions == 0
    assert counted.duplicates == again > 0  # some were on their way when it was killed


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The evidence of a short run without kills, with nothing wrong in it."""
    root = tmp_path_factory.mktemp("quiet")
    # A case a message: what is damaged of one is then nowhere else.
    scene = killed_under_load(root, f"sqlite:///{root}/casecart.db", kills=0, chance=random.Random(0), load=Load())
    evidence = scene.evidence()
    assert faults(evidence) == []
    assert tally(evidence)[1:] == (0, 0, 0)
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
        (in_store("update body set data = x'00' where position = FIRST"), "not in the store as it was sent"),
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


def with_two_of_a_case_swapped(lines: list[str]) -> list[str]:
    cases = [json.loads(line)["case"] for line in lines]
    first = next(number for number, case in enumerate(cases) if case == cases[number + 1])
    return [*lines[:first], lines[first + 1], lines[first], *lines[first + 2 :]]


@pytest.mark.parametrize(
    ("damage", "counted"),  # lost, duplicates, inversions
    [
        (in_store("delete from message where position = FIRST"), (1, 0, 0)),
        (in_record(lambda lines: lines[1:]), (1, 0, 0)),
        (in_record(lambda lines: [*lines, lines[-1]]), (0, 1, 0)),
        (in_record(with_two_of_a_case_swapped), (0, 0, 1)),
    ],
)
def test_the_oracle_counts(
    quiet: Evidence, tmp_path: Path, damage: Callable[[Path, Path], None], counted: tuple[int, int, int]
) -> None:
    store, record = tmp_path / "casecart.db", tmp_path / "sink.jsonl"
    shutil.copy(quiet.store.removeprefix("sqlite:///"), store)
    shutil.copy(quiet.record, record)
    damage(store, record)
    assert tally(replace(quiet, store=f"sqlite:///{store}", record=record))[1:] == counted
