"""What is past its time is deleted while senders send: nobody waits for it, nothing needed goes, and all adds up."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from bench.fill import STEP, fill
from casecart.runtime.clock import wall_clock
from casecart.runtime.marks import TODAY
from casecart.store import Change, Cursor, LegalHold, MessageFilter, open_store
from support.engine_process import EngineProcess, free_port
from support.sink import Sink
from support.workspace import Settings, write

if TYPE_CHECKING:
    from casecart.store import Store
    from support.trial import Trial

TESTS = Path(__file__).parents[1]
DAY = 86_400_000_000
LIMIT = 1_500.0
SENDERS, IN_FLIGHT = 8, 4
NEVER = "retain: {bodies: {processed: 4000d, unrouted: 4000d}, documents: 4000d, events: 4000d, exceptions: 4000d}\n"
SHORT = "retain: {bodies: {processed: 30d, unrouted: 30d}, documents: 400d, events: 30d, exceptions: 400d}\n"
KEPT = 5
"""Position of a filled message that is held."""


class Load:
    """The load generator of the benchmarks, in a process of its own."""

    def __init__(self, port: int, first: int) -> None:
        command = [sys.executable, str(TESTS / "bench" / "load.py"), str(port), str(SENDERS), str(IN_FLIGHT)]
        command += ["3", str(first)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(TESTS)}
        )
        self._line()

    def run(self, seconds: float) -> dict[str, float]:
        """Sends for so long; what it came to."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"load {seconds}\n")
        self._process.stdin.flush()
        found: dict[str, float] = json.loads(self._line())
        return found

    def close(self) -> None:
        """Closes the connections."""
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


class Found(NamedTuple):
    """Of one run."""

    before: dict[str, float]
    """What senders met while nothing was deleted."""
    during: dict[str, float]
    deleted: int
    took: float
    """Seconds."""
    size: int
    size_after: int


def measured(engine: EngineProcess, port: int, warm: float, seconds: float) -> dict[str, float]:
    """What senders meet while nothing is deleted."""
    engine.start()
    load = Load(port, 0)
    load.run(warm)
    found = load.run(seconds)
    load.close()
    assert engine.stop() == 0, engine.log
    return found


def run(root: Path, url: str, filled: int, *, seconds: float, warm: float | None = None) -> Found:
    """Fills a store with what is past its time, and measures senders without and with deletion.

    Args:
        root: an empty folder.
        url: the store's.
        filled: how many messages.
        seconds: of each measurement.
        warm: before the measurement without deletion; None: there is none.
    """
    port = free_port()
    with Sink(root / "sink.jsonl") as sink:
        workspace = write(root / "workspace", Settings(store=url, port=port, destination=sink.url))
        configuration = (workspace / "config" / "engine.yaml").read_text("utf-8")
        now = wall_clock()
        fill(workspace, range(1, filled + 1), began=now - 40 * DAY - (filled + 100) * STEP)
        with closing(open_store(url, role="engine")) as store:
            store.write(
                Change(
                    cursors=[Cursor(TODAY, 0, now, now)],
                    legal_holds=[LegalHold(b"l" * 16, "message", str(KEPT), "a lawsuit", "ann", now)],
                )
            )
        with EngineProcess(workspace, port) as engine:
            (workspace / "config" / "engine.yaml").write_text(configuration + NEVER, "utf-8")
            before = {} if warm is None else measured(engine, port, warm, seconds)
            (workspace / "config" / "engine.yaml").write_text(configuration + SHORT, "utf-8")
            with closing(open_store(url, role="reader")) as reader:
                size = reader.size().whole
            engine.start()
            load = Load(port, SENDERS)
            load.run(3)  # the first round begins
            began, loads = time.monotonic(), []
            while True:
                loads.append(load.run(seconds))
                with closing(open_store(url, role="reader")) as reader:
                    if at_rest(reader, filled):
                        break
                assert time.monotonic() < began + LIMIT, engine.log
            took = time.monotonic() - began
            load.close()
            with closing(open_store(url, role="reader")) as reader:
                wait_for_rest(reader)
                deleted = check(reader, filled)
                size_after = reader.size().whole
            assert status(workspace)["balances"]["exact"] is True
            assert engine.stop() == 0, engine.log
            assert "Traceback" not in engine.log, engine.log
    during = max(loads[: max(1, len(loads) - 1)], key=lambda each: each["p99"])
    return Found(before, during, deleted, took, size, size_after)


def at_rest(store: Store, filled: int) -> bool:
    """Whether all that is due of what was filled is gone."""
    gone = sum(expiry.amount for expiry in store.expiries() if expiry.kind == "bodies")
    return gone >= filled - needed(store)


def needed(store: Store) -> int:
    """Messages with an open exception, and the one that is held."""
    return len({KEPT, *(hold.position for hold in store.holds(states=("new", "assigned", "parked"), limit=1_000_000))})


def wait_for_rest(store: Store) -> None:
    """Until nothing waits and nothing is on its way."""
    give_up = time.monotonic() + 120
    while any(store.waiting_counts().values()) or store.open_counts():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def check(store: Store, filled: int) -> int:
    """That just what is due is gone, and everything else of it is there; how many bodies went."""
    still = {KEPT, *(hold.position for hold in store.holds(states=("new", "assigned", "parked"), limit=1_000_000))}
    for position in sorted({*still, *range(1, filled + 1, max(1, filled // 500))}):
        message = store.message(position)
        assert message is not None
        assert message.body_gone is (position not in still), position
        if message.outcome == "processed":
            assert store.runs(position), position
            assert store.entries(position), position
    newest = store.messages(MessageFilter(), None, 1000)
    assert all(head.size for head in newest)
    deleted = sum(expiry.amount for expiry in store.expiries() if expiry.kind == "bodies")
    assert deleted == filled - len(still)
    return deleted


def status(workspace: Path) -> dict[str, dict[str, object]]:
    """What `casecart status --json` says."""
    command = [str(Path(sys.executable).with_name("casecart")), "status", "-w", str(workspace), "--json"]
    said: dict[str, dict[str, object]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return said


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_past_its_time_goes_while_senders_send_and_all_adds_up(store_url: str, tmp_path: Path) -> None:
    found = run(tmp_path, store_url, 2_000, seconds=1)
    assert found.deleted > 1_900
    assert found.during["messages"] > 0


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_very_many_messages_are_deleted_and_senders_hardly_wait_longer(
    store_url: str, tmp_path: Path, trial: Trial
) -> None:
    found = run(tmp_path, store_url, trial.times(30_000, 1_000_000), seconds=trial.times(8, 20), warm=3)
    sys.stdout.write(
        f"{store_url.partition(':')[0]}: {found.deleted:,} bodies deleted in {found.took:.0f} s while senders sent; "
        f"ACK p50 {found.before['p50']:.1f} → {found.during['p50']:.1f} ms, "
        f"p99 {found.before['p99']:.1f} → {found.during['p99']:.1f} ms; "
        f"{found.before['messages'] / found.before['seconds']:.0f} → "
        f"{found.during['messages'] / found.during['seconds']:.0f} messages/s; "
        f"store {found.size / 1e6:,.0f} → {found.size_after / 1e6:,.0f} MB\n"
    )
    assert found.during["p99"] <= 2 * found.before["p99"]
