"""What it costs to start: the CPU of commands that answer and end, and how long `casecart run` takes to its first ACK.

A command is run several times, the cheapest counts; `python -c pass` in the same run tells how fast the machine is. The
engine's time is by the clock, from the start of its process to the acknowledgement of a first message over TCP. Its
master data are 0 or 100,000 items of eight identifiers; messages are acknowledged while they are still being read.

Usage: python tests/bench/start.py [--quick]. Bytecode is kept in a folder of the bench, as an installed program has it.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bench.process import SERVER_CORES, cpu_seconds
from bench.resolve import item
from bench.scenario import DATA
from casecart.commands.workspace import make_workspace
from casecart.store import open_store
from support.charge import charge, frame
from support.engine_process import EngineProcess, free_port
from support.master import publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

ITEMS = 100_000
SLICE = 5_000  # items that are published at once, while the bench is prepared
ANSWER_LIMIT = 30.0
MESSAGES = 3  # before the queries, so that there is something to show

HELP = (("--help",), ("status", "--help"), ("message", "show", "--help"), ("run", "--help"))
QUERIES = (("status",), ("messages",), ("message", "show", "1"))


def cpu_of(command: Sequence[str], rounds: int) -> float:
    """Seconds of CPU that a command takes, user and system, the least of some rounds."""
    least = float("inf")
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least


def workspace(root: Path, items: int) -> int:
    """Makes the reference workspace with so many items in its store; gives the port of its listener."""
    make_workspace(root)
    port = free_port()
    configuration = root / "config" / "engine.yaml"
    declared = configuration.read_text("utf-8")
    assert "port: 2575" in declared
    configuration.write_text(declared.replace("port: 2575", f"port: {port}").replace("port: 8443", "port: 0"), "utf-8")
    with closing(open_store(f"sqlite:///{root}/var/casecart.db", role="person")) as store:
        for first in range(0, items, SLICE):
            publish(store, *map(item, range(first, min(first + SLICE, items))))
    return port


def acknowledged(port: int, control_id: str) -> None:
    """Sends a message and waits until it is acknowledged."""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_LIMIT) as sender:
        sender.sendall(frame(charge(control_id, f"V{control_id}")))
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            came = sender.recv(65_536)
            assert came, f"the engine hung up after {answer!r}"
            answer += came
    assert f"\rMSA|AA|{control_id}\r".encode() in answer, answer


def first_ack(root: Path, port: int, number: int) -> tuple[float, float, float]:
    """Seconds from the start of an engine to its open door and to its first ACK, and its CPU until then."""
    with EngineProcess(root, port, cores=SERVER_CORES) as engine:
        began = time.monotonic()
        door = engine.start()
        acknowledged(port, f"S{number}")
        took, cpu = time.monotonic() - began, cpu_seconds(engine.pid)
        engine.stop()
    return door, took, cpu


def commands(root: Path, rounds: int) -> Iterator[str]:
    """The first table."""
    casecart = str(Path(sys.executable).with_name("casecart"))
    bare = cpu_of([sys.executable, "-c", "pass"], rounds)
    yield f"{'CPU of a command':<34}{'ms':>7}{'x python':>10}"
    yield f"{'python -c pass':<34}{bare * 1e3:>7.0f}{1:>10.1f}"
    for words in (*HELP, *QUERIES):
        where = [] if words[-1] == "--help" else ["--workspace", str(root)]
        took = cpu_of([casecart, *words, *where], rounds)
        yield f"{' '.join(('casecart', *words)):<34}{took * 1e3:>7.0f}{took / bare:>10.1f}"


def engines(roots: Sequence[tuple[int, Path, int]], rounds: int) -> Iterator[str]:
    """The second table."""
    yield f"{'casecart run, master data':<34}{'door s':>7}{'ACK s':>10}{'CPU s':>8}"
    for items, root, port in roots:
        door, took, cpu = min((first_ack(root, port, number) for number in range(rounds)), key=lambda row: row[1])
        yield f"{f'{items:,} items':<34}{door:>7.2f}{took:>10.2f}{cpu:>8.2f}"


def main(arguments: Sequence[str]) -> None:
    """Prints the tables."""
    rounds = 2 if "--quick" in arguments else 7
    DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
        places = {items: Path(folder) / str(items) for items in (0, ITEMS)}
        roots = [(items, root, workspace(root, items)) for items, root in places.items()]
        _, small, port = roots[0]
        with EngineProcess(small, port) as engine:
            engine.start()
            for number in range(MESSAGES):
                acknowledged(port, f"Q{number}")
            engine.stop()
        for line in (*commands(small, rounds), "", *engines(roots, rounds)):
            print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
