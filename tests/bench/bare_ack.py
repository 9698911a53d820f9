"""The yardstick: a bare Twisted ACK server. It is fixed, so that a ratio to it means the same thing next year.

A Protocol on the epoll reactor, a `find` of each frame's end, one `transport.write` of an acknowledgement of constant
shape with the message's MSH-10. Nothing else: no check, no limit, nothing kept.

    python tests/bench/bare_ack.py        prints its port
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.internet.protocol import Factory, Protocol

if TYPE_CHECKING:
    from twisted.internet.address import IPv4Address

__all__ = ["BareAck"]

HEAD = b"\x0bMSH|^~\\&|CASECART|NORTH|ORSYS|NORTH|20261103104500||ACK^P03^ACK|A1|P|2.8.2\rMSA|AA|"
TAIL = b"\r\x1c\r"


class BareAck(Protocol):
    """One connection."""

    transport: Any  # zope's interfaces say nothing to mypy
    rest = b""

    def dataReceived(self, data: bytes) -> None:
        """Answer every frame that is whole."""
        data = self.rest + data
        start = 0
        while (end := data.find(b"\x1c\r", start)) >= 0:
            control_id = data[start:end].split(b"|", 10)[9]
            self.transport.write(HEAD + control_id + TAIL)
            start = end + 2
        self.rest = data[start:]


def main() -> None:
    """Serve until killed."""
    reactor = EPollReactor()
    installReactor(reactor)
    port = reactor.listenTCP(0, Factory.forProtocol(BareAck), backlog=256, interface="127.0.0.1")
    print(cast("IPv4Address", port.getHost()).port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
