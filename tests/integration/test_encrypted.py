"""TLS between a protocol and its connection, over real sockets, with the standard library on the other side."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer  # type: ignore[import-untyped]  # it has none

from casecart.runtime.encrypted import Encrypted, encrypted_client
from casecart.runtime.tls import ClientTls, ServerTls, client_context, server_context
from support.certificates import Authority
from support.reactor import in_reactor, reactor
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from casecart.runtime.handshake import HandshakeFailed


@implementer(IHalfCloseableProtocol)
class Echo(Protocol):
    """Sends back what comes, and remembers what happened."""

    transport: Any

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.data = b""

    def connectionMade(self) -> None:
        """Remember it."""
        self.seen.append("made")

    def dataReceived(self, data: bytes) -> None:
        """Send it back."""
        self.data += data
        self.transport.write(data)

    def readConnectionLost(self) -> None:  # noqa: N802 - the name is Twisted's
        """The other side has said all."""
        self.seen.append("half")
        self.transport.write(b"bye")
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:  # noqa: N802 - the name is Twisted's
        """Ours."""

    def connectionLost(self, reason: object = None) -> None:  # noqa: ARG002 - the signature is Twisted's
        """Remember it."""
        self.seen.append("lost")


class Server(Factory):
    """Echoes over TLS."""

    noisy = False

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.echoes: list[Echo] = []
        self.failures: list[HandshakeFailed] = []

    def buildProtocol(self, addr: object) -> Encrypted:  # noqa: ARG002 - the signature is Twisted's
        """One connection's."""
        return Encrypted(self.context, self._greet, self.failures.append, server_side=True)

    def _greet(self, _: Encrypted) -> Echo:
        self.echoes.append(Echo())
        return self.echoes[-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With an authority, a server's papers and a client's."""
    made = tmp_path_factory.mktemp("papers")
    authority = Authority(made)
    authority.issue("CN=casecart", file="server")
    authority.issue("CN=orsys", file="client")
    return made


SERVER = "certificate: server.pem\nkey: {file: server.key}\nauthorities: authority.pem"
CLIENT = "certificate: client.pem\nkey: {file: client.key}\nauthorities: authority.pem"


@contextmanager
def serving(folder: Path, said: str = SERVER) -> Iterator[tuple[Server, int]]:
    """An open port."""
    server = Server(server_context(settings_of(ServerTls, said), folder))
    port: Any = in_reactor(lambda: reactor.listenTCP(0, server, interface="127.0.0.1"))
    try:
        yield server, port.getHost().port
    finally:
        in_reactor(port.stopListening)


@contextmanager
def connected(folder: Path, port: int, said: str = CLIENT) -> Iterator[ssl.SSLSocket]:
    """A client that nobody here wrote."""
    context = client_context(settings_of(ClientTls, said), folder)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as made,
    ):
        yield made


def received(connection: socket.socket, size: int) -> bytes:
    """So many bytes."""
    data = bytearray()
    while len(data) < size:
        more = connection.recv(65_536)
        assert more, f"closed after {len(data)} of {size} bytes"
        data += more
    return bytes(data)


def until(condition: Callable[[], bool]) -> None:
    """Waits for another thread."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("size", [1, 16_384, 16_385, 1_000_000])
def test_what_is_sent_comes_back(folder: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    with serving(folder) as (_, port), connected(folder, port) as client:
        for start in range(0, size, 100_000):
            client.sendall(data[start : min(start + 100_000, size)])
            assert received(client, min(100_000, size - start)) == data[start : min(start + 100_000, size)]


def test_what_nobody_reads_is_kept_in_order(folder: Path) -> None:
    # More than the sockets hold: from then on the transport keeps it, and nothing overtakes.
    with serving(folder) as (server, port), connected(folder, port) as client:
        client.sendall(b"x")
        assert received(client, 1) == b"x"
        echo = server.echoes[0]
        parts = [bytes([index]) * 100_000 for index in range(60)]
        in_reactor(lambda: [echo.transport.write(part) for part in parts] and None)
        assert received(client, 6_000_000) == b"".join(parts)


def test_who_has_said_all_still_gets_the_answer(folder: Path) -> None:
    with serving(folder) as (server, port), connected(folder, port) as client:
        client.sendall(b"all")
        assert received(client, 3) == b"all"
        socket.socket.shutdown(client, socket.SHUT_WR)  # TCP's end, without TLS's
        assert received(client, 3) == b"bye"
        assert client.recv(1) == b""  # and this side says goodbye as TLS wants it
        until(lambda: server.echoes[0].seen == ["made", "half", "lost"])


def test_a_goodbye_in_tls_is_answered_with_what_is_left_to_say(folder: Path) -> None:
    with serving(folder) as (server, port):
        context = client_context(settings_of(ClientTls, CLIENT), folder)
        reads, writes = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = context.wrap_bio(reads, writes, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            while True:
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    plain.sendall(writes.read())
                    reads.write(plain.recv(65_536))
            session.write(b"all")
            with pytest.raises(ssl.SSLWantReadError):
                session.unwrap()
            plain.sendall(writes.read())
            data = b""
            while more := plain.recv(65_536):
                data += more
            assert data
            until(lambda: server.echoes[0].seen == ["made", "half", "lost"])
            assert server.echoes[0].data == b"all"


class Saying(Protocol):
    """Says something, and remembers what comes."""

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.lost = False

    def connectionMade(self) -> None:
        """Say it."""
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        """Remember it."""
        self.data += data

    def connectionLost(self, reason: object = None) -> None:  # noqa: ARG002 - the signature is Twisted's
        """Remember it."""
        self.lost = True


@contextmanager
def saying(folder: Path, port: int, said: str) -> Iterator[tuple[Saying, list[HandshakeFailed], Encrypted]]:
    """Our own client."""
    tls, within = settings_of(ClientTls, said), Saying()
    failures: list[HandshakeFailed] = []
    made = encrypted_client(tls, client_context(tls, folder), "localhost", within, failures.append)
    factory: Any = Factory.forProtocol(lambda: made)
    factory.noisy = False
    in_reactor(lambda: TCP4ClientEndpoint(reactor, "127.0.0.1", port, timeout=5).connect(factory))
    try:
        yield within, failures, made
    finally:
        in_reactor(made.abortConnection)


def test_our_own_client_is_connected_when_the_server_is_the_right_one(folder: Path) -> None:
    said = f"{CLIENT}\nserver: {{subject: CN=casecart}}"
    with serving(folder) as (_, port), saying(folder, port, said) as (within, failures, _):
        until(lambda: within.data == b"hello")
        assert failures == []


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (f"{CLIENT}\nserver: {{subject: CN=billing}}", "tls-wrong-certificate"),
        (CLIENT.replace("authority.pem", "client.pem"), "tls-certificate"),
    ],
)
def test_our_own_client_says_nothing_to_another_server(folder: Path, said: str, code: str) -> None:
    with serving(folder) as (server, port), saying(folder, port, said) as (within, failures, _):
        until(lambda: bool(failures))
        assert failures[0].code == code
        assert within.transport is None
        assert all(echo.data == b"" for echo in server.echoes)


def test_our_own_client_is_told_why_a_server_does_not_take_its_certificate(folder: Path) -> None:
    with serving(folder) as (server, port), saying(folder, port, "authorities: authority.pem") as (within, _, made):
        until(lambda: within.lost)
        assert made.trouble is not None
        assert made.trouble.code == "tls-refused"
        assert [failure.code for failure in server.failures] == ["tls-no-certificate"]
