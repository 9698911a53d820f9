"""TLS between a protocol and its TCP connection: the protocol begins when the handshake is through, and not before.

Twisted's own TLS costs four times as much a message, tells a protocol of its connection before the other side is known,
and ends both directions when one does. Here the standard library's `ssl` has the bytes; contexts are those of
`casecart.runtime.tls`.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from zope.interface import implementer  # type: ignore[import-untyped]  # it has none

from casecart.runtime.handshake import HandshakeFailed, failure_of, must_be_expected

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from casecart.runtime.tls import ClientTls

__all__ = ["Encrypted", "encrypted_client"]

_READ: Final = 65_536  # more than a TLS record holds


_CUT: Final = HandshakeFailed("tls-cut", "it ended the connection before TLS was agreed")
_SILENT: Final = HandshakeFailed("tls-silent", "it ended the connection without a word")


@implementer(IHalfCloseableProtocol)
class Encrypted(Protocol):
    """The protocol of a TCP connection with TLS on it, and the transport of the protocol within.

    Args:
        context: of this side; connections that are there keep theirs when another is made.
        greet: called once after the handshake, with this; gives the protocol within, which is connected then, or raises
            `HandshakeFailed` if the other side is not who it should be.
        failed: called once if there was no handshake, or `greet` raised; the connection closes by itself.
        server_side: whether the other side began the connection.
        host: of the server, where this side began it.
    """

    transport: Any

    def __init__(
        self,
        context: ssl.SSLContext,
        greet: Callable[[Encrypted], Protocol],
        failed: Callable[[HandshakeFailed], None],
        *,
        server_side: bool,
        host: str | None = None,
    ) -> None:
        self._greet, self._failed = greet, failed
        self._read_from, self._write_to = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._read_from, self._write_to, server_side, host)
        """For `casecart.runtime.tls.peer_of`."""
        self.trouble: HandshakeFailed | None = None
        """Why TLS broke off after the handshake: a server that knows TLS 1.3 refuses a certificate only then."""
        self._within: Any = None
        self._over = False  # nothing more is read or written
        self._first = b""
        self._direct: Callable[[bytes], int | Exception] | None = None

    @property
    def heard(self) -> bool:
        """Whether anything came from the other side."""
        return bool(self._first) or self._within is not None

    # --- what comes in
    def connectionMade(self) -> None:
        """Begin the handshake, if it is this side's to begin."""
        self._direct = getattr(self.transport, "writeSomeData", None)
        self._greeted()

    def dataReceived(self, data: bytes) -> None:
        """Decrypt, and hand over what there is."""
        if self._over:
            return
        self._read_from.write(data)
        if self._within is None:
            self._first = self._first or data
            if not self._greeted():
                return
        self._hand_over()

    def _hand_over(self) -> None:
        session, waiting, within = self.session, self._read_from, self._within
        while not self._over:
            try:
                data = session.read(_READ)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError as error:
                self._break(error)
                return
            if not data:  # the other side said that it sends nothing more
                self._ended()
                return
            within.dataReceived(data)
            if not waiting.pending and not session.pending():
                break
        if self._write_to.pending:  # an answer of TLS itself, to a change of keys
            self._flush()

    def _greeted(self) -> bool:
        """Go on with the handshake; whether it is through now, and the protocol within there."""
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._fail(failure_of(error, self._first))
            return False
        self._first = b""
        self._flush()
        try:
            self._within = self._greet(self)
        except HandshakeFailed as failed:
            self._fail(failed)
            return False
        self._within.makeConnection(self)
        return True

    def _say_goodbye(self) -> None:
        with suppress(ssl.SSLError):  # it is said; only the other side has not answered it yet
            self.session.unwrap()
        self._flush()

    def _fail(self, failure: HandshakeFailed) -> None:
        self._over = True
        self._say_goodbye()  # an alert of OpenSSL's says why, where it knows
        self.transport.loseConnection()
        self._failed(failure)

    def _break(self, error: ssl.SSLError) -> None:
        """What came is not what was sent, or the other side broke off: nothing that follows can be trusted."""
        self._over, self.trouble = True, failure_of(error)
        self._flush()
        self.transport.abortConnection()

    def _ended(self) -> None:
        if IHalfCloseableProtocol.providedBy(self._within):
            self._within.readConnectionLost()
        else:
            self.loseConnection()

    def readConnectionLost(self) -> None:  # noqa: N802 - the name is Twisted's
        """The other side sends nothing more, whether it said so within TLS or not."""
        if self._within is None:
            self.transport.loseConnection()  # and `connectionLost` says why
        elif not self._over:
            self._ended()

    def writeConnectionLost(self) -> None:  # noqa: N802 - the name is Twisted's
        """Only follows our own closing."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The TCP connection is gone."""
        self._direct = None
        if self._within is not None:
            self._over = True
            self._within.connectionLost(reason)
        elif not self._over:
            self._over = True
            self._failed(_CUT if self._first else _SILENT)

    # --- what goes out
    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if self._over or not data:
            return
        try:
            self.session.write(data)
        except ssl.SSLError as error:
            self._break(error)
            return
        self._flush()

    def writeSequence(self, parts: list[bytes]) -> None:  # noqa: N802 - the name is Twisted's
        """Encrypt and send."""
        self.write(b"".join(parts))

    def _flush(self) -> None:
        data = self._write_to.read()
        if not data:
            return
        if self._direct is not None:
            # At once, and through the transport from when the socket doesn't take all: see `MllpConnection.write`.
            sent = self._direct(data)
            if sent == len(data):
                return
            self._direct = None
            data = data[sent:] if isinstance(sent, int) else data
        self.transport.write(data)

    def loseConnection(self) -> None:  # noqa: N802 - the name is Twisted's
        """Say that this is the end, and close when all is sent; what the other side says to that is not waited for."""
        if not self._over:
            self._over = True
            self._say_goodbye()
        self.transport.loseConnection()

    def abortConnection(self) -> None:  # noqa: N802 - the name is Twisted's
        """Close at once."""
        self._over = True
        self.transport.abortConnection()

    @property
    def disconnecting(self) -> bool:
        """Whether nothing more is read: Twisted's protocols of lines look at it between two of them."""
        return self._over

    # --- what is TCP's
    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what the transport has
        """Producers, options of the socket, addresses: those of the TCP connection, but for its ways to write."""
        if name in _TCP:
            return getattr(self.transport, name)
        raise AttributeError(name)


_TCP: Final = frozenset(
    {
        "getHost",
        "getPeer",
        "pauseProducing",
        "registerProducer",
        "resumeProducing",
        "setTcpKeepAlive",
        "setTcpNoDelay",
        "unregisterProducer",
    }
)


def encrypted_client(
    tls: ClientTls,
    context: ssl.SSLContext,
    host: str,
    within: Protocol,
    failed: Callable[[HandshakeFailed], None],
) -> Encrypted:
    """The protocol of a connection to a server.

    Args:
        tls: says who the server is.
        context: of `client_context`, made of the same.
        host: that is connected to.
        within: connected when the server is known to be the right one.
        failed: told in place of that, once.
    """

    def greet(encrypted: Encrypted) -> Protocol:
        must_be_expected(tls.server, encrypted.session)
        return within

    return Encrypted(context, greet, failed, server_side=False, host=host)
