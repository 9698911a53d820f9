"""How many connections each peer has at once, where it may not have as many as there are.

A connection is a peer's from its beginning where its certificate or address leaves no other, else from the peer's first
message on it. One that brings messages of several peers is each one's.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from casecart.runtime.listener import Arrival

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from casecart.listeners.admission import MakeArrival
    from casecart.listeners.door import Occupant
    from casecart.listeners.pending import Pending

__all__ = ["Seats"]


class Seats:
    """Of one listener.

    Args:
        most: connections that a peer may have, by its name; who is not there may have any number.
        turned_away: told of a message that came on one too many: where from, a code, and words.
    """

    def __init__(self, most: Mapping[str, int], turned_away: Callable[[str, str, str], None]) -> None:
        self._most, self._turned_away = most, turned_away
        self._count: Counter[str] = Counter()
        self._peers: dict[Occupant, set[str]] = {}  # that a connection counts for

    def refusal(self, peer: str) -> tuple[str, str] | None:
        """Why a peer gets no further connection, as code and words; None if it does."""
        most = self._most.get(peer)
        if most is None or self._count[peer] < most:
            return None
        return "too-many-of-peer", f"the peer '{peer}' has {most} connections already"

    def take(self, connection: Occupant, peer: str) -> None:
        """A connection is this peer's, too, until it is gone."""
        if peer in self._most:
            self._peers.setdefault(connection, set()).add(peer)
            self._count[peer] += 1

    def leave(self, connection: Occupant) -> None:
        """A connection is gone, whosever it was."""
        for peer in self._peers.pop(connection, ()):
            self._count[peer] -= 1

    def counted(self, make: MakeArrival) -> MakeArrival:
        """The same, and each connection is counted as that of the peers whose messages it brings.

        Of a connection that is one too many for a peer nothing is taken from that peer's first message on: what it
        brought before, of others, is answered; then it closes.
        """
        if not self._most:
            return make

        def arrival(body: bytes, source: str, question: Pending) -> Arrival | list[Arrival]:
            if question.connection.ending:  # since a message before this one
                question.pass_over()
                return []
            made = make(body, source, question)
            for one in (made,) if isinstance(made, Arrival) else made:
                if not self._seated(question.connection, one.peer, source):
                    question.pass_over()
                    question.connection.drain()
                    return []
            return made

        return arrival

    def _seated(self, connection: Occupant, peer: str, source: str) -> bool:
        if peer not in self._most or peer in self._peers.get(connection, ()):
            return True
        refusal = self.refusal(peer)
        if refusal is None:
            self.take(connection, peer)
            return True
        self._turned_away(source, *refusal)
        return False
