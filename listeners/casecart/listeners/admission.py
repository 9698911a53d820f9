"""Which peers may speak on a connection: told by the address that it comes from, and by its certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from casecart.listeners.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from casecart.listeners.hl7v2 import Reception
    from casecart.listeners.peer import Peer, Peers, Sender
    from casecart.listeners.question import Question
    from casecart.runtime.certificate import Certificate
    from casecart.runtime.listener import Arrival

__all__ = ["Admission", "MakeArrival"]

MakeArrival: TypeAlias = "Callable[[bytes, str, Question], Arrival | list[Arrival]]"
"""`Reception.arrival`, or something that takes less."""


class Admission:
    """Tells of each connection what may come on it.

    Args:
        peers: as configured, by name.
        known: the same, as the way of a message has them.
        reception: of the listener.
    """

    def __init__(self, peers: Mapping[str, Peer], known: Peers, reception: Reception) -> None:
        self._reception = reception
        self._narrow: dict[frozenset[Sender], Reception] = {}
        self._peers = [(peer, Networks(peer.networks), known.named(str(name))) for name, peer in peers.items()]
        self._free = all(peer.certificate is None and not peer.networks for peer in peers.values())

    def of(
        self, host: str, certificate: Certificate | None
    ) -> Callable[[bytes, str, Question], Arrival | list[Arrival]] | None:
        """Makes arrivals of what comes on a connection; None: no peer may speak on it.

        A certificate that is a peer's own speaks for that peer and no other.

        Args:
            host: the address that it comes from.
            certificate: that its sender has shown.
        """
        if self._free:
            return self._reception.arrival
        near = [(peer, sender) for peer, networks, sender in self._peers if not peer.networks or host in networks]
        own = [
            sender
            for peer, sender in near
            if certificate is not None and peer.certificate is not None and peer.certificate.fits(certificate)
        ]
        allowed = own or [sender for peer, sender in near if peer.certificate is None]
        if not allowed:
            return None
        return (self._reception if len(allowed) == len(self._peers) else self._narrowed(frozenset(allowed))).arrival

    def _narrowed(self, allowed: frozenset[Sender]) -> Reception:
        """One for all connections with the same peers: it remembers what it learns of headers."""
        if allowed not in self._narrow:
            self._narrow[allowed] = self._reception.narrowed(allowed)
        return self._narrow[allowed]
