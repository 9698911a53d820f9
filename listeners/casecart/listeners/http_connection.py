"""One HTTP connection, on Twisted's own HTTP/1.1: requests one after the other, each answered when it is stored.

Twisted reads request lines, headers and bodies; here is when to stop reading, what to say then, and how to close so
that the answer is still read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.web.http import HTTPChannel
from zope.interface import implementer  # type: ignore[import-untyped]  # it has none

from casecart.listeners.http_answer import TAKEN, Answer, Rejected, rejected, written
from casecart.listeners.http_reception import Sign
from casecart.listeners.http_request import SKIPPED, HttpRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from casecart.listeners.door import Occupant
    from casecart.listeners.http_peer import HttpPeers, HttpSender
    from casecart.listeners.http_reception import HttpReception
    from casecart.listeners.turned_away import TurnedAway
    from casecart.runtime.listener import Intake
    from casecart.runtime.unfinished import Unfinished

__all__ = ["HttpConnection", "HttpOwner"]

_LINGER: Final = 2.0  # seconds in which an answer is read by a sender that still sends
_BODY: Final = b"\r\n\r\n"
"""What a body begins behind; the answer to HEAD has none (RFC 9110 §9.3.2)."""
_HEADERS: Final = 100
_HEADER_SIZE: Final = 16_384


class HttpOwner(Protocol):
    """What a connection asks of its listener."""

    intake: Intake
    reception: HttpReception
    senders: HttpPeers
    turned_away: TurnedAway
    unfinished: Unfinished
    maximum_body: int
    request_timeout: float
    idle_timeout: float
    date: bytes
    """Now, as HTTP writes it."""

    def opened(self, connection: Occupant) -> None:
        """A connection is there."""

    def lost(self, connection: Occupant) -> None:
        """A connection is gone."""

    def note(self, sign: Sign, done: Callable[[], None]) -> None:
        """Have a sign noted; `done` when that is durable."""

    def failed(self, fault: Exception) -> None:
        """Say that there is a fault of ours, without its text, which may quote a message."""


@implementer(IHalfCloseableProtocol)
class HttpConnection(HTTPChannel):
    """One connection.

    Args:
        owner: the listener.
        host: the address that it comes from.
        source: the same with its port.
        allowed: who may post on it.
    """

    transport: Any
    requestFactory: Any = HttpRequest  # noqa: N815 - the name is Twisted's
    timeOut = None  # noqa: N815 - the same; time is counted by `tick`
    maxHeaders = _HEADERS  # noqa: N815 - the same
    totalHeadersSize = _HEADER_SIZE  # noqa: N815 - the same
    MAX_LENGTH = _HEADER_SIZE
    peer = ""  # its requests tell
    requests: list[HttpRequest]
    _path: Any  # bytes; Twisted's own annotation is another's

    def __init__(self, owner: HttpOwner, host: str, source: str, allowed: frozenset[HttpSender]) -> None:
        super().__init__()
        self.owner, self.host, self.source, self.allowed = owner, host, source, allowed
        self._ended = False  # nothing more is read; what comes is thrown away
        self._draining = False
        self._held = 0
        self._send: Callable[[bytes], int | Exception] | None = None
        self._arriving = self._waited = self._quiet = self._closed = 0.0

    # --- what comes in
    def connectionMade(self) -> None:
        """Get to know the other side."""
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self._send = getattr(self.transport, "writeSomeData", None)  # what is encrypted has its own way
        # Not by its interface, as Twisted has it: our TLS can be paused as well.
        self._networkProducer = self.transport
        self.transport.registerProducer(self, True)  # noqa: FBT003 - the signature is Twisted's
        self.owner.opened(self)

    def dataReceived(self, data: bytes) -> None:
        """Read requests, as far as there are some."""
        if self._ended:
            return
        self._quiet = 0.0
        try:
            super().dataReceived(data)
        except ValueError:  # of a Content-Length with thousands of digits
            self._respondToBadRequestAndDisconnect()
        except Exception as fault:  # noqa: BLE001 - whatever it is, others go on
            self.owner.failed(fault)
            self.abort()
        # Twisted looks at this when something comes and not when a request is done, so that it would grow.
        if self._dataBuffer and sum(map(len, self._dataBuffer)) > self._optimisticEagerReadSize:
            self.transport.pauseProducing()
        self._account()

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002, N802 - the signature is Twisted's
        """The request line, or a line of the header, is too long."""
        self.refuse(rejected("headers-too-large").answer)

    def allHeadersReceived(self) -> None:  # noqa: N802 - the name is Twisted's
        """Decide before the body comes, and before it is asked for."""
        request = self.requests[-1]
        try:
            request.look(self._path, self._command, self.length)
        except Rejected as refused:
            request.problem = refused.answer
            self._record(refused.answer)
            small = self.length is not None and self.length <= SKIPPED
            if not small or request.requestHeaders.hasHeader(b"Expect"):
                self.refuse(refused.answer)
                return
        super().allHeadersReceived()

    def _send100Continue(self) -> None:  # noqa: N802 - the name is Twisted's
        self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802 - the name is Twisted's
        large = self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders
        self.refuse(rejected("headers-too-large" if large else "bad-request").answer)

    def readConnectionLost(self) -> None:  # noqa: N802 - the name is Twisted's
        """The sender sends nothing more; it may still read its answer."""
        self._draining = True
        if not self._handlingRequest:
            self._cut_off()
            self._close()

    def writeConnectionLost(self) -> None:  # noqa: N802 - the name is Twisted's
        """Only follows our own closing."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone, and with it all that could be answered."""
        self._cut_off()
        self._ended = True
        super().connectionLost(reason)
        self.requests.clear()
        self._account()
        self.owner.lost(self)

    def _cut_off(self) -> None:
        if not self._ended and self._reads_body:
            self._record(rejected("cut").answer)

    @property
    def _reads_body(self) -> bool:
        return bool(self.requests) and not self._handlingRequest and self._transferDecoder is not None

    def _account(self) -> None:
        """Say how much is held here of what isn't whole."""
        held = self.requests[-1].size if self._reads_body and not self._ended else 0
        if held != self._held:
            self._held = held
            self.owner.unfinished.hold(self, held)

    def give_up(self) -> None:
        """Too much is unfinished in all, and most of it here: its sender keeps what it sends."""
        self._held = 0
        self.refuse(rejected("crowded").answer)

    def _record(self, answer: Answer) -> None:
        self.owner.turned_away.record(self.source, answer.code, answer.words, what="refused a request")

    # --- what becomes of a request
    def take(self, request: HttpRequest, body: bytes) -> None:
        """Have a request stored, and answered then. Raises `Rejected`."""
        self._arriving = self._waited = 0.0
        made = self.owner.reception.taken(request, body)
        if isinstance(made, Sign):
            self.owner.note(made, lambda: request.tell(TAKEN))
        else:
            self.owner.intake.take(made)

    def answer(self, request: HttpRequest, answer: Answer) -> None:
        """Answer a request that came whole."""
        if self._draining:
            self.persistent = 0
        request.answered = True
        fhir = not request.known or request.sender.format == "fhir"
        data = written(answer, fhir=fhir, date=self.owner.date, close=not self.persistent)
        self._write(data.partition(_BODY)[0] + _BODY if request.method == b"HEAD" else data)
        self._arriving = self._waited = self._quiet = 0.0
        request.startedWriting = 1
        request.finish()

    def refuse(self, answer: Answer) -> None:
        """Answer now, and read nothing more; who still sends has a moment to read why."""
        if self._ended:
            return
        request = self.requests[-1] if self.requests else None
        known = request is not None and request.known
        if request is not None:
            request.answered = True
        if request is None or request.problem is None:
            self._record(answer)
        fhir = not known or (request is not None and request.sender.format == "fhir")
        self._ended = True
        self.clearLineBuffer()
        self._write(written(answer, fhir=fhir, date=self.owner.date, close=True))

    def _write(self, data: bytes) -> None:
        if self._send is not None:
            # At once: to have the reactor do it in its next turn costs as much again, see `MllpConnection.write`.
            sent = self._send(data)
            if sent == len(data):
                return
            self._send = None
            data = data[sent:] if isinstance(sent, int) else data
        self.transport.write(data)

    # --- flow and time
    def pauseProducing(self) -> None:
        """Too many answers are unread: read no more. Twisted goes on while a request waits for its answer."""
        self._waitingForTransport = True
        self.transport.pauseProducing()

    def drain(self) -> None:
        """Take nothing new, answer what was taken, close."""
        self._draining = True
        if self._handlingRequest and not self._ended:
            return
        if self._reads_body:
            self.refuse(rejected("stopping").answer)
        self._close()

    def abort(self) -> None:
        """Close without answering."""
        self._ended = True
        self.transport.abortConnection()

    def _close(self) -> None:
        self._ended = True
        self.loseConnection()

    def tick(self, seconds: float) -> None:
        """So much time has gone by."""
        if self._ended:
            self._closed += seconds
            if self._closed > _LINGER:
                self.abort()
        elif self._handlingRequest:
            self._waited += seconds
            if self._waited > self.owner.request_timeout and self.requests and not self.requests[0].answered:
                self.requests[0].tell(rejected("not-stored").answer)
        elif self.requests or self._buffer:
            self._arriving += seconds
            if self._arriving > self.owner.request_timeout:
                self.refuse(rejected("timeout").answer)
        else:
            self._quiet += seconds
            if self._quiet > self.owner.idle_timeout:
                self._close()
