"""What a reliability test is given and what it tells: a seed, how often to break things, and a row of counts.

The environment says how: RELIABILITY is `quick` (the default) or `long`, RELIABILITY_SEED is the seed of an earlier
run, to have it again. With RELIABILITY_FILE, the rows are kept in that file: one for each test, store and thing broken.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.crash_oracle import Tally

__all__ = ["Row", "Trial", "kept_rows"]

Row: TypeAlias = dict[str, str | int | float | bool]

MODE, SEED, FILE = "RELIABILITY", "RELIABILITY_SEED", "RELIABILITY_FILE"
SEEDS = 1_000_000


class Trial:
    """One run of one reliability test.

    Args:
        test: its name, as pytest is given it.

    Attributes:
        seed: of all chance in it.
        chance: where a test takes chance from.
        long: whether the long counts are wanted.
    """

    def __init__(self, test: str) -> None:
        mode = os.environ.get(MODE, "quick")
        assert mode in {"quick", "long"}, f"{MODE} is quick or long, and not {mode}"
        self.long = mode == "long"
        self.seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(SEEDS))
        self.chance = random.Random(self.seed)
        self._test, self._began = test, time.monotonic()
        sys.stdout.write(f"{test}: seed {self.seed} ({SEED}={self.seed} gives it again)\n")

    def times(self, quick: int, long: int) -> int:
        """How often, in the run that is wanted."""
        return long if self.long else quick

    @staticmethod
    def limit(seconds: float) -> float:
        """So many seconds; more where others want the cores as well: that is not casecart's doing."""
        return seconds * max(1.0, max(os.getloadavg()) / (os.cpu_count() or 1))

    def tell(self, what: str, tally: Tally, *, store: str, cycles: int, **more: str | float) -> None:
        """Prints the counts and keeps them; to be called before anything is asserted of them.

        Args:
            what: what was broken, in a few words; rows of one kind make a table of the page.
            tally: what the oracle counted.
            store: the store's URL; only its kind is kept.
            cycles: how often it was broken.
            more: further counts.
        """
        row: Row = {
            "test": self._test,
            "what": what,
            "store": "SQLite" if store.startswith("sqlite") else "PostgreSQL",
            "cycles": cycles,
            **tally._asdict(),
            **more,
            "seed": self.seed,
            "seconds": round(time.monotonic() - self._began, 1),
            "mode": "long" if self.long else "quick",
            "date": datetime.now(UTC).date().isoformat(),
        }
        sys.stdout.write(", ".join(f"{name} {value}" for name, value in row.items() if name != "test") + "\n")
        if kept := os.environ.get(FILE):
            _keep(Path(kept), row)


def kept_rows(path: Path) -> list[Row]:
    """What the trials before told."""
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def _keep(path: Path, row: Row) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        rows = sorted([*(kept for kept in kept_rows(path) if _is_of(kept) != _is_of(row)), row], key=_is_of)
        path.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", "utf-8")


def _is_of(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("test", "what", "store"))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Trials may run side by side."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
