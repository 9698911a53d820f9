"""A connection before it is a sender's: a proxy says whose it is, TLS is agreed, and who may speak on it is known.

Neither a header nor a handshake may take longer than a frame. What is turned away is recorded, but for who says nothing
at all: so do those who only look whether the port is open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone

from casecart.formats.proxy import NotAnnounced, read_proxy_header
from casecart.listeners.admission import NotAdmitted
from casecart.runtime.encrypted import Encrypted
from casecart.runtime.handshake import HandshakeFailed, peer_of

if TYPE_CHECKING:
    import ssl

    from twisted.python.failure import Failure

    from casecart.listeners.door import Occupant
    from casecart.listeners.turned_away import TurnedAway
    from casecart.runtime.certificate import Certificate

__all__ = ["Doorkeeper", "Newcomer"]


class Doorkeeper(Protocol):
    """What a newcomer asks of its listener."""

    patience: float
    turned_away: TurnedAway
    proxied: bool

    @property
    def context(self) -> ssl.SSLContext | None:
        """For connections from now on; None without TLS."""

    def refusal(self, host: str) -> tuple[str, str] | None:
        """Why no connection of this address is taken, as code and words; None if one is."""

    def speaker(self, host: str, source: str, certificate: Certificate | None) -> TwistedProtocol:
        """What speaks on a connection. Raises `NotAdmitted`: nobody may speak on it."""

    def opened(self, connection: Occupant) -> None:
        """A connection is there."""

    def lost(self, connection: Occupant) -> None:
        """A connection is gone."""


class Newcomer(TwistedProtocol):
    """A connection that becomes a sender's, or ends.

    Args:
        owner: the listener.
    """

    transport: Any

    def __init__(self, owner: Doorkeeper) -> None:
        self._owner = owner
        self.host = self.peer = ""
        self._port = 0
        self._header = b""
        self._announced = not owner.proxied
        self._encrypted: Encrypted | None = None
        self._over = False
        self._waited = 0.0

    # --- as the protocol of the TCP connection, until it is known whose that is
    def connectionMade(self) -> None:
        """Wait for the proxy's header, or begin at once."""
        address = self.transport.getPeer()
        self.host, self._port = address.host, address.port
        self.transport.setTcpNoDelay(True)
        self._owner.opened(self)
        if self._announced:
            self._begin()

    def dataReceived(self, data: bytes) -> None:
        """Read the proxy's header."""
        if self._over:
            return
        self._header += data
        try:
            found = read_proxy_header(self._header)
        except NotAnnounced as trouble:
            self._turn_away(trouble.code, trouble.words, self._header)
            return
        if found is None:
            return
        self._header, self._announced = b"", True
        if found.host is not None:
            self._owner.lost(self)  # from here on it counts as the other's
            self.host, self._port = found.host, found.port
            refusal = self._owner.refusal(self.host)
            self._owner.opened(self)
            if refusal is not None:
                self._turn_away(*refusal)
                return
        self._begin()
        if found.rest and self.transport.protocol is not self:
            self.transport.protocol.dataReceived(found.rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - the signature is Twisted's
        """The connection ended before its header was through."""
        if self._header and not self._over:
            self._record("proxy-cut", "it ended in the middle of its PROXY header", self._header)
        self._leave()

    # --- then
    def _begin(self) -> None:
        context = self._owner.context
        if context is not None:
            self._encrypted = Encrypted(context, self._greet, self._failed, server_side=True)
            self._become(self._encrypted)
            return
        try:
            self._become(self._sender(None))
        except NotAdmitted as trouble:
            self._turn_away(trouble.code, trouble.words)

    def _become(self, protocol: Any) -> None:  # noqa: ANN401 - Twisted's protocols are not typed throughout
        """Have the TCP connection speak to another from now on, with nothing between them."""
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)

    def _greet(self, encrypted: Encrypted) -> TwistedProtocol:
        try:
            return self._sender(peer_of(encrypted.session))
        except NotAdmitted as trouble:
            raise HandshakeFailed(trouble.code, trouble.words) from None

    def _sender(self, certificate: Certificate | None) -> TwistedProtocol:
        made = self._owner.speaker(self.host, self._source, certificate)
        self._leave()
        return made

    def _failed(self, failure: HandshakeFailed) -> None:
        if failure.code != "tls-silent":
            self._record(failure.code, failure.words, failure.seen)
        self._leave()

    # --- how it may end
    @property
    def _source(self) -> str:
        return f"{self.host}:{self._port}"

    def _record(self, code: str, words: str, seen: bytes = b"") -> None:
        if not self._over:
            self._over = True
            self._owner.turned_away.record(self._source, code, words, seen)

    def _turn_away(self, code: str, words: str, seen: bytes = b"") -> None:
        self._record(code, words, seen)
        self.transport.loseConnection()

    def _leave(self) -> None:
        self._over = True
        self._owner.lost(self)

    def tick(self, seconds: float) -> None:
        """So much time has gone by."""
        self._waited += seconds
        if self._waited > self._owner.patience:
            if self._header:
                self._record("proxy-timeout", "its PROXY header did not come to an end in time", self._header)
            elif self._encrypted is not None and self._encrypted.heard:
                self._record("tls-timeout", "it did not agree on TLS in time")
            self.abort()

    def drain(self) -> None:
        """Nothing was taken from it: close."""
        self.abort()

    def abort(self) -> None:
        """Close."""
        self._over = True
        self.transport.abortConnection()
