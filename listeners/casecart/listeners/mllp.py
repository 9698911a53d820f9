"""HL7 v2 messages over MLLP (HL7 Transport Specification: MLLP, release 1; release 2 where the setting says so).

Delivery: a message is answered after it is stored, and not before. A frame that is none, is cut, too large or too slow
is recorded with its bytes and not answered; a message that can't be taken (no header, no control id, several messages
in a frame, a sender that is no peer), and a batch with a wrong count, is recorded and rejected with the reason. While
nothing can be stored, nothing is read, and what was read and isn't stored is not answered: the connection closes, so
that the sender keeps it.
"""

from __future__ import annotations

import errno
import os
import resource
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from casecart.listeners.admission import Admission
from casecart.listeners.connection import MllpConnection
from casecart.listeners.hl7v2 import Reception
from casecart.listeners.mllp_settings import MllpSettings
from casecart.listeners.networks import Networks
from casecart.listeners.newcomer import Newcomer
from casecart.listeners.partition import Partition
from casecart.listeners.peer import Peers
from casecart.listeners.turned_away import TurnedAway
from casecart.runtime.listener import ListenerSpec
from casecart.runtime.renewal import Renewal

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from casecart.listeners.connection import Occupant
    from casecart.runtime.listener import Listener, ListenerContext

__all__ = ["SPEC", "MllpListener"]


def _make(context: ListenerContext) -> Listener:
    return MllpListener(context)


SPEC: Final = ListenerSpec(kind="mllp", about="Takes HL7 v2 messages over MLLP.", settings=MllpSettings, make=_make)

_TICK: Final = 1.0  # seconds between looks at the time-outs
_DRAIN: Final = 10.0  # seconds that answers may take when the listener stops
_OTHER_FILES: Final = 24  # that an engine has open beside its connections, at least
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
        self.reception = Reception(
            context,
            peers,
            Partition(settings.partition_by),
            settings.accept,
            maker,
            takes_several=settings.several_messages == "take",
            continued_within=settings.continuation_timeout,
            maximum=settings.maximum_frame,
        )
        self.commits = settings.release > 1
        self.admission = Admission(settings.peers, peers, self.reception)
        self.turned_away = TurnedAway(context.name, self.reception, context.intake, context.reactor.seconds)
        self.proxied = bool(settings.proxies)
        self._networks, self._proxies = Networks(settings.networks), Networks(settings.proxies)
        self._renewal = None if settings.tls is None else Renewal(settings.tls, context.root)
        self._settings = settings
        self._reactor: Any = context.reactor  # Twisted's interfaces say nothing that mypy could use
        self._connections: set[Occupant] = set()
        self._addresses: Counter[str] = Counter()
        self._unwritten: set[MllpConnection] = set()
        self._wanted = settings.port if context.port is None else context.port
        self._port: Any = None
        self._ticking: Any = None
        self._turning_away = False
        self._drained: Deferred[None] | None = None

    def warnings(self) -> Iterable[str]:
        """What somebody should know of before the port is open."""
        if self._settings.openness is not None:
            yield f"{self.name}: {self._settings.openness}"
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if self._settings.connections + _OTHER_FILES > limit:
            yield (
                f"{self.name} may have {self._settings.connections} connections, and the system lets this process have "
                f"{limit} open files in all: raise its hard limit (`ulimit -Hn`, `LimitNOFILE=`), or allow fewer"
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

    @property
    def context(self) -> ssl.SSLContext | None:
        """For connections from now on; None without TLS."""
        return None if self._renewal is None else self._renewal.context

    @property
    def certificate_ends(self) -> int | None:
        """When the certificate in use ends, seconds since 1970; None without TLS."""
        return None if self._renewal is None else self._renewal.ends

    def admit(self, host: str = "", port: int = 0) -> MllpConnection | Newcomer | None:
        """A new connection's protocol; None if it is to be closed at once."""
        full = len(self._connections) >= self._settings.connections
        refused = full or not self.intake.open
        if refused and not self._turning_away:
            why = "too many are open" if full else "messages can't be stored now"
            self.log.warn("{name} turns connections away: {why}", name=self.name, why=why)  # noqa: G010 - the same
        self._turning_away = refused
        if refused:
            return None
        if self.proxied:
            refusal = None if host in self._proxies else ("no-proxy", "it is none of the proxies that may connect")
        else:
            refusal = self.refusal(host)
        if refusal is not None:
            self.turned_away.record(f"{host}:{port}", *refusal)
            return None
        if self.proxied or self._renewal is not None:
            return Newcomer(self)
        arrival = self.admission.of(host, None)
        if arrival is None:
            self.turned_away.record(f"{host}:{port}", "no-peer", "no peer has its address")
            return None
        return MllpConnection(self, arrival=arrival)

    def refusal(self, host: str) -> tuple[str, str] | None:
        """Why no connection of this address is taken, as code and words; None if one is."""
        if self._networks and host not in self._networks:
            return "not-allowed", "its address is in none of the networks that may connect"
        most = self._settings.connections_per_address
        if most is not None and self._addresses[host] >= most:
            return "too-many", f"its address has {most} connections already"
        return None

    def opened(self, connection: Occupant) -> None:
        """A connection is there."""
        self._connections.add(connection)
        self._addresses[connection.host] += 1

    def lost(self, connection: Occupant) -> None:
        """A connection is gone."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._addresses[connection.host] -= 1
            if not self._addresses[connection.host]:
                del self._addresses[connection.host]
        if isinstance(connection, MllpConnection):
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
        said = None if self._renewal is None else self._renewal.look()
        if said is not None:
            self.log.warn("{name}: {said}", name=self.name, said=said)  # noqa: G010 - the same


class _Factory(ServerFactory):
    noisy = False

    def __init__(self, listener: MllpListener) -> None:
        self._listener = listener

    def buildProtocol(self, addr: Any) -> MllpConnection | Newcomer | None:  # noqa: ANN401 - the signature is Twisted's
        return self._listener.admit(addr.host, addr.port)
