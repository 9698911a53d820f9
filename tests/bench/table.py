"""The bench's tables, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.measurement import Row

__all__ = ["TIMES", "generator_check", "rows_table"]

TIMES = 3
"""The load generator must be so many times faster than the fastest server, or it is the generator that is measured."""

YARDSTICK = "bare ACK"


def rows_table(rows: Sequence[Row]) -> str:
    """All rows, with the ratio of their CPU to the bare ACK's under the same load."""
    yardstick = {(row.senders, row.pipelined): row.cpu_us_per_msg for row in rows if row.scenario == YARDSTICK}
    head = f"{'':<17}{'store':<12}{'senders':<14}{'msgs/s':>9}{'CPU µs/msg':>12}{'x bare ACK':>12}"
    head += f"{'ACK p50 ms':>12}{'p99 ms':>9}{'RSS MB':>8}{'database CPU µs':>17}"
    lines = [head]
    for row in rows:
        bare = yardstick.get((row.senders, row.pipelined))
        ratio = f"{row.cpu_us_per_msg / bare:.2f}" if bare else ""
        database = f"{row.database_cpu_us_per_msg:.1f}" if row.store == "postgresql" else ""
        title = f"{row.scenario}, TLS" if row.tls else row.scenario
        line = f"{title:<17}{row.store:<12}{_load(row):<14}{row.msgs_per_s:>9,.0f}{row.cpu_us_per_msg:>12.1f}"
        line += f"{ratio:>12}{row.ack_p50_ms:>12.2f}{row.ack_p99_ms:>9.2f}{row.rss_mb:>8.0f}{database:>17}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def generator_check(null: Sequence[Row], rows: Sequence[Row]) -> str:
    """What the load generator reached against the null server, beside the fastest server of each load.

    Judged by CPU, as the servers are: how many messages a core of its own would let each of them do.
    """
    lines = ["Load generator, against a null server:"]
    for alone in null:
        load = (alone.senders, alone.pipelined)
        times = _times(alone, [row for row in rows if (row.senders, row.pipelined) == load])
        own = alone.generator_cpu_us_per_msg
        lines.append(f"  {_load(alone):<14}{alone.msgs_per_s:>10,.0f}/s, {own:5.2f} µs of its own CPU: {times}")
    best = min(null, key=lambda row: row.generator_cpu_us_per_msg)
    fastest = min(row.cpu_us_per_msg for row in rows)
    enough = "enough" if best.generator_cpu_us_per_msg * TIMES <= fastest else "TOO LITTLE"
    lines.append(f"  overall {_times(best, rows)}: {enough}, {TIMES} are wanted")
    return "\n".join(lines)


def _times(alone: Row, rows: Sequence[Row]) -> str:
    fastest = min(rows, key=lambda row: row.cpu_us_per_msg)
    return (
        f"{fastest.cpu_us_per_msg / alone.generator_cpu_us_per_msg:.1f} times the fastest "
        f"({fastest.scenario}, {fastest.cpu_us_per_msg:.1f} µs)"
    )


def _load(row: Row) -> str:
    return f"{row.senders} pipelined" if row.pipelined else str(row.senders)
