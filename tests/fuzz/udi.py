"""Feeds the UDI parser codes with mistakes in them, for as long as asked: `python tests/fuzz/udi.py [SECONDS [SEED]]`.

With atheris installed, `python tests/fuzz/udi.py --atheris [libFuzzer's options]` lets it look for new paths instead.
"""

from __future__ import annotations

import importlib
import random
import sys
import time
from datetime import date

from casecart.formats.udi import LONGEST, Ambiguous, Udi, canonical, parse

__all__ = ["check", "main", "mutated"]

TODAY = date(2026, 6, 1)
SLOWEST = 0.25  # seconds for one text; on a busy machine, so far from what is usual

SEEDS = (
    "(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234",
    "\x1d0151022222233336111412311715070710A213B1\x1d211234",
    "]d201108576740020171714112010NYFUL01\u219421192837\u2194713A1B2C3D4E5F6G",
    "0100643169001763172511301021A11F4821XYZ",
    "{01}00844588003288{17}141120{10}7654321D{21}10987654d321",
    "01 00643169001763 17 160712 21 21A11F4855",
    "00643169001763",
    "+X999123ABC0/$$4190515211234AB/S5678EDFG/16D20151001N",
    "*+A123BJC5D6E71G*",
    "+$$3190515LOTGZ",
    "=/A9999XYZ100T0944=,000025=A99971312345600=>014032=}013032&,1000000000000XYZ123",
    "=)1TE123456A&)RZ12345678",
    "[)>\x1e06\x1d9N110375286414\x1d1TABC123\x1dD251130\x1dSXYZ\x1e\x04",
    "[)>\x1e05\x1d01006431690017631725113010ABC\x1e\x04",
    "9N110375286414",
    "PP12345ABCD.12345678.9004",
)
CHARACTERS = "0123456789ABCXYZabc()[]{}<>+-*/$%&=.,_^|~\\ \x00\x04\x1d\x1e\r\n\u2194\u0663\xc4\ud800"


def check(text: str) -> None:
    """Whatever the text: no exception, not for long, nothing left out, and a canonical form that stays."""
    begun = time.process_time()
    reading = parse(text, today=TODAY)
    if time.process_time() - begun > SLOWEST:
        raise AssertionError(f"slow: {text!r}")
    found = (reading,) if isinstance(reading, Udi) else reading.readings if isinstance(reading, Ambiguous) else ()
    tied = isinstance(reading, Ambiguous) and reading.code == "check-lost"  # the first reading is its own text
    for each in found:
        if "".join(piece.text for piece in each.pieces) != text:
            raise AssertionError(f"left out: {text!r}")
        if (tied and each is found[0]) or len(canonical(each)) > LONGEST:
            continue
        again = parse(canonical(each), today=TODAY)
        if not isinstance(again, Udi) or canonical(again) != canonical(each) or again.di != each.di:
            raise AssertionError(f"not canonical: {text!r}")


def mutated(chance: random.Random) -> str:
    """A code with some characters more, less, other, or with a part of another code."""
    text = chance.choice(SEEDS)
    for _ in range(chance.randint(0, 4)):
        at, span = chance.randint(0, len(text)), chance.randint(0, 3)
        other = chance.choice(SEEDS)
        start = chance.randint(0, len(other))
        inserted = chance.choice(["", chance.choice(CHARACTERS), other[start : start + chance.randint(1, 12)]])
        text = text[:at] + inserted + text[at + span :]
    return text


def main(arguments: list[str]) -> int:
    """The number of texts that failed."""
    seconds = float(arguments[0]) if arguments else 10.0
    seed = int(arguments[1]) if len(arguments) > 1 else random.randrange(2**32)
    chance, end, tried = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        text = mutated(chance)
        try:
            check(text)
        except Exception as error:  # noqa: BLE001 - any at all is what is looked for
            sys.stdout.write(f"seed {seed}, text {tried}: {type(error).__name__} {error}\n{text!r}\n")
            return 1
        tried += 1
    sys.stdout.write(f"{tried:,} texts in {seconds:g} s, seed {seed}: none failed\n")
    return 0


def _atheris(arguments: list[str]) -> None:
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(arguments, lambda data: check(data.decode("latin-1")))
    atheris.Fuzz()


if __name__ == "__main__":
    if "--atheris" in sys.argv:
        _atheris([argument for argument in sys.argv if argument != "--atheris"])
    else:
        sys.exit(main(sys.argv[1:]))
