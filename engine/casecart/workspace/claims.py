"""Which messages channels claim: two that claim the same ones for one destination would post what is used twice."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from casecart.workspace.channel import OtherwiseStep, PostStep, RouteStep
from casecart.workspace.findings import Finding, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from casecart.workspace.channel import Channel
    from casecart.workspace.text import Text

__all__ = ["double_claims"]


def double_claims(channels: Iterable[Channel]) -> Iterator[Finding]:
    """A warning for each channel that takes messages which an earlier one takes too, and posts to the same place."""
    for first, second in combinations(channels, 2):
        same = [each for each in second.accept if any(_same(each, other) for other in first.accept)]
        listeners = set(first.sources) & set(second.sources)
        peers = not first.peers or not second.peers or set(first.peers) & set(second.peers)
        if not (same and listeners and peers):
            continue
        if (first.bring is None) != (second.bring is None):
            lines, master = (second, first) if first.bring is not None else (first, second)
            message = (
                f"channel '{lines.channel}' takes {listed(same)} from {listed(sorted(listeners))} as lines, so that "
                f"channel '{master.channel}' never brings them in; tell them apart by peers"
            )
            yield Finding(same[0].place, "warning", "double-claim", message)
        destinations = _destinations(first) & _destinations(second)
        if destinations:
            message = (
                f"channel '{first.channel}' takes {listed(same)} from {listed(sorted(listeners))} too, and both post "
                f"to {listed(sorted(destinations))}: what is used would be told twice; tell them apart by peers"
            )
            yield Finding(same[0].place, "warning", "double-claim", message)


def _same(one: Text, other: Text) -> bool:
    kind, _, event = one.partition("^")
    other_kind, _, other_event = other.partition("^")
    return kind == other_kind and (event == other_event or "*" in {event, other_event})


def _destinations(channel: Channel) -> set[str]:
    routes = [step for step in channel.steps if isinstance(step, RouteStep)]
    entries = [
        entry.otherwise if isinstance(entry, OtherwiseStep) else entry for step in routes for entry in step.route
    ]
    return {str(entry.post.to) for entry in entries if isinstance(entry, PostStep)}
