"""Which peers may speak on a connection: told by the address that it comes from, and by its certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, cast

from casecart.formats.hl7v2 import Problem
from casecart.listeners.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from casecart.listeners.hl7v2 import Reception
    from casecart.listeners.peer import Peer, Peers, Sender
    from casecart.listeners.question import Question
    from casecart.runtime.certificate import Certificate
    from casecart.runtime.listener import Arrival

__all__ = ["Admission", "MakeArrival"]

MakeArrival: TypeAlias = "Callable[[bytes, str, Question], Arrival | list[Arrival]]"
"""`Reception.arrival`, or something that takes less."""

_NOT_THIS_PEER: Final = Problem(
    error_code="207",
    words="The sender that MSH-3 and MSH-4 name may not send on this connection.",
    segment="MSH",
    field=3,
)


class Admission:
    """Tells of each connection what may come on it.

    Args:
        peers: as configured, by name.
        known: the same, as the way of a message has them.
        reception: of the listener.
    """

    def __init__(self, peers: Mapping[str, Peer], known: Peers, reception: Reception) -> None:
        self._reception = reception
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
        return (
            self._reception.arrival if len(allowed) == len(self._peers) else _Narrowed(self._reception, allowed).arrival
        )


class _Narrowed:
    """Takes the messages of some peers, and refuses those of all others."""

    def __init__(self, reception: Reception, allowed: Collection[Sender]) -> None:
        self._reception, self._allowed = reception, frozenset(allowed)

    def arrival(self, body: bytes, source: str, question: Question) -> Arrival | list[Arrival]:
        """As `Reception.arrival`."""
        arrived = self._reception.arrival(body, source, question)
        for arrival in arrived if isinstance(arrived, list) else [arrived]:
            self._narrow(arrival, cast("Question", arrival.reply))
        return arrived

    def _narrow(self, arrival: Arrival, question: Question) -> None:
        if question.sender.known and question.sender not in self._allowed:
            # It says that it is this peer's, and isn't: nothing of it is told as if it were.
            arrival.peer, arrival.facility, arrival.charset, arrival.complete_within = "", "", None, None
            if not arrival.refused:
                arrival.refused, arrival.notes, arrival.partition = True, "wrong-connection", 0
                arrival.special = None
                question.problem = _NOT_THIS_PEER
            question.sender = self._reception.nobody
