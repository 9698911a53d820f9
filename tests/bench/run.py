"""`make bench`: casecart beside a bare ACK server and python-hl7's, by server CPU per message, in one run.

Each server has one core to itself; load, sink and database share another. Figures are the best of some repeats: the
machine may be shared, and what disturbs only ever adds. The table is for people, var/bench/latest.json for programs.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from bench.measurement import Shape, measure
from bench.process import LOAD_CORES, SERVER_CORES
from bench.scenario import DATA, NULL, SCENARIOS
from bench.table import generator_check, rows_table

if TYPE_CHECKING:
    from bench.measurement import Row
    from bench.scenario import Scenario

__all__ = ["main"]

SHAPES = (Shape(1), Shape(8), Shape(64), Shape(64, 16))


def main(arguments: list[str]) -> None:
    """Measures, prints, writes."""
    options = _options(arguments)
    if SERVER_CORES == LOAD_CORES:
        print("One core only: servers and load share it. Trust the CPU figures, not the rates.")
    rounds, warm, seconds = (1, 0.4, 1.2) if options.quick else (2, 0.7, 2.5)
    stores = options.store or (["sqlite"] if options.quick else ["sqlite", "postgresql"])
    wanted: list[tuple[Scenario, str, Shape]] = []
    for shape in SHAPES:
        wanted.append((NULL, "none", shape))
        for scenario in (SCENARIOS[name] for name in options.scenario):
            wanted += [(scenario, store, shape) for store in (stores if scenario.stores else ["none"])]
    best: dict[tuple[Scenario, str, Shape], Row] = {}
    for turn in range(options.rounds or rounds):
        for key in wanted:
            scenario, store, shape = key
            _say(f"round {turn + 1}: {scenario.title}, {store}, {shape.senders} senders, {shape.in_flight} in flight")
            row = measure(scenario, store, shape, warm=warm, seconds=seconds)
            if key not in best or _better(row, best[key]):
                best[key] = row
    _say("")
    rows = [row for key, row in best.items() if key[0] is not NULL]
    print(rows_table(rows))
    print(generator_check([row for key, row in best.items() if key[0] is NULL], rows))
    DATA.mkdir(parents=True, exist_ok=True)
    path = DATA / "latest.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    print(f"Written to {path}")


def _better(row: Row, known: Row) -> bool:
    if row.scenario == NULL.name:  # it shows what the generator can do, and is nobody's figure
        return row.msgs_per_s > known.msgs_per_s
    return row.cpu_us_per_msg < known.cpu_us_per_msg


def _say(what: str) -> None:
    """What is going on, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r{what:<100}\r", end="", file=sys.stderr, flush=True)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures casecart beside other servers, by CPU per message.")
    parser.add_argument("--quick", action="store_true", help="one short round, for a first look")
    parser.add_argument("--rounds", type=int, help="of how many repeats the best is taken")
    parser.add_argument(
        "--store", nargs="+", choices=["sqlite", "postgresql"], help="the stores to measure; both, or SQLite if quick"
    )
    parser.add_argument(
        "--scenario", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS), help="the servers to measure"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
