"""The power goes under load, and what was not on the disk is gone: nothing acknowledged is lost, nothing doubled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.crash_oracle import Tally, faults, tally
from support.store_on_disk import Kind, StoreOnDisk
from support.under_load import UnderLoad

if TYPE_CHECKING:
    from pathlib import Path

    from support.trial import Trial


MEGABYTES = 1_500
ANSWER_LIMIT = 30.0
# So that its write-ahead log has room, and is also recycled.
SMALL_LOG = {"max_wal_size": "64MB"}

# What the stores refuse, let through: where these get by, the harness must see that messages are lost.
PLANTS: dict[Kind, str] = {
    "sqlite": """
from casecart.store import sqlite_file
sqlite_file.SYNCHRONOUS, sqlite_file.DURABLE = "NORMAL", (1, 2, 3)
""",
    "postgresql": """
import psycopg
real = psycopg.Connection.commit
def commit(connection):
    connection.execute("set local synchronous_commit = off")
    real(connection)
psycopg.Connection.commit = commit
""",
}


def cut_under_load(root: Path, kind: Kind, trial: Trial, cuts: int, plant: str = "") -> Tally:
    """Senders and a sink, and between them an engine and its store, whose power is cut so often; at rest in the end."""
    with (
        StoreOnDisk(kind, MEGABYTES, SMALL_LOG) as store,
        UnderLoad(root, store.url, plant=plant) as scene,
    ):
        scene.begin()
        for _ in range(cuts):
            scene.hear(ANSWER_LIMIT)
            time.sleep(trial.chance.uniform(0.2, 1.5))
            store.cut_power()
            scene.engine.kill()
            store.restore_power()
            scene.engine.start()
        time.sleep(0.3)
        evidence = scene.come_to_rest()
        counted = tally(evidence)
        what = "planted: a power cut, and a commit that does not wait for the disk" if plant else "power cut"
        trial.tell(what, counted, store=store.url, cycles=cuts, resent=evidence.resends)
        assert plant or faults(evidence) == []
        assert evidence.resends >= cuts
        return counted


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nothing_is_lost_when_the_power_is_cut(kind: Kind, tmp_path: Path, trial: Trial) -> None:
    assert cut_under_load(tmp_path, kind, trial, trial.times(5, 50))[1:] == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_harness_sees_what_a_commit_loses_that_does_not_wait_for_the_disk(
    kind: Kind, tmp_path: Path, trial: Trial
) -> None:
    assert cut_under_load(tmp_path, kind, trial, 3, PLANTS[kind]).lost > 0
