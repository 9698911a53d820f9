"""How badly the world around a simulated engine behaves: drawn by the seed, each fault in some runs only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

__all__ = ["Weather", "draw"]


@dataclass(frozen=True, slots=True)
class Weather:
    """Chances of faults, each of one call or one delivery; 0 is fair weather.

    Attributes:
        unavailable: a call of the store fails and has done nothing.
        uncertain: a write fails, and may have been made.
        broken: the store fails for good, until the engine is started again.
        crash: the process dies before or after a call of the store.
        slow: computing takes tenths of a second.
        cut: a sender's connection breaks, on the way there or back.
        again: a sender sends once more what was acknowledged long ago.
        trouble: a call of a destination does not go as it should.
        strokes: seconds between larger strokes on average (a kill, a stop, an outage, a step of the clock); 0: none.
        batch: postings a call.
        concurrency: calls at once.
        window: ledger rows that a dispatcher has in memory.
        behind: messages that may wait in memory to be mapped.
    """

    unavailable: float
    uncertain: float
    broken: float
    crash: float
    slow: float
    cut: float
    again: float
    trouble: float
    strokes: float
    batch: int
    concurrency: int
    window: int
    behind: int


def draw(chance: Random) -> Weather:
    """Each fault is left out of about half the runs, so that no fault can hide what another one shows."""

    def some(*rates: float) -> float:
        return chance.choice(rates) if chance.random() < 0.5 else 0.0

    return Weather(
        unavailable=some(0.002, 0.01, 0.03),
        uncertain=some(0.01, 0.05, 0.15),
        broken=some(0.001),
        crash=some(0.001, 0.004, 0.01),
        slow=some(0.02, 0.1, 0.5),
        cut=some(0.02, 0.1, 0.3),
        again=some(0.05, 0.2),
        trouble=some(0.1, 0.3, 0.6),
        strokes=some(0.3, 1.0, 3.0),
        batch=chance.choice([1, 2, 5, 50]),
        concurrency=chance.choice([1, 1, 2, 4]),
        window=chance.choice([5, 12, 5000]),
        behind=chance.choice([0, 2, 5000]),
    )
