"""Connecting to a service: an endpoint that is connected when its TLS handshake is through, and why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet import endpoints
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IHandshakeListener, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from zope.interface import implementer  # type: ignore[import-untyped]  # it has none

from casecart.runtime.destination import NotDelivered

if TYPE_CHECKING:
    from twisted.python.failure import Failure

__all__ = ["LONGEST_CONNECT", "NotGreeted", "encrypted", "not_delivered", "plain"]

# Twisted's endpoints have no types.
_endpoints: Final[Any] = endpoints

LONGEST_CONNECT: Final = 10.0
"""Seconds after which a connection that is not there is given up."""


def plain(reactor: Any, host: str, port: int, timeout: float) -> Any:  # noqa: ANN401 - see _endpoints
    """An endpoint of TCP alone."""
    return _endpoints.HostnameEndpoint(reactor, host, port, timeout=timeout)


def encrypted(options: Any, endpoint: Any) -> Any:  # noqa: ANN401 - see _endpoints
    """The endpoint with TLS.

    Twisted's own is connected before the handshake is through, and keeps what is written back until then: a certificate
    that isn't trusted would look like a connection that was lost after sending.

    Args:
        options: a creator of client connections, such as `optionsForClientTLS` makes.
        endpoint: a plain one.
    """
    return _Greeting(_endpoints.wrapClientTLS(options, endpoint))


def not_delivered(error: Exception, *, late: bool) -> NotDelivered:
    """What it means that a connection could not be made: surely nothing was sent.

    Args:
        error: why.
        late: whether the caller gave it up.
    """
    if late or isinstance(error, ConnectTimeout):
        return NotDelivered("connect-timeout", "No connection to the service could be made in time.")
    if isinstance(error, Refused):
        return NotDelivered("connection-refused", "Nothing listens at the service's address.")
    if isinstance(error, DNSLookupError):
        return NotDelivered("host-unknown", "The name of the service's host isn't known.")
    if isinstance(error, NotGreeted):
        return NotDelivered("tls-failed", f"No TLS connection to the service could be made: {error}.", permanent=True)
    return NotDelivered("connection-failed", f"The service can't be reached ({type(error).__name__}).")


class NotGreeted(Exception):
    """The TLS handshake failed."""


@implementer(IStreamClientEndpoint)
class _Greeting:
    """A TLS endpoint that is connected when the handshake is through; see `encrypted`."""

    def __init__(self, endpoint: Any) -> None:  # noqa: ANN401 - see _endpoints
        self._endpoint = endpoint

    def connect(self, protocolFactory: Factory) -> Deferred[Any]:  # noqa: N803 - the name is Twisted's
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: Factory) -> Any:  # noqa: ANN401 - whatever the factory makes
        outer = await self._endpoint.connect(Factory.forProtocol(lambda: _Handshake(factory)))
        return await outer.greeted


@implementer(IHandshakeListener)
class _Handshake(Protocol):
    """Stands before a protocol until the handshake is through."""

    transport: Any

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._inner: Any = None
        self.greeted: Deferred[Any] = Deferred(lambda _: self.transport.abortConnection())

    def handshakeCompleted(self) -> None:  # noqa: N802 - as Twisted has it
        self._inner = self._factory.buildProtocol(self.transport.getPeer())
        self._inner.makeConnection(self.transport)
        self.greeted.callback(self._inner)

    def dataReceived(self, data: bytes) -> None:
        self._inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif not self.greeted.called:
            self.greeted.errback(NotGreeted(_tls_reason(reason.value)))


def _tls_reason(error: BaseException | None) -> str:
    # OpenSSL's errors are a list of (library, function, reason).
    for argument in getattr(error, "args", ()):
        if isinstance(argument, list) and argument and isinstance(argument[-1], tuple):
            return str(argument[-1][-1])
    return type(error).__name__
