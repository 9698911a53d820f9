"""What the fuzz targets share: a target is a function that raises where bytes do what no bytes may do.

    python tests/fuzz/TARGET.py [SECONDS [SEED]]
    python tests/fuzz/TARGET.py --atheris [libFuzzer's options]

The first way changes the seeds by chance, and needs nothing. The second looks for new paths through the code, from the
seeds on, and keeps what it found in var/fuzz.
"""

from __future__ import annotations

import importlib
import random
import sys
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Target", "main", "mutated"]

FOUND = Path(__file__).parents[2] / "var" / "fuzz"
SLOWEST = 0.5  # seconds of the CPU for one input
LONGEST = 4096  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is fuzzed.

    Attributes:
        name: of its folder in var/fuzz.
        check: raises where the bytes do what they may not.
        seeds: inputs that go deep, all made up; what was found once is added to them.
        marks: pieces that mean something to the code.
        modules: what atheris watches, by the beginning of the modules' names.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: Sequence[bytes]
    marks: Sequence[bytes]
    modules: Sequence[str]

    def timed(self, data: bytes) -> None:
        """Checks, and holds slowness for a fault."""
        begun = time.process_time()
        self.check(data)
        if (taken := time.process_time() - begun) > SLOWEST:
            raise AssertionError(f"{taken:.1f} s for {len(data)} bytes")


def mutated(target: Target, chance: random.Random) -> bytes:
    """A seed with some bytes more, less, other, or with a part of another one."""
    data = bytearray(chance.choice(target.seeds))
    for _ in range(chance.randint(0, 6)):
        at, span = chance.randint(0, len(data)), chance.choice((0, 0, 1, 1, 2, 8, 40))
        other = chance.choice(target.seeds)
        start = chance.randint(0, len(other))
        data[at : at + span] = chance.choice(
            (
                b"",
                chance.choice(target.marks),
                chance.choice(target.marks) * chance.randint(2, 40),
                bytes([chance.randrange(256)]),
                other[start : start + chance.randint(1, 60)],
            )
        )
    return bytes(data[:LONGEST])


def main(target: Target) -> int:
    """Runs as the command line says; the exit code."""
    arguments = sys.argv[1:]
    if "--atheris" in arguments:
        arguments.remove("--atheris")
        _look(target, arguments)
        return 0  # libFuzzer ends the process itself
    seconds = float(arguments[0]) if arguments else 10.0
    seed = int(arguments[1]) if len(arguments) > 1 else random.randrange(2**32)
    chance, end, tried = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = mutated(target, chance)
        try:
            target.timed(data)
        except Exception as error:  # noqa: BLE001 - any at all is what is looked for
            sys.stdout.write(f"{target.name}: seed {seed}, input {tried}: {type(error).__name__} {error}\n{data!r}\n")
            return 1
        tried += 1
    sys.stdout.write(f"{target.name}: {tried:,} inputs in {seconds:g} s, seed {seed}: none failed\n")
    return 0


def _look(target: Target, options: list[str]) -> None:
    atheris = importlib.import_module("atheris")
    folder = FOUND / target.name
    folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds:
        (folder / sha256(seed).hexdigest()[:16]).write_bytes(seed)
    for function in _functions(tuple(target.modules)):
        atheris.instrument_func(function)
    options += [f"-max_len={LONGEST}", f"-artifact_prefix={folder}-", str(folder)]
    atheris.Setup([sys.argv[0], *options], target.timed)
    atheris.Fuzz()


def _functions(modules: tuple[str, ...]) -> set[FunctionType]:
    """What is written in these modules: functions, methods, properties, and what a cache stands in front of."""
    found: set[FunctionType] = set()
    for name, module in list(sys.modules.items()):
        if not name.startswith(modules):
            continue
        things = list(vars(module).values())
        for thing in things:
            if isinstance(thing, type) and thing.__module__ == name:
                things += vars(thing).values()  # what is added is gone over as well
            function = getattr(thing, "fget", None) or getattr(thing, "__wrapped__", thing)
            if isinstance(function, FunctionType) and function.__module__ == name:
                found.add(function)
    return found
