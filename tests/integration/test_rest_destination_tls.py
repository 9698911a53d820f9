"""HTTPS: who isn't trusted gets no request, and that is known."""

from __future__ import annotations

import ssl
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from twisted.internet.protocol import Factory, Protocol

from casecart.runtime.destination import NotDelivered
from casecart.runtime.exchange import Client
from support.reactor import in_reactor, reactor
from support.require import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Papers(NamedTuple):
    """A server's certificate for `localhost` and its key; it is an authority of its own."""

    certificate: Path
    key: Path


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Made by OpenSSL's own program."""
    folder = tmp_path_factory.mktemp("papers")
    made = Papers(folder / "certificate.pem", folder / "key.pem")
    request = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    try:
        import OpenSSL  # type: ignore[import-not-found, unused-ignore]  # noqa: F401, PLC0415 - asked whether it is there

        subprocess.run(
            [*request.split(), "-out", made.certificate, "-keyout", made.key], check=True, capture_output=True
        )
    except (ImportError, OSError) as missing:
        require("tls", f"needs twisted[tls] and the openssl program: {missing}")
    return made


class Counting(BaseHTTPRequestHandler):
    """Takes everything, and counts on its server."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Count it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing to log."""


class Server(ThreadingHTTPServer):
    """The standard library's web server, over TLS."""

    daemon_threads = True

    def __init__(self, papers: Papers) -> None:
        super().__init__(("127.0.0.1", 0), Counting)
        self.paths: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(papers.certificate, papers.key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.port = self.server_address[1]

    def handle_error(self, *_: object) -> None:
        """Clients that go away are what is tested."""


@pytest.fixture
def server(papers: Papers) -> Iterator[Server]:
    """Running."""
    with Server(papers) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@contextmanager
def serving(protocol: type[Protocol]) -> Iterator[int]:
    """A port without TLS."""
    port: Any = in_reactor(lambda: reactor.listenTCP(0, Factory.forProtocol(protocol), interface="127.0.0.1"))
    try:
        yield port.getHost().port
    finally:
        in_reactor(port.stopListening)


def send(url: str, *, times: int = 1) -> list[int]:
    """The statuses of some requests over one client."""
    client: Client = in_reactor(lambda: Client(reactor, url, connections=1, timeout=3.0))
    try:
        return [in_reactor(client.send, "POST", {}, b"{}").status for _ in range(times)]
    finally:
        in_reactor(client.close)


@pytest.fixture
def trusted(papers: Papers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's certificate is one that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(papers.certificate))


@pytest.mark.usefixtures("trusted")
def test_a_trusted_service_is_sent_to(server: Server) -> None:
    assert send(f"https://localhost:{server.port}/in", times=3) == [200, 200, 200]
    assert server.paths == ["/in"] * 3


def test_an_authority_that_isnt_known_gets_no_request(server: Server) -> None:
    with pytest.raises(NotDelivered) as raised:
        send(f"https://localhost:{server.port}/")
    assert raised.value.code == "tls-failed"
    assert "certificate verify failed" in raised.value.words
    assert server.paths == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_host_gets_no_request(server: Server) -> None:
    with pytest.raises(NotDelivered) as raised:
        send(f"https://127.0.0.1:{server.port}/")
    assert raised.value.code == "tls-failed"
    assert server.paths == []


class Plain(Protocol):
    """Answers anything as a web server without TLS does."""

    transport: Any

    def dataReceived(self, data: bytes) -> None:  # noqa: ARG002 - the signature is Twisted's
        """Answer it."""
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(("protocol", "code"), [(Plain, "tls-failed"), (Protocol, "connect-timeout")])
def test_a_service_that_speaks_no_tls_gets_no_request(protocol: type[Protocol], code: str) -> None:
    with serving(protocol) as port, pytest.raises(NotDelivered) as raised:
        send(f"https://localhost:{port}/")
    assert raised.value.code == code
