"""What a change of the workspace means for connections, and for what waits in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.store import OPEN_STATES
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.commands.workspace_change import WorkspaceChange
    from casecart.store import Store
    from casecart.workspace import Workspace

__all__ = ["Effects"]

MOST = 1_000
"""Rows that are counted one by one; beyond it is told as `1,000 or more`."""


class Effects:
    """Of the changes of one plan.

    Args:
        store: to count what waits in.
        old: what runs; None: it is not known.
    """

    def __init__(self, store: Store, old: Workspace | None) -> None:
        self._store, self._old = store, old
        self._waiting = dict(store.waiting_counts())
        self._open = {count.destination: count.postings for count in store.open_counts()}
        self._wishes = store.replays(MOST)

    def of(self, change: WorkspaceChange) -> list[str]:
        """In words, what follows; empty: nothing that anybody need know."""
        if change.restart:
            return ["a running engine would refuse all of it: stop it, apply, and start it again"]
        words = {"channel": self._channel, "listener": self._listener, "destination": self._destination}
        return list(words[change.sort](change)) if change.sort in words else []

    def _channel(self, change: WorkspaceChange) -> Iterator[str]:
        name = change.name
        waiting = self._waits(name)
        if change.kind == "removed":
            if waiting:
                yield f"{waiting}; those that no other channel takes become unrouted"
            if held := len(self._store.holds(states=OPEN_STATES, channel=name, limit=MOST)):
                yield f"{_counted(held, 'open exception')} of it can't be fixed any more, only rejected"
            if wishes := sum(wish.channel == name for wish in self._wishes):
                yield f"{_counted(wishes, 'line')} that people wished to have worked again wait for it in vain"
        elif change.kind == "changed":
            if waiting:
                yield f"{waiting}, and are worked by the new one"
            if wishes := sum(wish.channel == name and bool(wish.revision) for wish in self._wishes):
                yield f"{_counted(wishes, 'line')} put aside until it is mended {_are(wishes)} worked again"

    def _waits(self, channel: str) -> str:
        """Messages at its listeners: for which channel each of them is, nobody knows before it is worked."""
        declared = None if self._old is None else self._old.channels.get(channel)
        counts = {name: self._waiting.get(name, 0) for name in map(str, declared.sources if declared else ())}
        there = {name: count for name, count in counts.items() if count}
        total = sum(there.values())
        return f"{_counted(total, 'message')} {'waits' if total == 1 else 'wait'} at {listed(there)}" if there else ""

    def _listener(self, change: WorkspaceChange) -> Iterator[str]:
        if change.kind == "added":
            yield "it opens"
            return
        yield "what it has taken is answered, then its connections are closed" + (
            " and it opens anew" if change.kind == "changed" else ""
        )
        if change.kind == "removed" and (waiting := self._waiting.get(change.name, 0)):
            yield f"{_counted(waiting, 'message')} of it {_are(waiting)} waiting, and worked all the same"

    def _destination(self, change: WorkspaceChange) -> Iterator[str]:
        open_ = self._open.get(change.name, 0)
        if change.kind == "changed":
            yield "what is being sent is seen to its end; then it goes on by the new settings"
            if open_:
                yield f"{_counted(open_, 'posting')} {_are(open_)} on the way to it"
        elif change.kind == "removed" and open_:
            yield f"{_counted(open_, 'posting')} on the way to it {_are(open_)} kept, and not sent while it is gone"


def _counted(number: int, noun: str) -> str:
    more = " or more" if number == MOST else ""
    return f"{number:,}{more} {noun}{'' if number == 1 else 's'}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
