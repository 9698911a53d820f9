"""One HTTP exchange with a service, and the exact knowledge of whether the request went out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.web import client
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer  # type: ignore[import-untyped]  # it has none

from casecart.runtime.connecting import LONGEST_CONNECT, encrypted, not_delivered, plain
from casecart.runtime.destination import OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.python.failure import Failure

__all__ = ["LONGEST_ANSWER", "Client", "Response"]

# Twisted's HTTP client has no types, and its interfaces have some that only a plug-in of mypy understands.
_web: Final[Any] = client

LONGEST_ANSWER: Final = 1024 * 1024
"""Bytes of a response's body that are read, where nothing else is said."""

# Shorter than the keep-alive of the common servers (Node and Apache: 5 s): a request that goes out on a connection
# which the server is closing at that moment has an unknown outcome.
_IDLE: Final = 4.0


@dataclass(frozen=True, slots=True)
class Response:
    """What a service answered.

    Attributes:
        status: of HTTP.
        headers: by name in lower case; the last one where a name comes twice.
        body: as many bytes of it as the client reads at most.
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
        longest: bytes of an answer's body that are read.
    """

    def __init__(
        self,
        reactor: Any,  # noqa: ANN401 - see _web
        url: str,
        *,
        connections: int,
        timeout: float,
        longest: int = LONGEST_ANSWER,
    ) -> None:
        self._reactor = reactor
        self._url = url.encode("ascii")
        self._timeout, self._longest = timeout, longest
        self._pool = _web.HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = connections
        self._pool.cachedConnectionTimeout = _IDLE
        self._pool.retryAutomatically = False
        self._endpoint = _endpoint(reactor, _web.URI.fromBytes(self._url), min(timeout, LONGEST_CONNECT))
        self._agent = _web.Agent.usingEndpointFactory(reactor, _OneEndpoint(self._endpoint), self._pool)

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

    async def reach(self) -> None:
        """Connect, shake hands, and let go again. Raises `NotDelivered`."""
        try:
            connected = await self._endpoint.connect(Factory.forProtocol(Protocol))
        except Exception as error:
            raise not_delivered(error, late=False) from error
        connected.transport.loseConnection()

    def close(self) -> Deferred[None]:
        """Close the connections that wait for a next request."""
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed

    async def _send(self, method: str, headers: Mapping[str, str], body: bytes, path: str) -> Response:
        producer, reader = _Body(body), _Reader(self._longest)
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
            trouble = _unknown if producer.begun else not_delivered
            raise trouble(error, late=not limit.active()) from error
        finally:
            if limit.active():
                limit.cancel()
        received = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in response.headers.getAllRawHeaders()
        }
        return Response(response.code, received, bytes(reader.data), whole)


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

    def __init__(self, longest: int) -> None:
        self.data = bytearray()
        self._longest = longest
        self.finished: Deferred[bool] = Deferred(lambda _: self.give_up())

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > self._longest:
            del self.data[self._longest :]
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
    host = uri.host.decode("ascii").strip("[]")  # of an IPv6 address
    if uri.scheme == b"http":
        return plain(reactor, host, uri.port, timeout)
    from twisted.internet.ssl import optionsForClientTLS  # noqa: PLC0415 - only those with https need OpenSSL

    return encrypted(optionsForClientTLS(host), plain(reactor, host, uri.port, timeout))
