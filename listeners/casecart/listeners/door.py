"""An open port and its connections: who is let in, how many, with TLS or behind a proxy, and how it closes.

A kind of listener derives from `Door` and says what a connection speaks; that needn't know of any of this.
"""

from __future__ import annotations

import errno
import os
import resource
from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from casecart.listeners.admission import NotAdmitted
from casecart.listeners.networks import Networks
from casecart.listeners.newcomer import Newcomer
from casecart.listeners.turned_away import TurnedAway
from casecart.runtime.fault import told
from casecart.runtime.renewal import Renewal

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from twisted.internet.protocol import Protocol as TwistedProtocol

    from casecart.listeners.door_settings import DoorSettings
    from casecart.listeners.turned_away import Recorder
    from casecart.runtime.certificate import Certificate
    from casecart.runtime.listener import ListenerContext

__all__ = ["Door", "Occupant"]

_TICK: Final = 1.0  # seconds between looks at the time-outs
_DRAIN: Final = 10.0  # seconds that answers may take when the listener stops
_QUIET: Final = 60.0  # seconds in which it is not told again why connections are turned away
_OTHER_FILES: Final = 24  # that an engine has open beside its connections, at least
_BACKLOG: Final = 1024  # connections that the system keeps until they are accepted


class Occupant(Protocol):
    """One of the connections, as the door sees it."""

    host: str
    """The address that it comes from."""
    peer: str
    """The only one that it can be of; empty, where its messages tell."""

    def tick(self, seconds: float) -> None:
        """So much time has gone by."""

    def drain(self) -> None:
        """Take nothing new, answer what was taken, close."""

    def abort(self) -> None:
        """Close without answering."""


class Door(ABC):
    """One open port and its connections; a class of its own says the `kind`.

    Args:
        context: the listener's.
        port: as configured.
        patience: seconds that a TLS handshake or the header of a proxy may take.
        recorder: makes the records of what was turned away.
    """

    log = Logger()
    kind: str

    def __init__(self, context: ListenerContext, port: int, patience: float, recorder: Recorder) -> None:
        settings = cast("DoorSettings", context.settings)
        self.name = context.name
        self.intake = context.intake
        self.patience = patience
        self.turned_away = TurnedAway(context.name, recorder, context.intake, context.reactor.seconds)
        self.proxied = bool(settings.proxies)
        self._networks, self._proxies = Networks(settings.networks), Networks(settings.proxies)
        self._renewal = None if settings.tls is None else Renewal(settings.tls, context.root)
        self._settings = settings
        self._reactor: Any = context.reactor  # Twisted's interfaces say nothing that mypy could use
        self._connections: set[Occupant] = set()
        self._addresses: Counter[str] = Counter()
        self._wanted = port if context.port is None else context.port
        self._port: Any = None
        self._ticking: Any = None
        self._told: dict[str, float] = {}
        self._drained: Deferred[None] | None = None

    @abstractmethod
    def speaker(self, host: str, source: str, certificate: Certificate | None) -> TwistedProtocol:
        """What speaks on a connection.

        Args:
            host: the address that it comes from.
            source: the same with its port.
            certificate: that its sender has shown.

        Raises:
            NotAdmitted: nobody may speak on it.
        """

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

    @property
    def where(self) -> str:
        """The address that is open, and whether it speaks TLS."""
        host = self._settings.interface
        address = f"{f'[{host}]' if ':' in host else host}:{self.port}"
        return f"on {address} ({self.kind}{'' if self._renewal is None else ', TLS'})"

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

    def admit(self, host: str = "", port: int = 0) -> TwistedProtocol | None:
        """A new connection's protocol; None if it is to be closed at once."""
        full = len(self._connections) >= self._settings.connections
        refused = full or not self.intake.open
        if refused:
            self._turn_away("too many are open" if full else "messages can't be stored now")
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
        try:
            return self.speaker(host, f"{host}:{port}", None)
        except NotAdmitted as trouble:
            self.turned_away.record(f"{host}:{port}", trouble.code, trouble.words)
            return None

    def _turn_away(self, why: str) -> None:
        """Say so, once a minute: where connections come and go, there is room at times."""
        now = self._reactor.seconds()
        if now >= self._told.get(why, 0.0):
            self._told[why] = now + _QUIET
            self.log.warn("{name} turns connections away: {why}", name=self.name, why=why)  # noqa: G010 - the same

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
        if self._drained is not None and not self._connections and not self._drained.called:
            self._drained.callback(None)

    def _tick(self) -> None:
        self._ticking = self._reactor.callLater(_TICK, self._tick)
        for connection in list(self._connections):
            try:
                connection.tick(_TICK)
            except Exception as fault:  # noqa: BLE001 - whatever it is, the others' time goes by as well
                self._failed(fault)
                connection.abort()
        said = None if self._renewal is None else self._renewal.look()
        if said is not None:
            self.log.warn("{name}: {said}", name=self.name, said=said)  # noqa: G010 - the same

    def _failed(self, fault: Exception) -> None:
        """Say that there is a fault of ours, without its text, which may quote a message."""
        self.log.error("{name} ended a connection: {fault}", name=self.name, fault=told(fault))


class _Factory(ServerFactory):
    noisy = False

    def __init__(self, listener: Door) -> None:
        self._listener = listener

    def buildProtocol(self, addr: Any) -> TwistedProtocol | None:  # noqa: ANN401 - the signature is Twisted's
        return self._listener.admit(addr.host, addr.port)
