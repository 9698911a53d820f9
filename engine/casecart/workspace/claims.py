"""Which messages channels claim: two that post the same lines as one kind of thing have one ledger for both."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from casecart.workspace.findings import Finding, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from casecart.workspace.channel import Channel
    from casecart.workspace.text import Text

__all__ = ["double_claims"]


def double_claims(channels: Iterable[Channel]) -> Iterator[Finding]:
    """A warning for each channel that takes messages which an earlier one takes too, and posts the same kind of thing.

    Wherever they post to: a line that both state is charged twice for the ledger, or the last one takes its place.
    """
    for first, second in combinations(channels, 2):
        if first.peers and second.peers and set(first.peers).isdisjoint(second.peers):
            continue
        listeners = set(first.sources) & set(second.sources)
        same = [each for each in second.accept if any(_same(each, other) for other in first.accept)]
        if not (same and listeners):
            continue
        if first.send is not None and second.send is not None:
            continue  # each tells another system, or tells it again
        if (first.bring is None) != (second.bring is None):
            lines, master = (second, first) if first.bring is not None else (first, second)
            message = (
                f"channel '{lines.channel}' takes {listed(same)} from {listed(sorted(listeners))} itself, so that "
                f"channel '{master.channel}' never brings them in; tell them apart by peers"
            )
            yield Finding(same[0].place, "warning", "double-claim", message)
        kinds = {post.kind for post in first.posts} & {post.kind for post in second.posts}
        if kinds:
            message = (
                f"channel '{first.channel}' takes {listed(same)} from {listed(sorted(listeners))} too, and both post "
                f"as {listed(sorted(kinds))}: a line of both would be told twice; tell them apart by peers"
            )
            yield Finding(same[0].place, "warning", "double-claim", message)


def _same(one: Text, other: Text) -> bool:
    kind, _, event = one.partition("^")
    other_kind, _, other_event = other.partition("^")
    return kind == other_kind and (event == other_event or "*" in {event, other_event})
