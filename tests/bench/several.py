"""What it costs when several engines share a PostgreSQL store: CPU of all of them a message, beside one alone.

    PYTHONPATH=tests python tests/bench/several.py [SECONDS]

The whole path without master data, 64 senders an engine. Nothing is pinned: on two cores the engines, the database and
the load share them, so that the rates say little and the CPU a message counts.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from bench.load import Result
from bench.process import LOAD_CORES, SERVER_CORES, Python, cpu_seconds, family_cpu_seconds
from bench.scenario import DATA, posted
from casecart.store import open_store
from support.engine_process import EngineProcess, free_port
from support.postgresql import Server, database
from support.sink import Sink
from support.workspace import Settings, write

SENDERS = 64
LIMIT = 120.0


class Cost(NamedTuple):
    """Of one number of engines: µs of CPU a message, of the engines and of the database, and messages a second."""

    engines: float
    database: float
    rate: float


def cost(count: int, seconds: float) -> Cost:
    """So many engines under load for so long."""
    with ExitStack() as stack:
        DATA.mkdir(parents=True, exist_ok=True)
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=DATA)))
        server = stack.enter_context(Server())
        postmaster = int((server.folder / "data" / "postmaster.pid").read_text("ascii").split()[0])
        url = stack.enter_context(database(server.dsn))
        sink = stack.enter_context(Sink())
        ports = [free_port() for _ in range(count)]
        write(root, Settings(store=url, port=ports[0], destination=sink.url))
        engines, loads = [], []
        for number, port in enumerate(ports):
            arguments = ["--port", f"or-mllp={port}"]
            engine = stack.enter_context(EngineProcess(root, port, name=f"engine-{number}", arguments=arguments))
            engine.start()
            engines.append(engine)
            wanted = (port, SENDERS, 1, 3, number * SENDERS)
            loads.append(stack.enter_context(Python("load.py", wanted, cores=SERVER_CORES | LOAD_CORES)))
        for load in loads:
            load.read()

        def cpu() -> tuple[float, float]:
            return sum(cpu_seconds(engine.pid) for engine in engines), family_cpu_seconds(postmaster)

        def under_load(for_so_long: float) -> list[Result]:
            with ThreadPoolExecutor(count) as threads:
                asked = threads.map(lambda load: load.ask(f"load {for_so_long}"), loads)
                return [Result(**json.loads(answer)) for answer in asked]

        def settle(messages: int) -> None:
            done, give_up = posted(), time.monotonic() + LIMIT
            with closing(open_store(url, role="reader")) as reader:
                while not done(reader, sink, messages):
                    assert time.monotonic() < give_up, sink.counts()
                    time.sleep(0.02)

        sent = count * SENDERS + sum(result.messages for result in under_load(3.0))
        settle(sent)
        before, began = cpu(), time.monotonic()
        came = sum(result.messages for result in under_load(seconds))
        settle(sent + came)
        after, took = cpu(), time.monotonic() - began
        engines_cpu, database_cpu = (1e6 * (after[each] - before[each]) / came for each in (0, 1))
        return Cost(engines_cpu, database_cpu, came / took)


def main(arguments: list[str]) -> None:
    """Prints a row for one engine, and one for two."""
    seconds = float(arguments[0]) if arguments else 10.0
    alone = cost(1, seconds)
    for count, found in ((1, alone), (2, cost(2, seconds))):
        ratio = found.engines / alone.engines
        print(
            f"{count} engine{'s' if count > 1 else ''}: {found.engines:.0f} µs a message ({ratio:.2f}), and "
            f"{found.database:.0f} µs of the database; {found.rate:,.0f} messages/s",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
