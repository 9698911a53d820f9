"""One MLLP connection to a receiver: a message out, its acknowledgement in, one at a time."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone

from casecart.formats.hl7v2 import Refused, read_reply
from casecart.formats.mllp import Fault, Framer, Signal, frame
from casecart.runtime.encrypted import Encrypted

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from casecart.formats.hl7v2 import Reply

__all__ = ["MllpLink", "NoReply"]

LARGEST_REPLY: Final = 1024 * 1024
"""Bytes of an acknowledgement."""


# A peer that is gone without a word, or behind a firewall that forgot the connection, is found within a minute.
_KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
_HANGUP: Final[int] = getattr(select, "POLLRDHUP", 0)


class NoReply(Exception):
    """The message went out, and what came back, if anything, doesn't say what became of it.

    Args:
        code: stable code.
        words: for the person who must act.
        accepted: the accept acknowledgement came: the receiver keeps the message.
        refused: the receiver surely did not take it (the negative commit of MLLP release 2).
    """

    def __init__(self, code: str, words: str, *, accepted: bool = False, refused: bool = False) -> None:
        super().__init__(words)
        self.code, self.words, self.accepted, self.refused = code, words, accepted, refused


class MllpLink(Protocol):
    """A connection.

    An acknowledgement belongs to the message whose control id it gives back (MSA-2) and to no other: receivers are
    about that acknowledge twice, or acknowledge with each message all earlier ones again. Those are passed over.
    Whatever else comes instead of an acknowledgement leaves the outcome unknown, and the connection is given up, so
    that nothing of it can be taken for the answer to a later message.

    Args:
        reactor: Twisted's.
        gone: called once when it can't be used any more.
    """

    transport: Any

    def __init__(self, reactor: Any, gone: Callable[[MllpLink], None]) -> None:  # noqa: ANN401 - says nothing to mypy
        self._reactor, self._gone = reactor, gone
        self._framer = Framer(LARGEST_REPLY)
        self._control_id = b""
        self._accept_only = self._accepted = False
        self._waiting: Deferred[Reply] | None = None
        self._limit: Any = None
        self._rest: Any = None
        self.usable = False
        self.ready: Deferred[None] = Deferred()
        """Fires when it can be used; where it is encrypted, that is after the handshake."""

    def connectionMade(self) -> None:
        """It can be used."""
        self.usable = True
        self.transport.setTcpKeepAlive(True)
        self.transport.setTcpNoDelay(True)
        for name, value in _KEEP_ALIVE:
            if hasattr(socket, name):
                _socket(self.transport).setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self.ready.callback(None)

    # --- one message
    def send(self, message: bytes, control_id: bytes, *, accept_only: bool, within: float) -> Deferred[Reply]:
        """Send a message; fires with its acknowledgement, or fails with `NoReply`.

        Args:
            message: not framed.
            control_id: its MSH-10.
            accept_only: CA is all that is to come; else the application's acknowledgement is waited for.
            within: seconds.
        """
        self._idle(None)
        self._control_id, self._accept_only, self._accepted = control_id, accept_only, False
        self._limit = self._reactor.callLater(within, self._late)
        waiting = self._waiting = Deferred()
        self.transport.write(frame(message))
        return waiting

    @property
    def alive(self) -> bool:
        """Whether a message may be sent, as far as can be told.

        The other side may have closed it a moment ago, and the reactor not have been told: the socket knows.
        """
        return self.usable and not _closed(self.transport)

    def rest(self, seconds: float) -> None:
        """There is nothing to send: close it after so long."""
        if seconds:
            self._idle(self._reactor.callLater(seconds, self.close))
        else:
            self.close()

    def close(self) -> None:
        """Let go of it. What is waited for is not any more."""
        self._idle(None)
        if self._waiting is not None:
            self._fail("stopped", "The engine was stopped while it waited for the receiver's answer.")
        elif self.usable:
            self._leave()
            self.transport.loseConnection()

    # --- what comes
    def dataReceived(self, data: bytes) -> None:
        """Acknowledgements, and all that is none."""
        for event in self._framer.feed(data):
            if event.__class__ is bytes:
                self._heard(event)
            elif event is Signal.NOT_COMMITTED and self._waiting is not None:
                words = "The receiver's transport did not take the message (a negative commit of MLLP release 2)."
                self._fail("not-committed", words, refused=not self._accepted)
            elif event.__class__ is Fault and self._waiting is not None:
                self._fail("answer-unreadable", f"What the receiver answered is no frame ({event.code}).")
        if self._framer.dead:
            self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - the signature is Twisted's
        """It is over, from whichever side."""
        self._leave()
        half, trouble = self._framer.begun, getattr(self.transport, "trouble", None)
        if self._waiting is not None and half:
            self._fail("answer-cut-off", "The connection ended within the receiver's answer.")
        elif self._waiting is not None and trouble is not None:
            self._fail(trouble.code, f"The receiver ended TLS before its answer: {trouble.words}.")
        elif self._waiting is not None:
            self._fail("connection-lost", "The connection ended before the receiver's answer.")

    def _heard(self, body: bytes) -> None:
        if self._waiting is None:
            return  # an acknowledgement once more
        try:
            reply = read_reply(body)
        except Refused as refused:
            self._fail("answer-unreadable", f"What the receiver answered is no acknowledgement ({refused.code}).")
            return
        if not reply.control_id:
            words = "The receiver's acknowledgement doesn't say which message it is for (MSA-2 is empty)."
            self._fail("answer-unreadable", words)
        elif reply.control_id != self._control_id:
            return
        elif reply.code == "CA" and not self._accept_only:
            self._accepted = True
        else:
            waiting, self._waiting = self._waiting, None
            self._limit.cancel()
            waiting.callback(reply)

    # --- the end
    def _late(self) -> None:
        if self._accepted:
            words = "The receiver keeps the message (CA), and its application didn't acknowledge it in time."
        else:
            words = "The receiver didn't acknowledge the message in time."
            if self._framer.begun:
                words += " What it sent was no frame, or not a whole one."
        self._fail("timeout", words)

    def _fail(self, code: str, words: str, *, refused: bool = False) -> None:
        waiting, self._waiting = self._waiting, None
        if self._limit.active():
            self._limit.cancel()
        self._abort()
        if waiting is not None:
            waiting.errback(NoReply(code, words, accepted=self._accepted, refused=refused))

    def _abort(self) -> None:
        if self.usable:
            self._leave()
            self.transport.abortConnection()
        if self._waiting is not None:
            self._fail("answer-unreadable", "What the receiver answered is no frame.")

    def _leave(self) -> None:
        self._idle(None)
        if self.usable:
            self.usable = False
            self._gone(self)

    def _idle(self, call: Any) -> None:  # noqa: ANN401 - as the reactor
        if self._rest is not None and self._rest.active():
            self._rest.cancel()
        self._rest = call


def _socket(transport: Any) -> socket.socket:  # noqa: ANN401 - Twisted's interfaces say nothing to mypy
    tcp = transport.transport if isinstance(transport, Encrypted) else transport
    return cast("socket.socket", tcp.socket)


def _closed(transport: Any) -> bool:  # noqa: ANN401 - Twisted's interfaces say nothing to mypy
    """Whether the other side has closed the connection; what it sent before may be unread."""
    handle = _socket(transport)
    if _HANGUP:
        poll = select.poll()
        poll.register(handle, _HANGUP)
        return bool(poll.poll(0))
    try:
        return not handle.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
