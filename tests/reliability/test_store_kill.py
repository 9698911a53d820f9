"""An engine is killed in the middle of its work, again and again: each change it called durable is there, none half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from casecart.store import Count, Store, StoreInUse, StoreUnavailable, migrate, open_store
from casecart.store.records import CaseRow
from support.crash_oracle import Tally
from support.store import a_case, a_message, a_run, an_entry, an_event

if TYPE_CHECKING:
    from collections.abc import Collection

    from support.trial import Trial

GROUP = 20
PARTITIONS = 8
"""Of events: where engines share a store, one whose predecessor's session is not gone yet writes another one."""

# Writes group after group, each settling the one before, and tells of each when it is durable.
WRITER = """
import sys
from casecart.store import Settlement, open_store
from support.store import work
store = open_store(sys.argv[1], role="engine")
group = int(sys.argv[2])
after = 0
while True:
    first = store.reserve("message", group)[0]
    change = work(range(first, first + group))
    change.settlements = [Settlement(0, b"settled", sequence) for sequence in range(after, first) if after]
    store.write(change)
    after = first
    sys.stdout.write(f"{first}\\n")
    sys.stdout.flush()
"""


def writer(url: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITER, url, str(GROUP)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def killed_at_work(url: str, seconds: float) -> list[int]:
    """Lets a writer write for so long, kills it, and gives the first numbers of the groups that it called durable."""
    with writer(url) as process:
        assert process.stdout is not None
        durable = [int(process.stdout.readline())]
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        told = process.stdout.read()
    # The last line may be cut off in the middle, as the writer was.
    return durable + [int(line) for line in told.split("\n")[:-1]]


def opened(url: str) -> Store:
    """The store, as soon as the killed engine's lock is free."""
    migrate(url)
    give_up = time.monotonic() + 10
    while True:
        try:
            return open_store(url, role="engine")
        except (StoreInUse, StoreUnavailable):
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def kept(store: Store, seen: Collection[int] = ()) -> list[int]:
    """The first numbers of the groups that are there; each of them is there whole, if it was not seen before."""
    groups: list[int] = []
    events = 0
    for partition in range(PARTITIONS):
        last = 0
        while page := store.events(last, 10_000, partition=partition):
            assert [position for position, _ in page] == list(range(last + 1, last + 1 + len(page)))
            numbers = [int(event.subject) for _, event in page]
            assert [event for _, event in page] == [an_event(number) for number in numbers]
            groups += numbers[::GROUP]
            last += len(page)
        events += last
    groups.sort()
    assert events == GROUP * len(groups)
    for first in set(groups) - set(seen):
        for number in (first, first + GROUP - 1):
            assert store.message(number) == a_message(number)
            assert store.runs(number) == [a_run(number)]
            (entry,) = store.entries(number)
            assert entry in (an_entry(number), an_entry(number, open=0, postings=b"settled"))
            assert isinstance(store.case_rows([("NORTH", a_case(number))])[0], CaseRow)
    assert store.counts() == [Count("NORTH", "messages:or-mllp", "received", events)]
    # A group is open until the next one of the same writer settles it.
    assert sum(count.entries for count in store.open_counts()) % GROUP == 0
    return groups


def run(url: str, cycles: int, trial: Trial) -> None:
    migrate(url)
    durable: list[int] = []
    there: list[int] = []
    lost: set[int] = set()
    for _ in range(cycles):
        durable += killed_at_work(url, trial.chance.uniform(0.01, 0.4))
        store = opened(url)
        there = kept(store, there)
        store.close()
        lost |= set(durable) - set(there)
    store = opened(url)
    assert kept(store) == there  # all of them once more, also those that were seen whole after an earlier kill
    store.close()
    unheard = len(there) - len(durable)
    counted = Tally(len(durable) * GROUP, len(lost) * GROUP, 0, 0)
    trial.tell(
        "kill -9, the store alone", counted, store=url, cycles=cycles, **{"durable and not told": unheard * GROUP}
    )
    assert not lost
    assert unheard <= cycles


def test_nothing_is_lost_or_half_there_after_kills(store_url: str, trial: Trial) -> None:
    run(store_url, 5, trial)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_is_lost_or_half_there_after_many_kills(store_url: str, trial: Trial) -> None:
    run(store_url, trial.times(10, 200), trial)
