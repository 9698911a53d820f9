"""What a real Tryton takes: postings a second and their CPU, by lines a shipment and by calls at once.

    PYTHONPATH=tests python tests/bench/tryton.py [--lines 1 3 10] [--concurrency 1 2 4 8] [--batch N]

Each row is an engine of its own, a process on a workspace as `casecart init` makes it, and they all post to one seeded
Tryton. The destination is paused, messages are sent, the destination is resumed: what is measured is the way from the
ledger to Tryton and back, from rest to rest, and none of the way in. Each message of a row has a quantity of its own,
so that Tryton's moves tell whether each line was moved, and once. Where the machine is shared, trust the CPU, and not
the clock.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.process import cpu_seconds
from casecart.runtime.made import decode_postings
from casecart.store import open_store
from support.charge import frame
from support.engine_process import EngineProcess, free_port
from support.forked import CASECART
from support.tryton.kit import Kit
from support.tryton.server import Tryton
from support.user import User

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from casecart.runtime.destination import Posting

__all__ = ["HEAD", "Row", "main", "measure", "told"]

MESSAGES = {1: 16, 3: 12, 10: 10}
"""Of a row, by their lines: some seconds each."""

LIMIT = 60.0  # seconds for a row
BUDGET = 150.0  # seconds after which no more rows are begun
LOOK = 0.1  # seconds between looks whether all is done
OBEYED = 1.5  # seconds after which an engine has heard that a destination is paused
STOCK = 1_000_000
ITEM = "SCREW-65-30"

HEAD = (
    f"{'lines':>5}{'concurrency':>12}{'batch':>7}{'postings':>10}{'shipments':>11}{'again':>7}"
    f"{'postings/s':>12}{'ms/shipment':>13}{'engine µs each':>15}{'Tryton ms each':>15}"
)

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came out.

    Attributes:
        lines: of each message, which make one shipment.
        concurrency: calls at once.
        batch: postings a call, at most.
        postings: that were confirmed.
        shipments: that they went out in.
        again: postings that were sent more than once, or looked up.
        seconds: from the first one sent to the last one confirmed.
        engine_us: CPU of the engine for a posting.
        tryton_ms: CPU of Tryton's own process for a posting.
    """

    lines: int
    concurrency: int
    batch: int
    postings: int
    shipments: int
    again: int
    seconds: float
    engine_us: float
    tryton_ms: float


def main(arguments: list[str]) -> None:
    """Measures and prints, row by row."""
    options = _options(arguments)
    kit = Kit()
    if not kit.ready:
        sys.exit(f"There is no Tryton in {kit.home}: `make tryton` makes it.")
    with tempfile.TemporaryDirectory(prefix="casecart-bench.") as name:
        folder = Path(name)
        with Tryton(kit, folder / "tryton", free_port()) as tryton:
            print(HEAD)
            for row in measure(folder, tryton, options.lines, options.concurrency, options.batch):
                print(told(row), flush=True)


def measure(
    folder: Path, tryton: Tryton, lines: Sequence[int], concurrency: Sequence[int], batch: int | None = None
) -> Iterator[Row]:
    """A row for each of these.

    Args:
        folder: for workspaces.
        tryton: runs.
        lines: of a message.
        concurrency: calls at once.
        batch: postings a call; None: as many as a message has, so that a call is a shipment.
    """
    lots = [f"B{number}" for number in range(max(lines))]
    for lot in lots:
        tryton.new_lot(ITEM, lot, str(STOCK))
    new = _workspace(folder / "new")
    over = time.monotonic() + BUDGET
    for calls in concurrency:
        for number in lines:
            if time.monotonic() > over:
                print(f"The time is up: no row for {number} lines, {calls} calls at once", file=sys.stderr)
                continue
            yield _row(Bench(new, folder / f"{calls}-{number}", tryton, calls, batch or number), lots[:number])


class Bench:
    """An engine that posts to a Tryton, and what came of it."""

    def __init__(self, new: Path, ws: Path, tryton: Tryton, concurrency: int, batch: int) -> None:
        self.user, self.tryton, self.concurrency, self.batch = User(new, ws), tryton, concurrency, batch
        (ws / "var" / "secrets" / "tryton").write_text(tryton.key)
        path = ws / "config" / "engine.yaml"
        settings = f'url: "{tryton.url}", key: {{file: var/secrets/tryton}}, batch: {batch}, concurrency: {concurrency}'
        text = path.read_text("utf-8")
        assert "kind: file, folder: var/inventory" in text
        path.write_text(text.replace("kind: file, folder: var/inventory", f"kind: tryton, {settings}"), "utf-8")

    def send(self, quantities: Sequence[int], lots: Sequence[str]) -> None:
        """A message for each quantity, of a case of its own; each is acknowledged before the next one."""
        with socket.create_connection(("127.0.0.1", self.user.port), timeout=30) as connection:
            for quantity in quantities:
                connection.sendall(frame(_message(quantity, lots)))
                answer = b""
                while not answer.endswith(b"\x1c\r"):
                    answer += connection.recv(65_536)
                assert b"\rMSA|AA|" in answer, answer

    def wait(self, **wanted: int) -> list[Posting]:
        """Until there are so many postings of each state, and no others."""
        give_up = time.monotonic() + LIMIT
        with closing(open_store(f"sqlite:///{self.user.ws}/var/casecart.db", role="reader")) as store:
            while True:
                entries = store.entries_of("inventory", 0, 10_000)
                found = [posting for entry in entries for posting in decode_postings(entry.postings)]
                states = Counter(str(posting.state) for posting in found)
                if states == wanted:
                    return found
                if time.monotonic() > give_up:
                    troubles = sorted({f"{posting.code}: {posting.words}" for posting in found if posting.code})
                    raise TimeoutError(f"{dict(states)} in place of {wanted}; {troubles}")
                time.sleep(LOOK)

    def say(self, *typed: str) -> None:
        """A command."""
        done = self.user.run(*typed)
        assert done.returncode == 0, done.stderr


def _row(bench: Bench, lots: Sequence[str]) -> Row:
    """From rest to rest. The first message, by which the numbers of item and locations get known, does not count."""
    quantities = range(2, 2 + MESSAGES.get(len(lots), 12))
    postings = len(lots) * len(quantities)
    before = {lot: moves(bench.tryton, lot) for lot in lots}
    with EngineProcess(bench.user.ws, bench.user.port) as engine:
        engine.start()
        bench.send([1], lots)
        warm = {posting.key for posting in bench.wait(posted=len(lots))}
        bench.say("pause", "inventory", "--reason", "bench")
        time.sleep(OBEYED)
        bench.send(quantities, lots)
        bench.wait(posted=len(lots), planned=postings)
        cpu, tryton_cpu = cpu_seconds(engine.pid), cpu_seconds(bench.tryton.pid)
        bench.say("resume", "inventory")
        found = bench.wait(posted=len(lots) + postings)
        cpu, tryton_cpu = cpu_seconds(engine.pid) - cpu, cpu_seconds(bench.tryton.pid) - tryton_cpu
        assert engine.stop() == 0
    for lot in lots:
        moved = moves(bench.tryton, lot) - before[lot]
        assert moved == Counter([1, *quantities]), f"of {lot} were moved: {dict(moved)}"
    found = [posting for posting in found if posting.key not in warm]
    assert {posting.proof for posting in found} == {"read back"}
    began = min(at for posting in found for at, state in posting.history if state == "sent")
    ended = max(at for posting in found for at, state in posting.history if state == "posted")
    return Row(
        lines=len(lots),
        concurrency=bench.concurrency,
        batch=bench.batch,
        postings=postings,
        shipments=len({posting.reference for posting in found}),
        again=sum(posting.attempts > 1 or "unknown" in dict(posting.history).values() for posting in found),
        seconds=(ended - began) / 1e6,
        engine_us=cpu / postings * 1e6,
        tryton_ms=tryton_cpu / postings * 1e3,
    )


def told(row: Row) -> str:
    """A line of the table, below `HEAD`."""
    return (
        f"{row.lines:>5}{row.concurrency:>12}{row.batch:>7}{row.postings:>10}{row.shipments:>11}{row.again:>7}"
        f"{row.postings / row.seconds:>12.1f}{1000 * row.seconds / row.shipments:>13.0f}"
        f"{row.engine_us:>15,.0f}{row.tryton_ms:>15.1f}"
    )


def moves(tryton: Tryton, lot: str) -> Counter[int]:
    """How many times each quantity of a lot was moved."""
    return Counter(int(float(each["quantity"])) for each in tryton.moves(lot))


def _message(quantity: int, lots: Sequence[str]) -> bytes:
    """A made-up DFT^P03 of a case of its own, with a line for each lot."""
    number = next(_numbers)
    segments = [
        f"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20261103093012||DFT^P03^DFT_P03|B{number}|P|2.8.2",
        "PID|1||MRN1",
        f"PV1|1|I|{'|' * 16}B{number}",
    ]
    for line, lot in enumerate(lots, 1):
        segments.append(f"FT1|{line}|{line}||20261103|20261103|CG||||{quantity}|||OR-MAIN{'|' * 21}{ITEM}")
        segments.append(f"PRT|1|UC||EQUIP{'|' * 15}{lot}")
    return "".join(f"{segment}\r" for segment in segments).encode()


def _workspace(folder: Path) -> Path:
    """What `casecart init` makes, with the samples' master data."""
    subprocess.run([CASECART, "init", str(folder)], capture_output=True, check=True)
    tables = sorted(str(table) for table in (folder / "samples" / "master").glob("*.csv"))
    command = [CASECART, "master", "import", *tables, "--from", "erp", "--workspace", str(folder)]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return folder


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures how fast a real Tryton takes postings.")
    parser.add_argument("--lines", nargs="+", type=int, default=list(MESSAGES), help="lines of a message")
    parser.add_argument("--concurrency", nargs="+", type=int, default=[1, 2, 4, 8], help="calls at once")
    parser.add_argument("--batch", type=int, help="postings a call; else as many as a message has lines")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
