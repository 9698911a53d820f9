"""Notifications a second to a durable 200, beside a bare twisted.web echo: 3.6 KB, 16 connections that are kept.

Each server has one core to itself, the load another. CPU a notification is the figure to trust; of some turns the best
is taken. The engine's store is SQLite on the disk; nothing maps the notifications, which is measured by itself.

Usage: python tests/bench/fhir_intake.py [--quick] [--senders 16]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.bundle import PATH, TOKEN, notification
from bench.load import Result
from bench.process import LOAD_CORES, SERVER_CORES, Python, cpu_seconds
from bench.scenario import DATA, total
from casecart.store import open_store
from support.engine_process import EngineProcess, free_port
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Server = Callable[[], AbstractContextManager[tuple[int, int, Callable[[], int]]]]

__all__ = ["main"]

WANTED = 0.5
"""Of the echo's rate, by CPU."""


@contextmanager
def echo() -> Iterator[tuple[int, int, Callable[[], int]]]:
    """The yardstick: its port, its process, and what it has stored: nothing."""
    with Python("http_echo.py", cores=SERVER_CORES) as server:
        yield int(server.read()), server.pid, lambda: 0


@contextmanager
def casecart() -> Iterator[tuple[int, int, Callable[[], int]]]:
    """An engine with an HTTP listener: its port, its process, and how many messages it has stored."""
    DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        root, port = Path(folder), free_port()
        url = f"sqlite:///{root}/casecart.db"
        write(root, Settings(store=url, port=free_port(), destination="http://127.0.0.1:9"))
        (root / "var/secrets/ehr").write_text(TOKEN, "utf-8")
        peers = f"{{ehr: {{facility: NORTH, path: {PATH}, token: {{file: var/secrets/ehr}}}}}}"
        engine_yaml = root / "config/engine.yaml"
        listener = f"listeners:\n  ehr-http: {{kind: http, port: {port}, peers: {peers}}}\n"
        engine_yaml.write_text(engine_yaml.read_text("utf-8").replace("listeners:\n", listener), "utf-8")
        with EngineProcess(root, port, cores=SERVER_CORES) as engine:
            engine.start()

            def stored() -> int:
                with closing(open_store(url, role="reader")) as reader:
                    return total(reader, "received")

            yield port, engine.pid, stored


SERVERS: dict[str, Server] = {"bare twisted.web echo": echo, "casecart, durable": casecart}


def main(arguments: list[str]) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Notifications to a durable 200, beside a bare twisted.web echo.")
    parser.add_argument("--quick", action="store_true", help="one short turn, for a first look")
    parser.add_argument("--senders", type=int, default=16)
    options = parser.parse_args(arguments)
    turns, seconds = (1, 1.5) if options.quick else (4, 4.0)
    best: dict[str, tuple[float, float, Result]] = {}
    for _ in range(turns):
        for name, server in SERVERS.items():
            cpu, result = _measured(server, options.senders, seconds)
            if name not in best or cpu < best[name][0]:
                best[name] = (cpu, result.messages / result.seconds, result)
    print(f"{len(notification('0' * 10))} bytes, {options.senders} connections")
    print("| server | CPU µs | of a core, a second | seen a second | p50 ms | p99 ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, (cpu, rate, result) in best.items():
        print(f"| {name} | {cpu:.1f} | {1e6 / cpu:,.0f} | {rate:,.0f} | {result.p50:.2f} | {result.p99:.2f} |")
    yardstick, ours = (best[name] for name in SERVERS)
    print(f"casecart has {yardstick[0] / ours[0]:.2f} of the echo's rate by CPU, {ours[1] / yardstick[1]:.2f} as seen")
    print(f"(wanted: {WANTED})")


def _measured(server: Server, senders: int, seconds: float) -> tuple[float, Result]:
    with server() as (port, pid, stored), Python("http_load.py", (port, senders), cores=LOAD_CORES) as generator:
        generator.read()
        warm = Result(**json.loads(generator.ask("load 0.5")))
        cpu = cpu_seconds(pid)
        result = Result(**json.loads(generator.ask(f"load {seconds}")))
        cpu = cpu_seconds(pid) - cpu
        if (count := stored()) and count != warm.messages + result.messages:
            raise ValueError(f"{warm.messages + result.messages} were answered, and {count} are stored")
        return cpu / result.messages * 1e6, result


if __name__ == "__main__":
    main(sys.argv[1:])
