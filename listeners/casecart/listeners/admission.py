"""Which peers may speak on a connection: told by the address that it comes from, and by its certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from casecart.listeners.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from casecart.listeners.hl7v2 import Reception
    from casecart.listeners.peer import Peer, Peers, Sender
    from casecart.listeners.pending import Pending
    from casecart.listeners.seats import Seats
    from casecart.runtime.certificate import Certificate
    from casecart.runtime.listener import Arrival

__all__ = ["Admission", "Admitted", "MakeArrival", "NotAdmitted"]

MakeArrival: TypeAlias = "Callable[[bytes, str, Pending], Arrival | list[Arrival]]"
"""`Reception.arrival`, or something that takes less."""


class Admitted(NamedTuple):
    """What may come on a connection."""

    arrival: MakeArrival
    """Makes arrivals of it."""
    peer: str
    """The only one that it can be of; empty, where its messages tell."""


class NotAdmitted(Exception):
    """A connection on which no peer may speak.

    Attributes:
        code: why; stable.
        words: the same for a person.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class Admission:
    """Tells of each connection what may come on it.

    Args:
        peers: as configured, by name.
        known: the same, as the way of a message has them.
        reception: of the listener.
        seats: the connections that each peer has.
    """

    def __init__(self, peers: Mapping[str, Peer], known: Peers, reception: Reception, seats: Seats) -> None:
        self._reception, self._seats = reception, seats
        self._open = Admitted(seats.counted(reception.arrival), "")
        self._narrow: dict[frozenset[Sender], Admitted] = {}
        self._peers = [(peer, Networks(peer.networks), known.named(str(name))) for name, peer in peers.items()]
        self._bound = {sender for peer, networks, sender in self._peers if peer.certificate is not None or networks}

    def of(self, host: str, certificate: Certificate | None) -> Admitted:
        """What may come on a connection.

        A certificate that is a peer's own speaks for that peer and no other.

        Args:
            host: the address that it comes from.
            certificate: that its sender has shown.

        Raises:
            NotAdmitted: no peer may speak on it, or the only one that may has enough of them.
        """
        if not self._bound:
            return self._open
        near = [(peer, sender) for peer, networks, sender in self._peers if not peer.networks or host in networks]
        own = [
            sender
            for peer, sender in near
            if certificate is not None and peer.certificate is not None and peer.certificate.fits(certificate)
        ]
        allowed = own or [sender for peer, sender in near if peer.certificate is None]
        if not allowed:
            what = "address" if certificate is None else "certificate and address"
            raise NotAdmitted("no-peer", f"no peer has its {what}")
        admitted = self._narrowed(frozenset(allowed))
        refusal = self._seats.refusal(admitted.peer)
        if refusal is not None:
            raise NotAdmitted(*refusal)
        return admitted

    def _narrowed(self, allowed: frozenset[Sender]) -> Admitted:
        """One for all connections with the same peers: it remembers what it learns of headers."""
        if allowed not in self._narrow:
            every = len(allowed) == len(self._peers)
            arrival = self._reception.arrival if every else self._reception.narrowed(allowed).arrival
            first, *others = allowed
            sure = first in self._bound and not others
            self._narrow[allowed] = Admitted(self._seats.counted(arrival), first.name if sure else "")
        return self._narrow[allowed]
