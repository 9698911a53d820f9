"""What growth costs: the whole path with more and more stored messages, channels on a listener, and lines a message.

Each message has lots and serial numbers of its own (`bench.varied`); 64 senders wait for each acknowledgement. Of
several rounds the one with the least CPU counts; between them the bare ACK server is measured, whose CPU says how fast
the machine was just then. The stores are filled by `bench.fill`; about 6 KB a message are needed
below var/bench for as long as it runs. How many items there may be is measured by resolve.py.

    PYTHONPATH=tests python tests/bench/growth.py [--messages 0 1000000] [--channels 1 20 200] [--lines 1 10 100]

A list may be empty. `--folder` names a workspace that fill.py made, to be measured as it is. Tables go to the
standard output, all rows to var/bench/growth.json. `--chart FILE` draws what stored messages cost.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.chart import chart
from bench.fill import STEP, fill, workspace
from bench.measurement import Shape, measure
from bench.scenario import DATA, SCENARIOS, Scenario, engine_on, posted, total
from casecart.store import MessageFilter, migrate, open_store
from support.charge import LINES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.measurement import Row
    from bench.scenario import Running

__all__ = ["Grown", "add_channels", "growth_table", "main"]

SENDERS = 64
ACCEPTED = "DFT^P03"
MOST_SENDERS = 900
"""On one store: a sender's number has three digits, and those of filled messages begin with 9."""


@dataclass(frozen=True, slots=True)
class Grown:
    """What was measured at one size.

    Attributes:
        number: the size.
        row: of the whole path.
        bare: CPU µs a message of the bare ACK server, at the same time.
    """

    number: int
    row: Row
    bare: float


GREETING = "B{:03}0000001000"
"""Control id of a sender's first message."""


class _Stored:
    """One workspace with its store, measured again and again while it fills."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = f"sqlite:///{root}/casecart.db"
        workspace(root)
        migrate(self.url)

    @property
    def messages(self) -> int:
        """How many it has taken."""
        with closing(open_store(self.url, role="reader")) as store:
            return total(store, "received")

    def fill_up(self, messages: int) -> None:
        """Has at least so many messages in it."""
        there = self.messages
        if there < messages:
            began = time.time_ns() // 1000 - messages * STEP
            fill(self.root, range(there + 1, messages + 1), began=began)

    def measure(self, number: int, options: argparse.Namespace, lines: int = LINES) -> Grown:
        """The best of some rounds.

        Args:
            number: what is told of it.
            options: how often and how long.
            lines: a message.
        """
        scenario = Scenario("whole path", "as `bench.scenario` has it", partial(self._engine, lines), stores=True)
        rows: list[Row] = []
        bare: list[Row] = []
        for _ in range(options.rounds):
            bare.append(measure(SCENARIOS["bare ACK"], "none", Shape(SENDERS), warm=0.3, seconds=1.0))
            shape = Shape(SENDERS, lines=lines, first=self._unheard())
            rows.append(measure(scenario, "sqlite", shape, warm=options.warm, seconds=options.seconds))
        best, yardstick = (min(each, key=lambda row: row.cpu_us_per_msg) for each in (rows, bare))
        return Grown(number, best, yardstick.cpu_us_per_msg)

    def _unheard(self) -> int:
        """Number of the first sender from which on none has sent anything to this store."""
        with closing(open_store(self.url, role="reader")) as store:
            for number in range(0, MOST_SENDERS - SENDERS, SENDERS):
                if not store.messages(MessageFilter(control_id=GREETING.format(number)), None, 1):
                    return number
        raise ValueError("this store has been measured too often: fill another one")

    def _engine(self, lines: int, _: str) -> Iterator[Running]:
        with closing(open_store(self.url, role="reader")) as store:
            before = total(store, "posted")
        yield from engine_on(self.root, self.url, accept=ACCEPTED, done=posted(lines, before))


def add_channels(root: Path, channels: int) -> None:
    """Gives the listener so many channels; all but the workspace's own accept another message type each."""
    for number in range(1, channels):
        text = _CHANNEL.format(number=number, type=f"Z{number // 36:X}{_LETTERS[number % 36]}")
        (root / "channels" / f"other-{number}.yaml").write_text(text, encoding="utf-8")


_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CHANNEL = """\
channel: other-{number}
about: It is there and takes nothing of this.
from: [or-mllp]
accept: ["{type}^Z01"]
steps:
  - map: dft-usage
  - route:
      - otherwise: {{hold: "Nobody posts this"}}
"""


def growth_table(what: str, grown: Sequence[Grown]) -> str:
    """What was measured while one thing grew, each row's CPU also as a multiple of the bare ACK's and the first row's.

    Args:
        what: grew.
        grown: least first.
    """
    head = f"{what:>16}{'msgs/s':>9}{'CPU µs/msg':>12}{'x bare ACK':>12}{'x first':>9}"
    lines = [f"{head}{'ACK p50 ms':>12}{'p99 ms':>9}{'written KB/msg':>16}{'RSS MB':>8}"]
    first = grown[0].row.cpu_us_per_msg
    for each in grown:
        row, cpu = each.row, each.row.cpu_us_per_msg
        line = f"{each.number:>16,}{row.msgs_per_s:>9,.0f}{cpu:>12.1f}{cpu / each.bare:>12.1f}{cpu / first:>9.2f}"
        line += f"{row.ack_p50_ms:>12.2f}{row.ack_p99_ms:>9.2f}{row.written_kb_per_msg:>16.1f}{row.rss_mb:>8.0f}"
        lines.append(line)
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Measures, prints, writes."""
    options = _options(arguments)
    DATA.mkdir(parents=True, exist_ok=True)
    grown: dict[str, list[Grown]] = {}
    for what, measured in (
        ("stored messages", _messages(options)),
        ("channels", _channels(options)),
        ("lines a message", _lines(options)),
    ):
        grown[what] = list(measured)
        if grown[what]:
            print(f"{growth_table(what, grown[what])}\n", flush=True)
    path = DATA / "growth.json"
    written = [
        {"what": what, "number": each.number, "bare_ack_cpu_us": each.bare, **asdict(each.row)}
        for what in grown
        for each in grown[what]
    ]
    path.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {path}")
    stored = grown["stored messages"]
    if options.chart and stored:
        points = [(each.number / 1e6, each.row.cpu_us_per_msg / each.bare) for each in stored]
        across, up = "million messages in the store", "CPU as a multiple of the bare ACK"
        drawing = chart("What a message costs on the whole path", across, up, {"SQLite": points})
        options.chart.parent.mkdir(parents=True, exist_ok=True)
        options.chart.write_text(drawing, encoding="utf-8")


def _messages(options: argparse.Namespace) -> Iterator[Grown]:
    """One store, and more and more in it."""
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        stored = _Stored(Path(folder))
        for messages in sorted(options.messages):
            stored.fill_up(messages)
            yield stored.measure(messages, options)
    if options.folder:
        stored = _Stored(options.folder.absolute())
        yield stored.measure(stored.messages, options)


def _channels(options: argparse.Namespace) -> Iterator[Grown]:
    for channels in sorted(options.channels):
        with tempfile.TemporaryDirectory(dir=DATA) as folder:
            stored = _Stored(Path(folder))
            add_channels(stored.root, channels)
            yield stored.measure(channels, options)


def _lines(options: argparse.Namespace) -> Iterator[Grown]:
    for lines in sorted(options.lines):
        with tempfile.TemporaryDirectory(dir=DATA) as folder:
            yield _Stored(Path(folder)).measure(lines, options, lines)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures what growth costs, by CPU per message of the whole path.")
    parser.add_argument("--messages", type=int, nargs="*", default=[0, 1_000_000], help="in the store")
    parser.add_argument("--folder", type=Path, help="a workspace that fill.py made, to measure as it is")
    parser.add_argument("--channels", type=int, nargs="*", default=[1, 20, 200], help="on the listener")
    parser.add_argument("--lines", type=int, nargs="*", default=[1, 10, 100], help="of a message")
    parser.add_argument("--rounds", type=int, default=3, help="of how many repeats the best is taken")
    parser.add_argument("--warm", type=float, default=1.0, help="seconds before each")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each")
    parser.add_argument("--chart", type=Path, help="an SVG file to draw")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
