"""The two balances: every message and every line that came in is somewhere, and the terms say where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from casecart.commands.desk import Query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from casecart.commands.desk import View
    from casecart.store import Count, OpenCount, Store

__all__ = ["Balance", "Balances", "LineTerms", "Reading", "ShowBalances", "balances", "read_counters"]

MESSAGES, LINES = "messages:", "lines:"
MESSAGES_IN = ("received", "copied", "assembled")
MESSAGES_OUT = ("processed", "duplicate", "unrouted", "refused", "quarantined", "part", "joined", "waiting")
LINES_IN = ("produced",)
LINES_OUT = ("posted", "no_change", "filtered", "held", "rejected", "waiting", "in_flight")
IN_FLIGHT = "in_flight"

READINGS = 5
"""How often counters are read again because the engine moved on in between."""


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What came in, and where it is."""

    of: str
    """The listener; of lines, the whole workspace."""
    came_in: dict[str, int]
    is_in: dict[str, int]
    difference: int
    """What came in and is nowhere; below zero, what is somewhere twice."""

    @property
    def exact(self) -> bool:
        """Nothing is lost and nothing is there twice."""
        return self.difference == 0


class LineTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The counters of one channel's lines. What is in flight is known of a destination only."""

    channel: str
    terms: dict[str, int]


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """Both balances at one moment."""

    messages: list[Balance]
    """One for each listener."""
    lines: Balance
    channels: list[LineTerms]
    exact: bool | None
    """None: the engine moved on while the counters were read, so that a difference means nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters, and what waits or is on its way."""

    counts: Iterable[Count]
    waiting: Mapping[str, int]
    open: Iterable[OpenCount]
    steady: bool
    """All of it is of one moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowBalances(Query[Balances]):
    """Is every message and every line somewhere?"""

    def answer(self, view: View) -> Balances:
        """Both balances."""
        return balances(read_counters(view.store), view.site.listeners)


def read_counters(store: Store) -> Reading:
    """Reads until nothing moves: what changes what waits or is on its way changes a counter, and counters only grow."""
    readings = READINGS
    counts = store.counts()
    while True:
        waiting, open_ = dict(store.waiting_counts()), list(store.open_counts())
        before, counts = counts, store.counts()
        readings -= 1
        if counts == before or not readings:
            return Reading(counts, waiting, open_, steady=counts == before)


def balances(reading: Reading, listeners: Iterable[str] = ()) -> Balances:
    """The balances of a reading.

    Args:
        reading: counters over all facilities.
        listeners: those that are shown even if nothing came yet.
    """
    totals: dict[str, dict[str, int]] = {}
    for count in reading.counts:
        scope = totals.setdefault(count.scope, {})
        scope[count.name] = scope.get(count.name, 0) + count.amount
    by_listener = {name: totals.get(MESSAGES + name, {}) for name in listeners}
    by_listener |= {
        scope.removeprefix(MESSAGES): terms for scope, terms in totals.items() if scope.startswith(MESSAGES)
    }
    for name in reading.waiting:
        by_listener.setdefault(name, {})
    messages = [
        _balance(name, {**terms, "waiting": reading.waiting.get(name, 0)}, MESSAGES_IN, MESSAGES_OUT)
        for name, terms in sorted(by_listener.items())
    ]
    # A scope of a channel and one of its destinations breaks the channel's terms down and adds nothing.
    by_channel = {
        scope.removeprefix(LINES): terms
        for scope, terms in sorted(totals.items())
        if scope.startswith(LINES) and ":" not in scope.removeprefix(LINES)
    }
    whole = {term: sum(terms.get(term, 0) for terms in by_channel.values()) for term in (*LINES_IN, *LINES_OUT)}
    whole[IN_FLIGHT] = sum(open_.postings for open_ in reading.open)
    lines = _balance("all channels", whole, LINES_IN, LINES_OUT)
    counted = [term for term in (*LINES_IN, *LINES_OUT) if term != IN_FLIGHT]
    return Balances(
        messages=messages,
        lines=lines,
        channels=[
            LineTerms(channel=name, terms={term: terms.get(term, 0) for term in counted})
            for name, terms in by_channel.items()
        ],
        exact=all(balance.exact for balance in (*messages, lines)) if reading.steady else None,
    )


def _balance(of: str, terms: Mapping[str, int], left: Iterable[str], right: Iterable[str]) -> Balance:
    came_in = {term: terms.get(term, 0) for term in left}
    is_in = {term: terms.get(term, 0) for term in right}
    return Balance(of=of, came_in=came_in, is_in=is_in, difference=sum(came_in.values()) - sum(is_in.values()))
