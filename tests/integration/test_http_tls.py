"""The HTTP listener with TLS: who may post is known by certificate, token and address."""

from __future__ import annotations

import http.client
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from casecart.listeners.http_connection import HttpConnection
from casecart.runtime.listener import Receipt
from casecart.runtime.tls import ClientTls, client_context
from support.certificates import Authority
from support.http_door import (
    TOKEN,
    connected,
    door,
    http_settings,
    notification,
    post,
    received,
    send_until_held_up,
)
from support.listening import Intake
from support.open_port import Turn, until
from support.reactor import in_reactor, reactor
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.listeners.http import HttpListener
    from casecart.listeners.http_settings import HttpSettings

TLS = "tls: {certificate: server.pem, key: {file: server.key}, authorities: authority.pem}\n"
EHR = "ehr: {facility: NORTH, token: {file: ehr.token}, certificate: {subject: CN=ehr}}"
LAB = "lab: {facility: NORTH, format: json}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Papers of the listener, of senders, and of one whom nobody knows."""
    made = tmp_path_factory.mktemp("papers")
    authority = Authority(made)
    for name in ("server", "ehr", "lab"):
        authority.issue(f"CN={name}", file=name)
    Authority(made, "elsewhere").issue("CN=ehr", file="forged")
    return made


def settings(more: str = "") -> HttpSettings:
    """With mutual TLS, and one peer bound to its certificate."""
    return http_settings(TLS + more, peers=f"{EHR}, {LAB}")


@contextmanager
def encrypted(listener: HttpListener, folder: Path, name: str) -> Iterator[ssl.SSLSocket]:
    """A connection of a sender that shows this certificate."""
    own = f"certificate: {name}.pem\nkey: {{file: {name}.key}}\nauthorities: authority.pem\n"
    context = client_context(settings_of(ClientTls, f"{own}server: {{subject: server}}"), folder)
    with connected(listener) as plain, context.wrap_socket(plain, suppress_ragged_eofs=False) as made:
        yield made


def is_heard(listener: HttpListener, folder: Path, name: str) -> bool:
    """Whether a sender with this certificate gets an answer."""
    try:
        with encrypted(listener, folder, name) as sender:
            sender.sendall(post(notification()))
            return bool(sender.recv(1))
    except (ssl.SSLError, ConnectionError):
        return False


def test_a_client_nobody_here_wrote_posts_over_https(folder: Path) -> None:
    intake = Turn()
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    context.load_cert_chain(folder / "ehr.pem", folder / "ehr.key")
    with door(intake, settings(), root=folder) as listener:
        client = http.client.HTTPSConnection("localhost", listener.port, timeout=10, context=context)
        for number in range(1, 6):
            client.request("POST", "/ehr", notification(number), {"Authorization": f"Bearer {TOKEN}"})
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
        client.close()
    assert [arrival.peer for arrival in intake.arrivals] == ["ehr"] * 5


@pytest.mark.parametrize(
    ("name", "target", "token", "status"),
    [
        ("ehr", "/ehr", TOKEN, 200),
        ("ehr", "/ehr", "wrong", 401),
        ("lab", "/ehr", TOKEN, 403),  # another's certificate, with the right token
        ("lab", "/lab", None, 200),
        ("ehr", "/lab", None, 403),  # a certificate of its own speaks for that peer and no other
    ],
)
def test_certificate_and_token_must_both_be_the_peers(
    folder: Path, name: str, target: str, token: str | None, status: int
) -> None:
    with door(Turn(), settings(), root=folder) as listener, encrypted(listener, folder, name) as sender:
        sender.sendall(post(notification(), target, token=token, content_type=None))
        assert received(sender)[0].status == status


def test_a_forged_certificate_is_never_heard(folder: Path) -> None:
    intake = Turn()
    with door(intake, settings(), root=folder) as listener:
        assert not is_heard(listener, folder, "forged")
        until(lambda: bool(intake.arrivals))
    assert [(arrival.refused, arrival.notes) for arrival in intake.arrivals] == [(True, "tls-certificate")]


def test_a_peer_is_taken_from_its_networks_only(tmp_path: Path) -> None:
    peers = "far: {facility: NORTH, networks: 10.0.0.0/8}, near: {facility: NORTH}"
    with door(Turn(), http_settings(peers=peers), root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(notification(), "/far") + post(notification(), "/near"))
        assert [answer.status for answer in received(sender, 2)] == [403, 200]


def test_where_no_peer_is_near_nobody_is_let_in(tmp_path: Path) -> None:
    intake = Turn()
    peers = "far: {facility: NORTH, networks: 10.0.0.0/8}"
    with door(intake, http_settings(peers=peers), root=tmp_path) as listener, connected(listener) as sender:
        assert sender.recv(1) == b""
        until(lambda: bool(intake.arrivals))
    assert intake.last.notes == "no-peer"


def test_a_header_with_a_secret_takes_the_place_of_a_token(tmp_path: Path) -> None:
    peers = "ehr: {facility: NORTH, header: {name: X-Secret, secret: {file: ehr.token}}}"
    with door(Turn(), http_settings(peers=peers), root=tmp_path) as listener, connected(listener) as sender:
        for headers in ((f"x-secret: {TOKEN}",), ("X-Secret: wrong",), ()):
            sender.sendall(post(notification(), token=None, headers=headers))
        assert [answer.status for answer in received(sender, 3)] == [200, 401, 401]


def test_a_flood_before_the_first_answer_is_held_up_under_tls_too(folder: Path) -> None:
    intake = Intake(None)
    with door(intake, settings(), root=folder) as listener, encrypted(listener, folder, "ehr") as bad:
        send_until_held_up(bad, post(notification()) * 100)
        [connection] = listener._connections
        assert isinstance(connection, HttpConnection)
        assert sum(map(len, connection._dataBuffer)) < 100_000
        in_reactor(connection.abort)


def test_stopping_answers_what_was_taken_under_tls_too(folder: Path) -> None:
    intake = Intake(None)
    with door(intake, settings(), root=folder) as listener, encrypted(listener, folder, "ehr") as sender:
        sender.sendall(post(notification()))
        until(lambda: bool(intake.arrivals))
        reactor.callFromThread(reactor.callLater, 0.2, intake.last.reply, Receipt.STORED)
        in_reactor(listener.stop)
        answer = received(sender)[0]
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert sender.recv(1) == b""


def test_plain_http_on_a_tls_port_is_recorded_and_not_answered(folder: Path) -> None:
    intake = Turn()
    with door(intake, settings(), root=folder) as listener, connected(listener) as sender:
        sender.sendall(post(notification()))
        assert not sender.recv(1000).startswith(b"HTTP")
        until(lambda: bool(intake.arrivals))
    assert intake.last.notes == "tls-not-spoken"
