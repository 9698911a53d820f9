"""HL7 v2 messages over MLLP (HL7 Transport Specification: MLLP, release 1; release 2's commit bytes are passed over).

Delivery: a message is answered after it is stored, and not before. A frame that is none, is cut, too large or too slow
is recorded with its bytes and not answered; a message that can't be taken (no header, no control id, several messages
in a frame, a sender that is no peer) is recorded and rejected with the reason. While nothing can be stored, nothing is
read, and what was read and isn't stored is not answered: the connection closes, so that the sender keeps it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from casecart.listeners.connection import MllpConnection
from casecart.listeners.hl7v2 import Reception
from casecart.listeners.partition import FORM, PATH, Partition
from casecart.listeners.peer import Acknowledge, Peer, Peers, unreachable
from casecart.runtime.listener import ListenerSpec
from casecart.workspace import Declared, Duration, Finding, Size, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.runtime.listener import Listener, ListenerContext

__all__ = ["SPEC", "MllpListener", "MllpSettings"]


@declared(name="mllp listener", about="Takes HL7 v2 messages over MLLP.")
class MllpSettings(Declared):
    """What is written under `kind: mllp`."""

    port: int = key(about="The TCP port; HL7's own is 2575.", example=2575, minimum=0, maximum=65535)
    interface: Text = key(
        about=(
            "The address to listen on. There is no TLS yet: let other machines in (`0.0.0.0`, `::`) only where a "
            "firewall or a tunnel says which."
        ),
        example="0.0.0.0",  # noqa: S104 - only shown
        default="127.0.0.1",
    )
    peers: Mapping[str, Peer] = key(
        about="The senders that are known, by a name for each. A message of any other is recorded and rejected.",
        example="{orsys: {match: {MSH-3: ORSYS, MSH-4: NORTH}, facility: NORTH}}",
        defines="peer",
        at_least=1,
    )
    acknowledge: Acknowledge = key(
        about="How messages are answered, and when; `on_complete` alone stands for {when: on_complete}.",
        example="{mode: original}",
        default="{}",
    )
    partition_by: tuple[Text, ...] = key(
        about=(
            "What keeps messages in order: those with the same value come one after the other. The first path that has "
            "a value decides; without one the peer does."
        ),
        example="[PID-3.1]",
        default="[PV1-19.1, PID-3.1]",
        scalar=True,
        pattern=PATH,
        form=FORM,
    )
    maximum_frame: Size = key(
        about="The largest message. A larger one is recorded by its first bytes, and its connection closed.",
        example="50MB",
        default="10MB",
        minimum="1KB",
        maximum="1GB",
    )
    frame_timeout: Duration = key(
        about="How long the bytes of one message may take to come.",
        example="1m",
        default="30s",
        minimum="1s",
        maximum="1h",
    )
    idle_timeout: Duration = key(
        about="After this silence a connection is closed. Many senders keep one open all day.",
        example="12h",
        default="1h",
        minimum="10s",
        maximum="30d",
    )
    connections: int = key(
        about="How many may be open at once; further ones are closed at once.",
        example=50,
        default=1000,
        minimum=1,
        maximum=50000,
    )

    def check(self) -> Iterable[Finding]:
        """The interface is an address, and every peer can come up."""
        try:
            ip_address(self.interface)
        except ValueError:
            words = "'interface' is an IP address of this machine, such as 127.0.0.1, 0.0.0.0 or ::1"
            yield Finding(self.at("interface"), "error", "bad-format", words)
        yield from unreachable(self.peers)


def _make(context: ListenerContext) -> Listener:
    return MllpListener(context)


SPEC: Final = ListenerSpec(kind="mllp", about="Takes HL7 v2 messages over MLLP.", settings=MllpSettings, make=_make)

_TICK: Final = 1.0  # seconds between looks at the time-outs
_DRAIN: Final = 10.0  # seconds that answers may take when the listener stops
_BACKLOG: Final = 1024  # connections that the system keeps until they are accepted


class MllpListener:
    """One open port and its connections."""

    log = Logger()

    def __init__(self, context: ListenerContext) -> None:
        settings = cast("MllpSettings", context.settings)
        self.name = context.name
        self.intake = context.intake
        self.maximum_frame = settings.maximum_frame
        self.frame_timeout = settings.frame_timeout
        self.idle_timeout = settings.idle_timeout
        self.unfinished = context.unfinished
        self.unfinished.make_room(settings.maximum_frame)
        peers = Peers(settings.peers, settings.acknowledge, context.time_zones)
        maker = f"{context.name} {os.getpid()} {context.now()}"
        self.reception = Reception(context, peers, Partition(settings.partition_by), maker)
        self._settings = settings
        self._reactor: Any = context.reactor  # Twisted's interfaces say nothing that mypy could use
        self._connections: set[MllpConnection] = set()
        self._unwritten: set[MllpConnection] = set()
        self._wanted = settings.port if context.port is None else context.port
        self._port: Any = None
        self._ticking: Any = None
        self._turning_away = False
        self._drained: Deferred[None] | None = None

    def warnings(self) -> Iterable[str]:
        """What somebody should know of before the port is open."""
        if not ip_address(self._settings.interface).is_loopback:
            yield (
                f"{self.name} listens on {self._settings.interface} without TLS and takes messages from every machine "
                "that reaches it: let a firewall say which"
            )

    def start(self) -> Deferred[None]:
        """Open the port; fails with an `OSError` that says why it can't be."""
        address = f"{self._settings.interface}:{self._wanted}"
        try:
            self._port = self._reactor.listenTCP(
                self._wanted, _Factory(self), backlog=_BACKLOG, interface=str(self._settings.interface)
            )
        except CannotListenError as error:
            number = getattr(error.socketError, "errno", None) or errno.EADDRNOTAVAIL
            return fail(OSError(number, f"{self.name} can't listen on {address}: {os.strerror(number)}"))
        for warning in self.warnings():
            self.log.warn("{warning}", warning=warning)  # noqa: G010 - the logger is Twisted's
        self._ticking = self._reactor.callLater(_TICK, self._tick)
        return succeed(None)

    def stop(self) -> Deferred[None]:
        """Close the port, answer what was taken, then close the connections."""
        if self._port is None:
            return succeed(None)
        return Deferred.fromCoroutine(self._stop())

    @property
    def port(self) -> int:
        """The TCP port that is open; 0 where there is none."""
        return 0 if self._port is None else cast("int", self._port.getHost().port)

    async def _stop(self) -> None:
        await maybeDeferred(self._port.stopListening)
        self._port = None
        self._drained = Deferred()
        limit = self._reactor.callLater(_DRAIN, self._abort)
        for connection in list(self._connections):
            connection.drain()
        if self._connections:
            await self._drained
        for call in (limit, self._ticking):
            if call.active():
                call.cancel()

    def _abort(self) -> None:
        for connection in list(self._connections):
            connection.abort()

    # --- for connections

    def admit(self) -> MllpConnection | None:
        """A new connection's protocol; None if it is to be closed at once."""
        full = len(self._connections) >= self._settings.connections
        refused = full or not self.intake.open
        if refused and not self._turning_away:
            why = "too many are open" if full else "messages can't be stored now"
            self.log.warn("{name} turns connections away: {why}", name=self.name, why=why)  # noqa: G010 - the same
        self._turning_away = refused
        return None if refused else MllpConnection(self)

    def opened(self, connection: MllpConnection) -> None:
        """A connection is there."""
        self._connections.add(connection)

    def lost(self, connection: MllpConnection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        self._unwritten.discard(connection)
        if self._drained is not None and not self._connections and not self._drained.called:
            self._drained.callback(None)

    def write_soon(self, connection: MllpConnection) -> None:
        """Have its answers written at the end of this turn."""
        if not self._unwritten:
            self._reactor.callLater(0, self._write)
        self._unwritten.add(connection)

    def _write(self) -> None:
        unwritten, self._unwritten = self._unwritten, set()
        for connection in unwritten:
            connection.write()

    def _tick(self) -> None:
        self._ticking = self._reactor.callLater(_TICK, self._tick)
        for connection in list(self._connections):
            connection.tick(_TICK)


class _Factory(ServerFactory):
    noisy = False

    def __init__(self, listener: MllpListener) -> None:
        self._listener = listener

    def buildProtocol(self, addr: object) -> MllpConnection | None:  # noqa: ARG002 - the signature is Twisted's
        return self._listener.admit()
