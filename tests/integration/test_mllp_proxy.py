"""The MLLP listener behind a proxy, and behind a list of networks: over real sockets, from several addresses."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from casecart.formats.mllp import frame
from casecart.runtime.tls import ClientTls, client_context
from support.certificates import Authority
from support.listening import ORSYS, message, mllp_settings
from support.open_port import Turn, connected, listening, received, until
from support.settings import settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.listeners.mllp import MllpListener

PROXIES = "proxies: 127.0.0.1\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def header(host: str = "192.0.2.7", port: int = 40000, *, command: int = 0x21) -> bytes:
    """As a proxy writes it."""
    body = socket.inet_aton(host) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", port, 2575)
    return SIGNATURE + bytes([command, 0x11]) + struct.pack("!H", len(body)) + body


def sent_from(listener: MllpListener, host: str) -> closing[socket.socket]:
    """A connection from another address of this machine."""
    return closing(socket.create_connection(("127.0.0.1", listener.port), timeout=10, source_address=(host, 0)))


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side ends the connection without a word."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("cut", [None, 1, 12, 20, 28, 40])
def test_messages_behind_a_header_are_taken_as_the_senders_own(cut: int | None) -> None:
    intake = Turn()
    with listening(intake, mllp_settings(PROXIES)) as listener, connected(listener) as connection:
        data = header() + frame(message("1"))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in [data] if cut is None else [data[:cut], data[cut:]]:
            connection.sendall(part)
        assert received(connection, 1)[0].endswith(b"MSA|AA|1\r")
        connection.sendall(frame(message("2")))
        assert received(connection, 1)[0].endswith(b"MSA|AA|2\r")
    assert [arrival.source for arrival in intake.arrivals] == ["192.0.2.7:40000"] * 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(message("1")), "proxy-missing"),
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 40000 2575\r\n", "proxy-version-1"),
        (SIGNATURE + b"\x21\x11\xff\xff", "proxy-too-long"),
        (SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12), "proxy-broken"),
    ],
)
def test_what_does_not_begin_with_a_header_is_closed_and_recorded_and_not_processed(data: bytes, code: str) -> None:
    intake = Turn()
    with listening(intake, mllp_settings(PROXIES)) as listener, connected(listener) as connection:
        connection.sendall(data)
        assert is_closed(connection)
        until(lambda: bool(intake.arrivals))
    assert [(each.notes, each.refused, each.body) for each in intake.arrivals] == [(code, True, data)]


def test_a_header_that_stops_in_its_middle_is_cut_in_time_and_one_that_ends_there_recorded() -> None:
    intake = Turn()
    with listening(intake, mllp_settings(PROXIES + "frame_timeout: 1s")) as listener:
        with connected(listener) as stalled, connected(listener) as silent:
            stalled.sendall(header()[:20])
            assert is_closed(stalled)
            assert is_closed(silent)  # and not recorded: somebody who looks whether the port is open
        with connected(listener) as ended:
            ended.sendall(header()[:10])
        until(lambda: len(intake.arrivals) == 2)
    assert [each.notes for each in intake.arrivals] == ["proxy-timeout", "proxy-cut"]


def test_who_is_no_proxy_says_nothing_by_a_header() -> None:
    intake = Turn()
    with listening(intake, mllp_settings(PROXIES)) as listener, sent_from(listener, "127.0.0.2") as connection:
        connection.sendall(header())
        assert is_closed(connection)
    assert [(each.notes, each.source.partition(":")[0]) for each in intake.arrivals] == [("no-proxy", "127.0.0.2")]


def test_the_address_behind_the_proxy_is_the_one_that_must_be_allowed() -> None:
    intake = Turn()
    with listening(intake, mllp_settings(PROXIES + "networks: 192.0.2.0/28")) as listener:
        with connected(listener) as good:
            good.sendall(header("192.0.2.7") + frame(message("1")))
            assert received(good, 1)[0].endswith(b"MSA|AA|1\r")
        with connected(listener) as bad:
            bad.sendall(header("192.0.2.77") + frame(message("2")))
            assert is_closed(bad)
        until(lambda: len(intake.arrivals) == 2)
    assert [(each.control_id, each.notes, each.source) for each in intake.arrivals] == [
        ("1", None, "192.0.2.7:40000"),
        ("", "not-allowed", "192.0.2.77:40000"),
    ]


def test_the_addresses_behind_a_proxy_are_counted_and_not_the_proxys_own() -> None:
    intake = Turn()
    with listening(intake, mllp_settings(PROXIES + "connections_per_address: 1")) as listener:
        with connected(listener) as first, connected(listener) as other, connected(listener) as second:
            for number, (connection, host) in enumerate([(first, "192.0.2.7"), (other, "192.0.2.8")]):
                connection.sendall(header(host) + frame(message(str(number))))
                received(connection, 1)
            second.sendall(header("192.0.2.7") + frame(message("2")))
            assert is_closed(second)
        until(lambda: not listener._addresses)
    assert [each.notes for each in intake.arrivals] == [None, None, "too-many"]


def test_a_proxy_that_looks_whether_somebody_is_there_is_welcome() -> None:
    intake = Turn()
    with listening(intake, mllp_settings(PROXIES)) as listener:
        with connected(listener) as connection:
            connection.sendall(header(command=0x20))
        with connected(listener) as connection:
            connection.sendall(header() + frame(message("1")))
            received(connection, 1)
    assert [each.control_id for each in intake.arrivals] == ["1"]


def test_tls_begins_behind_the_header(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("CN=casecart", file="server")
    authority.issue("CN=orsys", file="orsys")
    tls = "tls: {certificate: server.pem, key: {file: server.key}, authorities: authority.pem}\n"
    said = "certificate: orsys.pem\nkey: {file: orsys.key}\nauthorities: authority.pem"
    intake = Turn()
    with listening(intake, mllp_settings(PROXIES + tls), root=tmp_path) as listener, connected(listener) as plain:
        plain.sendall(header())
        context = client_context(settings_of(ClientTls, said), tmp_path)
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(frame(message("1")))
            assert received(connection, 1)[0].endswith(b"MSA|AA|1\r")
        with connected(listener) as early, pytest.raises((ssl.SSLError, OSError)):
            context.wrap_socket(early, server_hostname="localhost")
        until(lambda: len(intake.arrivals) == 2)
    assert [each.notes for each in intake.arrivals] == [None, "proxy-missing"]
    assert intake.arrivals[0].source == "192.0.2.7:40000"


def test_connections_from_elsewhere_are_closed_at_once_and_recorded_once() -> None:
    intake = Turn()
    with listening(intake, mllp_settings("networks: [127.0.0.1, 2001:db8::/32]")) as listener:
        for _ in range(5):
            with sent_from(listener, "127.0.0.2") as bad:
                assert is_closed(bad)
        with connected(listener) as good:
            good.sendall(frame(message("1")))
            assert received(good, 1)[0].endswith(b"MSA|AA|1\r")
    assert [(each.notes, each.control_id) for each in intake.arrivals] == [("not-allowed", ""), (None, "1")]


def test_a_peers_messages_are_taken_from_its_networks_only() -> None:
    peers = (
        ORSYS.replace("}, facility", "}, networks: 127.0.0.2, facility")
        + ", lab: {match: {MSH-3: LAB}, facility: NORTH, networks: 127.0.0.3}"
    )
    intake = Turn()
    with listening(intake, mllp_settings(peers=peers)) as listener:
        with sent_from(listener, "127.0.0.2") as connection:
            connection.sendall(frame(message("1")))
            assert received(connection, 1)[0].endswith(b"MSA|AA|1\r")
            connection.sendall(frame(message("2", header=[(3, "LAB")])))
            assert b"MSA|AR|2" in received(connection, 1)[0]
        with sent_from(listener, "127.0.0.4") as nobody:
            assert is_closed(nobody)
    assert [(each.notes, each.peer) for each in intake.arrivals] == [
        (None, "orsys"),
        ("wrong-connection", ""),
        ("no-peer", ""),
    ]
