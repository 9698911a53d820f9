"""The core under a simulated store, network and clock: each run follows from its seed, and must keep every promise."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from casecart.rules.statement import Case, Taken
from casecart.runtime import dispatcher
from casecart.runtime.backlog import Backlog
from casecart.runtime.engine import Engine
from casecart.runtime.group import Group
from casecart.runtime.journal import Journal
from casecart.runtime.listener import Receipt
from casecart.runtime.replay import Replayer
from casecart.runtime.settlement import Settling
from casecart.runtime.window import Window
from support.checkout import ROOT
from support.simulation import simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.rules import Said
    from casecart.runtime.journal import Done, Fill
    from casecart.runtime.listener import Arrival
    from casecart.runtime.window import Batch, Work
    from casecart.store import Change, Fence, Store

QUICK, ALL = 60, 1000
FOUND_WITHIN = 60
"""Seeds in which each planted bug must be seen."""


def violations(seeds: range) -> tuple[list[str], Counter[str]]:
    """What went wrong, each with the command that shows how; and what there was in all."""
    found, counts = [], Counter[str]()
    for seed in seeds:
        ended = simulate(seed)
        counts += ended.counts
        if ended.violations:
            again = f"PYTHONPATH=tests python -m support.simulation {seed}"
            found.append(f"seed {seed}: {'; '.join(ended.violations)}\n    {again}")
    return found, counts


@pytest.mark.timeout(300)
def test_sixty_seeds_keep_every_promise() -> None:
    found, counts = violations(range(QUICK))
    assert not found, "\n".join(found)
    # The faults were felt: of nothing there was none.
    assert all(counts[name] > QUICK for name in ("messages", "postings", "crashes", "calls")), counts
    assert counts["blind done twice"] > 0
    assert counts["excused"] <= counts["postings"] / 100


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_seeds_keep_every_promise() -> None:
    found, counts = violations(range(QUICK, ALL))
    sys.stdout.write(f"seeds {QUICK} to {ALL - 1}: {dict(counts)}\n")
    assert not found, "\n".join(found)


@pytest.mark.timeout(300)
def test_a_seed_gives_the_same_run_again_also_in_another_process() -> None:
    seed = next(seed for seed in range(30) if simulate(seed).counts["crashes"] > 2)
    trace = simulate(seed).trace
    assert trace != simulate(seed + 1).trace
    done = subprocess.run(
        [sys.executable, "-m", "support.simulation", str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "tests", "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == trace


# --- bugs that are planted, to see that the simulation sees


def acknowledge_before_the_commit(real: Callable[..., None]) -> Callable[..., None]:
    def take(self: Journal, arrival: Arrival) -> None:
        reply, arrival.reply = arrival.reply, lambda _: None
        real(self, arrival)
        reply(Receipt.STORED)

    return take


def forget_duplicates(real: Callable[..., None]) -> Callable[..., None]:
    def find_duplicates(self: Group, store: Store) -> None:
        real(self, store)
        self.receipts = [Receipt.STORED] * len(self.arrivals)
        self.reuses = [len(store.cursors()) + 100 + index for index, _ in enumerate(self.arrivals)]

    return find_duplicates


def say_durable_before_it_is(real: Callable[..., None]) -> Callable[..., None]:
    def write(self: Journal, fill: Fill, done: Done, *fence: Fence | None) -> None:
        done()
        real(self, fill, lambda: None, *fence)

    return write


def take_every_uncertain_commit_as_made(_: Callable[..., int]) -> Callable[..., int]:
    return lambda self: getattr(self, "_number", 0)


def count_one_ending_too_few(real: Callable[..., None]) -> Callable[..., None]:
    def record(self: Settling, batch: Batch, change: Change) -> None:
        before = len(change.counts)
        real(self, batch, change)
        del change.counts[before + 1 :]  # of the endings in a batch, the first is counted

    return record


def let_keys_overtake(real: Callable[..., None]) -> Callable[..., None]:
    def add(self: Window, works: list[Work]) -> None:
        for work in works:
            real(self, (work,))
            key = work.entry.order_key
            if key not in self._ready:  # one that is busy is served again, with what came now alone
                self._queues[key].rotate(1)
                self._ready.append(key)

    return add


def never_link_a_credit(_: Callable[..., Taken]) -> Callable[..., Taken]:
    def charge(self: Case, line: str, said: Said) -> Taken:
        return Taken(line, [said])

    return charge


def nothing(_: Callable[..., Any]) -> Callable[..., None]:
    return lambda *_: None


def no_wishes(_: Callable[..., Any]) -> Callable[..., list[Any]]:
    return lambda *_: []


def send_again_without_asking(_: Callable[..., Any]) -> Callable[..., str]:
    return lambda *_: "post"


_BUGS: Final[list[tuple[Any, str, Callable[[Any], Any]]]] = [
    (Journal, "take", acknowledge_before_the_commit),
    (Group, "find_duplicates", forget_duplicates),
    (dispatcher, "next_step", send_again_without_asking),
    (Journal, "write", say_durable_before_it_is),  # keys go on before their settlement is durable
    (Journal, "_committed", take_every_uncertain_commit_as_made),
    (Engine, "_recovered", nothing),  # no look at the store after a commit that may have been made
    (Settling, "record", count_one_ending_too_few),
    (Window, "add", let_keys_overtake),
    (Case, "_charge", never_link_a_credit),
    (Replayer, "wishes", no_wishes),  # a line is not looked at again when it was answered
    (Backlog, "_start", nothing),  # what waited in the store is forgotten
]
PLANTED: Final = {f"{where.__name__}.{name}": (where, name, planted) for where, name, planted in _BUGS}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    where, name, planted = PLANTED[bug]
    monkeypatch.setattr(where, name, planted(getattr(where, name)))
    for seed in range(FOUND_WITHIN):
        if found := simulate(seed).violations:
            sys.stdout.write(f"seed {seed}: {found}\n")
            return
    pytest.fail(f"not seen in {FOUND_WITHIN} seeds")
