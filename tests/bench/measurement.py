"""One measurement: a server under one load, from rest to rest, so that everything a message causes is counted."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.load import Result
from bench.process import LOAD_CORES, Python, resident_megabytes, written_bytes

if TYPE_CHECKING:
    from bench.scenario import Scenario

__all__ = ["Row", "Shape", "measure"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How the load comes.

    Attributes:
        senders: connections.
        in_flight: messages that each has on their way; 1: as real MLLP senders do.
        lines: of a message, with lots and serial numbers of its own; None: the usual messages.
        first: number of the first sender, where another load was sent to the same store before.
    """

    senders: int
    in_flight: int = 1
    lines: int | None = None
    first: int = 0

    @property
    def arguments(self) -> tuple[int, ...]:
        """For `load.py`, behind the port."""
        more = () if self.lines is None else (self.lines, self.first)
        return (self.senders, self.in_flight, *more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came out, as `var/bench/latest.json` has it.

    Attributes:
        scenario: the server's name.
        senders: connections.
        pipelined: whether they had several messages on their way.
        store: `sqlite`, `postgresql`, or `none`.
        tls: whether connections were encrypted.
        msgs_per_s: messages by the time until all that they cause was done. On a busy machine it says little.
        cpu_us_per_msg: of the server, user and system.
        database_cpu_us_per_msg: of the database server, where there is one.
        generator_cpu_us_per_msg: of the load generator.
        ack_p50_ms: half of the acknowledgements came within so many milliseconds.
        ack_p99_ms: of a hundred, 99.
        rss_mb: the server's memory in the end.
        written_kb_per_msg: what the server wrote to the disk; a page counts as often as it was written.
    """

    scenario: str
    senders: int
    pipelined: bool
    store: str
    tls: bool
    msgs_per_s: float
    cpu_us_per_msg: float
    database_cpu_us_per_msg: float
    generator_cpu_us_per_msg: float
    ack_p50_ms: float
    ack_p99_ms: float
    rss_mb: float
    written_kb_per_msg: float = 0.0


def measure(scenario: Scenario, store: str, shape: Shape, *, warm: float, seconds: float) -> Row:
    """One server under one load.

    Args:
        scenario: the server.
        store: the kind of its store; `none` where it has none.
        shape: of the load.
        warm: seconds of load before the measurement.
        seconds: of the measurement; what is not done by then is waited for and counts too.
    """
    with (
        scenario.running(store) as server,
        Python("load.py", (server.port, *shape.arguments, *server.papers), cores=LOAD_CORES) as generator,
    ):
        generator.read()
        sent = shape.senders + _load(generator, warm).messages  # each sender has sent one to see that it is answered
        server.settle(sent)
        cpu, database_cpu = server.cpu()
        written = written_bytes(server.pid)
        result = _load(generator, seconds)
        waiting = time.monotonic()
        server.settle(sent + result.messages)
        waited = time.monotonic() - waiting
        cpu_after, database_cpu_after = server.cpu()

        def each(total: float) -> float:
            return round(total / result.messages * 1e6, 2)

        return Row(
            scenario=scenario.name,
            senders=shape.senders,
            pipelined=shape.in_flight > 1,
            store=store,
            tls=server.tls is not None,
            msgs_per_s=round(result.messages / (result.seconds + waited), 1),
            cpu_us_per_msg=each(cpu_after - cpu),
            database_cpu_us_per_msg=each(database_cpu_after - database_cpu),
            generator_cpu_us_per_msg=each(result.cpu),
            ack_p50_ms=round(result.p50, 3),
            ack_p99_ms=round(result.p99, 3),
            rss_mb=round(resident_megabytes(server.pid), 1),
            written_kb_per_msg=round((written_bytes(server.pid) - written) / result.messages / 1024, 1),
        )


def _load(generator: Python, seconds: float) -> Result:
    return Result(**json.loads(generator.ask(f"load {seconds}")))
