"""One HTTP exchange with a service, and the exact knowledge of whether the request went out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twisted.internet import endpoints
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IHandshakeListener, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.web import client
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer  # type: ignore[import-untyped]  # it has none

from casecart.runtime.destination import NotDelivered, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.python.failure import Failure

__all__ = ["LONGEST_ANSWER", "Client", "Response"]

# Twisted's HTTP client has no types, and its interfaces have some that only a plug-in of mypy understands.
_web: Final[Any] = client
_endpoints: Final[Any] = endpoints

LONGEST_ANSWER: Final = 1024 * 1024
"""Bytes of a response's body that are read."""

# Shorter than the keep-alive of the common servers (Node and Apache: 5 s): a request that goes out on a connection
# which the server is closing at that moment has an unknown outcome.
_IDLE: Final = 4.0

_LONGEST_CONNECT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Response:
    """What a service answered.

    Attributes:
        status: of HTTP.
        headers: by name in lower case; the last one where a name comes twice.
        body: `LONGEST_ANSWER` bytes of it at most.
        whole: whether that is all of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool


class Client:
    """Sends requests to one address, over connections that stay open between them. Redirects are not followed.

    Args:
        reactor: Twisted's.
        url: the address, `http` or `https`. The certificate is verified against the machine's authorities
            (SSL_CERT_FILE names others) and against the host's name.
        connections: how many stay open.
        timeout: seconds for a request, from connecting to the last byte of the answer.
    """

    def __init__(self, reactor: Any, url: str, *, connections: int, timeout: float) -> None:  # noqa: ANN401 - see _web
        self._reactor = reactor
        self._url = url.encode("ascii")
        self._timeout = timeout
        self._pool = _web.HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = connections
        self._pool.cachedConnectionTimeout = _IDLE
        self._pool.retryAutomatically = False
        endpoint = _endpoint(reactor, _web.URI.fromBytes(self._url), min(timeout, _LONGEST_CONNECT))
        self._agent = _web.Agent.usingEndpointFactory(reactor, _OneEndpoint(endpoint), self._pool)

    def send(self, method: str, headers: Mapping[str, str], body: bytes, path: str = "") -> Deferred[Response]:
        """Send one request.

        Args:
            method: of HTTP.
            headers: by name.
            body: of the request.
            path: what stands behind the address.

        Fails with `NotDelivered` when surely nothing of it went out, and with `OutcomeUnknown` when something may
        have and no status came back.
        """
        return Deferred.fromCoroutine(self._send(method, headers, body, path))

    def close(self) -> Deferred[None]:
        """Close the connections that wait for a next request."""
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed

    async def _send(self, method: str, headers: Mapping[str, str], body: bytes, path: str) -> Response:
        producer, reader = _Body(body), _Reader()
        sent = Headers({name: [value] for name, value in headers.items()})
        request = self._agent.request(method.encode("ascii"), self._url + path.encode("ascii"), sent, producer)
        stop: list[Callable[[], None]] = [request.cancel]

        def give_up() -> None:
            stop[-1]()

        limit = self._reactor.callLater(self._timeout, give_up)
        try:
            response = await request
            stop.append(reader.give_up)
            response.deliverBody(reader)
            whole = await reader.finished
        except Exception as error:
            trouble = _unknown if producer.begun else _not_delivered
            raise trouble(error, late=not limit.active()) from error
        finally:
            if limit.active():
                limit.cancel()
        received = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in response.headers.getAllRawHeaders()
        }
        return Response(response.code, received, bytes(reader.data), whole)


def _not_delivered(error: Exception, *, late: bool) -> NotDelivered:
    if late or isinstance(error, ConnectTimeout):
        return NotDelivered("connect-timeout", "No connection to the service could be made in time.")
    if isinstance(error, Refused):
        return NotDelivered("connection-refused", "Nothing listens at the service's address.")
    if isinstance(error, DNSLookupError):
        return NotDelivered("host-unknown", "The name of the service's host isn't known.")
    if isinstance(error, _NotGreeted):
        return NotDelivered("tls-failed", f"No TLS connection to the service could be made: {error}.", permanent=True)
    return NotDelivered("connection-failed", f"The service can't be reached ({type(error).__name__}).")


def _unknown(error: Exception, *, late: bool) -> OutcomeUnknown:
    if late:
        return OutcomeUnknown("timeout", "The service didn't answer in time.")
    reasons = [type(reason.value).__name__ for reason in getattr(error, "reasons", [])]
    named = ", ".join(reasons) or type(error).__name__
    return OutcomeUnknown("connection-lost", f"The connection ended before the service's answer ({named}).")


@implementer(IBodyProducer)
class _Body:
    """A request's body, written at once; `begun` is set when the request goes to the connection."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)
        self.begun = False

    def startProducing(self, consumer: Any) -> Deferred[None]:  # noqa: ANN401, N802 - as Twisted has it
        """Write it."""
        self.begun = True
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """All is written."""

    def resumeProducing(self) -> None:
        """All is written."""

    def stopProducing(self) -> None:
        """All is written."""


class _Reader(Protocol):
    """Reads a response's body up to the limit; `finished` fires with whether that was all of it."""

    transport: Any

    def __init__(self) -> None:
        self.data = bytearray()
        self.finished: Deferred[bool] = Deferred(lambda _: self.give_up())

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > LONGEST_ANSWER:
            del self.data[LONGEST_ANSWER:]
            self.give_up()

    def give_up(self) -> None:
        """Read no more of it."""
        self._finish(whole=False)
        if self.transport is not None:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # Without a length the end of the connection is the end of the body.
        self._finish(whole=isinstance(reason.value, client.ResponseDone | PotentialDataLoss))

    def _finish(self, *, whole: bool) -> None:
        if not self.finished.called:
            self.finished.callback(whole)


@implementer(IAgentEndpointFactory)
class _OneEndpoint:
    def __init__(self, endpoint: Any) -> None:  # noqa: ANN401 - see _web
        self._endpoint = endpoint

    def endpointForURI(self, uri: Any) -> Any:  # noqa: ANN401, ARG002, N802 - as Twisted has it
        return self._endpoint


def _endpoint(reactor: Any, uri: Any, timeout: float) -> Any:  # noqa: ANN401 - see _web
    host = uri.host.decode("ascii")
    plain = _endpoints.HostnameEndpoint(reactor, host, uri.port, timeout=timeout)
    if uri.scheme == b"http":
        return plain
    from twisted.internet.ssl import optionsForClientTLS  # noqa: PLC0415 - only those with https need OpenSSL

    return _Greeting(_endpoints.wrapClientTLS(optionsForClientTLS(host), plain))


class _NotGreeted(Exception):
    """The TLS handshake failed."""


@implementer(IStreamClientEndpoint)
class _Greeting:
    """A TLS endpoint that is connected when the handshake is through.

    Twisted's own connects before, and keeps what is written back until then: a certificate that isn't trusted would
    look like a connection that was lost after sending.
    """

    def __init__(self, endpoint: Any) -> None:  # noqa: ANN401 - see _web
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
            self.greeted.errback(_NotGreeted(_tls_reason(reason.value)))


def _tls_reason(error: BaseException | None) -> str:
    # OpenSSL's errors are a list of (library, function, reason).
    for argument in getattr(error, "args", ()):
        if isinstance(argument, list) and argument and isinstance(argument[-1], tuple):
            return str(argument[-1][-1])
    return type(error).__name__
