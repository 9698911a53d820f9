"""HL7 v2 messages over MLLP (HL7 Transport Specification: MLLP, release 1; release 2 where the setting says so).

Delivery: a message is answered after it is stored, and not before. A frame that is none, is cut, too large or too slow
is recorded with its bytes and not answered; a message that can't be taken (no header, no control id, several messages
in a frame, a sender that is no peer), and a batch with a wrong count, is recorded and rejected with the reason. While
nothing can be stored, nothing is read, and what was read and isn't stored is not answered: the connection closes, so
that the sender keeps it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, cast

from casecart.listeners.admission import Admission
from casecart.listeners.connection import MllpConnection
from casecart.listeners.door import Door
from casecart.listeners.hl7v2 import Reception
from casecart.listeners.mllp_settings import MllpSettings
from casecart.listeners.partition import Partition
from casecart.listeners.peer import Peers
from casecart.listeners.received import received
from casecart.listeners.seats import Seats
from casecart.runtime.listener import ListenerSpec

if TYPE_CHECKING:
    from casecart.listeners.door import Occupant
    from casecart.runtime.certificate import Certificate
    from casecart.runtime.listener import Listener, ListenerContext, Received

__all__ = ["SPEC", "MllpListener"]


def _make(context: ListenerContext) -> Listener:
    return MllpListener(context)


def _receive(context: ListenerContext, body: bytes, _peer: str) -> Received:
    settings = cast("MllpSettings", context.settings)
    peers = Peers(settings.peers, settings.acknowledge, context.time_zones)
    return received(_reception(context, settings, peers), body)


SPEC: Final = ListenerSpec(
    kind="mllp", about="Takes HL7 v2 messages over MLLP.", settings=MllpSettings, make=_make, receive=_receive
)


def _reception(context: ListenerContext, settings: MllpSettings, peers: Peers) -> Reception:
    return Reception(
        context,
        peers,
        Partition(settings.partition_by),
        settings.accept,
        f"{context.name} {os.getpid()} {context.now()}",
        takes_several=settings.several_messages == "take",
        continued_within=settings.continuation_timeout,
        maximum=settings.maximum_frame,
    )


class MllpListener(Door):
    """An open port whose connections speak MLLP."""

    kind = SPEC.kind

    def __init__(self, context: ListenerContext) -> None:
        settings = cast("MllpSettings", context.settings)
        self.maximum_frame = settings.maximum_frame
        self.frame_timeout = settings.frame_timeout
        self.idle_timeout = settings.idle_timeout
        self.unfinished = context.unfinished
        self.unfinished.make_room(settings.maximum_frame)
        peers = Peers(settings.peers, settings.acknowledge, context.time_zones)
        self.reception = _reception(context, settings, peers)
        self.commits = settings.release > 1
        self._unwritten: set[MllpConnection] = set()
        super().__init__(context, settings.port, settings.frame_timeout, self.reception)
        most = {str(name): peer.connections for name, peer in settings.peers.items() if peer.connections is not None}
        self._seats = Seats(most, self.turned_away.record)
        self.admission = Admission(settings.peers, peers, self.reception, self._seats)

    def speaker(self, host: str, source: str, certificate: Certificate | None) -> MllpConnection:
        """A connection that takes what its peers may send. Raises `NotAdmitted`: no peer may speak on it."""
        return MllpConnection(self, self.admission.of(host, certificate), source)

    def opened(self, connection: Occupant) -> None:
        """A connection is there."""
        super().opened(connection)
        self._seats.take(connection, connection.peer)

    def lost(self, connection: Occupant) -> None:
        """A connection is gone."""
        self._seats.leave(connection)
        if isinstance(connection, MllpConnection):
            self._unwritten.discard(connection)
        super().lost(connection)

    def write_soon(self, connection: MllpConnection) -> None:
        """Have its answers written at the end of this turn."""
        if not self._unwritten:
            self._reactor.callLater(0, self._write)
        self._unwritten.add(connection)

    def _write(self) -> None:
        unwritten, self._unwritten = self._unwritten, set()
        for connection in unwritten:
            connection.write()
