"""Memory is flat while a destination is down, and what was spooled goes out in order, faster than it came."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from bench.process import cpu_seconds, resident_megabytes
from support.at_rest import rest, status
from support.charge import charge
from support.engine_process import EngineProcess, free_port
from support.flood import flood
from support.sink import Sink
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INFLOW = 1000  # messages a second that a large hospital sends in its worst hour
GROWTH = 64.0  # megabytes
OF_A_CASE = 6  # messages


def bodies(first: int, count: int) -> Iterator[bytes]:
    """Charges of three lines each; those of a case are told apart and put in order by their lines' ids.

    Two of a case come one right after the other, the others long after.
    """
    cases = count // OF_A_CASE
    for number in range(count):
        case, nth = number // 2 % cases, number // 2 // cases * 2 + number % 2
        yield charge(f"B{first + number:07}", f"V{first + case:07}").replace(b"|77000", b"|%03d" % nth)


def outage(root: Path, store: str, *, warm: int, messages: int) -> str:
    """The engine at work, then its destination is gone for so many messages, then it is there again.

    Args:
        root: an empty folder.
        store: the store's URL.
        warm: messages before anything is measured.
        messages: while the destination is away.

    Returns:
        What was measured, in a sentence.
    """
    record, port, sink_port = root / "sink.jsonl", free_port(), free_port()
    url = f"http://127.0.0.1:{sink_port}/postings"
    workspace = write(root / "workspace", Settings(store=store, port=port, destination=url))
    with EngineProcess(workspace, port) as engine:
        engine.start()
        with Sink(record, port=sink_port):
            assert flood(port, bodies(0, warm)) == warm
            rest(store)
        before, began, cpu = resident_megabytes(engine.pid), time.monotonic(), cpu_seconds(engine.pid)
        assert flood(port, bodies(warm, messages)) == messages
        came = messages / (time.monotonic() - began)
        grown = resident_megabytes(engine.pid) - before
        in_cpu = (cpu_seconds(engine.pid) - cpu) / messages
        posted = warm * 3
        with Sink(record, port=sink_port) as sink:
            while not sink.counts().postings:
                assert time.monotonic() < began + 600, "the destination is back, and nothing comes"
                time.sleep(0.05)
            began, cpu, first = time.monotonic(), cpu_seconds(engine.pid), sink.counts().keys
            rest(store, within=600)
            seconds, out_cpu = time.monotonic() - began, cpu_seconds(engine.pid) - cpu
            drained = messages - first / 3
            posted += sink.counts().keys
        grown = max(grown, resident_megabytes(engine.pid) - before)
        assert status(workspace)["balances"]["exact"] is True
        assert engine.stop() == 0, engine.log
        assert "Traceback" not in engine.log, engine.log
    assert posted == 3 * (warm + messages)
    assert out_of_order(record) == []
    assert grown < GROWTH, f"{grown:.1f} MB more"
    # By the CPU that it takes, since the machine may be busy with other things.
    assert drained / out_cpu > 2 * INFLOW, f"{drained / out_cpu:.0f} messages a CPU second"
    return (
        f"{messages} messages with the destination away: {came:.0f} a second, {in_cpu * 1e6:.0f} µs CPU each, "
        f"{grown:+.1f} MB; drained at {drained / seconds:.0f} a second, {out_cpu / drained * 1e6:.0f} µs CPU each"
    )


def out_of_order(record: Path) -> list[str]:
    """The cases of which something came before what was stated earlier, or twice."""
    lines: dict[str, list[str]] = defaultdict(list)
    for row in record.read_text("utf-8").splitlines():
        payload = json.loads(row)
        lines[payload["case"]].append(payload["line"])
    return [case for case, came in lines.items() if came != sorted(set(came))]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_stays_flat_for_a_minute_of_a_large_hospitals_worst_hour(store_url: str, tmp_path: Path) -> None:
    sys.stdout.write(outage(tmp_path, store_url, warm=6_000, messages=60 * INFLOW) + "\n")
