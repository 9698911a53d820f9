"""A receiver of HL7 v2 messages over real TCP that answers as a test says, right or wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from twisted.internet.protocol import Factory, Protocol, connectionDone

from casecart.formats.mllp import Framer, frame
from casecart.runtime.encrypted import Encrypted
from support.reactor import in_reactor, reactor

if TYPE_CHECKING:
    from ssl import SSLContext

    from twisted.python.failure import Failure

__all__ = ["Receiver", "Session", "acknowledgement", "field", "receiving"]

Behaviour: TypeAlias = Callable[["Session", bytes], None]


def field(message: bytes, segment: str, number: int) -> str:
    """A field of the first segment of a name, as it was sent; empty if there is none."""
    for line in message.decode("latin-1").split("\r"):
        fields = line.split("|")
        if fields[0] == segment:
            at = number - 1 if segment == "MSH" else number
            return fields[at] if at < len(fields) else ""
    return ""


def acknowledgement(message: bytes, code: str = "AA", control_id: str | None = None, more: str = "") -> bytes:
    """The acknowledgement of a message, not framed."""
    answered = field(message, "MSH", 10) if control_id is None else control_id
    lines = ["MSH|^~\\&|BILLING|MERCY|CASECART||20261121||ACK^P03^ACK|R1|P|2.5.1", f"MSA|{code}|{answered}", more]
    return "".join(f"{line}\r" for line in lines if line).encode()


class Session(Protocol):
    """One connection to it."""

    transport: Any
    factory: Any

    def __init__(self) -> None:
        self._framer = Framer(10_000_000)

    def connectionMade(self) -> None:
        """It is counted."""
        self.factory.sessions.append(self)
        self.factory.connections += 1

    def dataReceived(self, data: bytes) -> None:
        """Each message is remembered, then answered."""
        for event in self._framer.feed(data):
            if isinstance(event, bytes):
                self.factory.messages.append(event)
                self.factory.behave(self, event)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - the signature is Twisted's
        """It is forgotten."""
        self.factory.sessions.remove(self)

    def say(self, *bodies: bytes) -> None:
        """Send frames, in one write."""
        self.transport.write(b"".join(map(frame, bodies)))


class Receiver(Factory):
    """Remembers messages; `behave` answers them."""

    def buildProtocol(self, address: object) -> Session:  # noqa: ARG002 - the signature is Twisted's
        """A session."""
        session = Session()
        session.factory = self
        return session

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.sessions: list[Session] = []
        self.connections = 0
        self.behave: Behaviour = lambda session, message: session.say(acknowledgement(message))

    @property
    def control_ids(self) -> list[str]:
        """MSH-10 of all messages."""
        return [field(message, "MSH", 10) for message in self.messages]


class _Secured(Factory):
    """The same over TLS."""

    noisy = False

    def __init__(self, receiver: Receiver, context: SSLContext) -> None:
        self._receiver, self._context = receiver, context

    def buildProtocol(self, address: object) -> Encrypted:
        """A session, when its handshake is through."""
        return Encrypted(
            self._context, lambda _: self._receiver.buildProtocol(address), lambda _: None, server_side=True
        )


@contextmanager
def receiving(port: int = 0, context: SSLContext | None = None) -> Iterator[tuple[Receiver, int]]:
    """A receiver, and its port; over TLS with a context."""
    receiver = Receiver()
    factory = receiver if context is None else _Secured(receiver, context)
    listening: Any = in_reactor(lambda: reactor.listenTCP(port, factory, interface="127.0.0.1"))
    try:
        yield receiver, listening.getHost().port
    finally:
        in_reactor(listening.stopListening)
        in_reactor(lambda: [session.transport.abortConnection() for session in list(receiver.sessions)])
