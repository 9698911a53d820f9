"""Peers that may have so many connections and no more, over real sockets: with TLS, behind a proxy, and plain."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from twisted.logger import capturedLogs, formatEvent

from casecart.formats.mllp import frame
from casecart.runtime.tls import ClientTls, client_context
from support.certificates import Authority
from support.listening import message, mllp_settings
from support.open_port import Turn, connected, listening, received, until
from support.settings import settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.listeners.mllp import MllpListener
    from casecart.listeners.mllp_settings import MllpSettings

TLS = "tls: {certificate: server.pem, key: {file: server.key}, authorities: authority.pem}\n"
ORSYS = "orsys: {match: {MSH-3: ORSYS, MSH-4: NORTH}, facility: NORTH, connections: 2}"
LAB = "lab: {match: {MSH-3: LAB}, facility: NORTH}"
LINGER = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Papers of the listener and of senders."""
    made = tmp_path_factory.mktemp("papers")
    authority = Authority(made)
    authority.issue("CN=casecart", file="server")
    for name in ("orsys", "lab"):
        authority.issue(f"CN={name}", file=name)
    Authority(made, "elsewhere").issue("CN=orsys", file="forged")
    return made


def bound(peer: str, said: str) -> str:
    """A peer of which more is said."""
    return f"{peer[:-1]}, {said}}}"


def plain() -> MllpSettings:
    """Without TLS."""
    return mllp_settings(peers=f"{ORSYS}, {LAB}")


def mutual() -> MllpSettings:
    """With TLS, and each peer bound to its certificate."""
    orsys, lab = bound(ORSYS, "certificate: {subject: CN=orsys}"), bound(LAB, "certificate: {subject: CN=lab}")
    return mllp_settings(TLS, peers=f"{orsys}, {lab}")


def encrypted(listener: MllpListener, folder: Path, name: str) -> closing[ssl.SSLSocket]:
    """A connection of a sender that shows this certificate."""
    said = (
        f"certificate: {name}.pem\nkey: {{file: {name}.key}}\nauthorities: authority.pem\nserver: {{subject: casecart}}"
    )
    context = client_context(settings_of(ClientTls, said), folder)
    tcp = socket.create_connection(("127.0.0.1", listener.port), timeout=10)
    return closing(context.wrap_socket(tcp, server_hostname="localhost", suppress_ragged_eofs=False))


def is_answered(connection: socket.socket, control_id: str, application: str = "ORSYS") -> bool:
    """Whether a message gets its acknowledgement; if not, the connection has ended without a word."""
    try:
        connection.sendall(frame(message(control_id, header=[(3, application)])))
        return received(connection, 1)[0].endswith(f"MSA|AA|{control_id}\r".encode())
    except (AssertionError, ConnectionError, ssl.SSLError):
        return False


def is_ended(connection: socket.socket) -> bool:
    """Whether the other side ends the connection without a word."""
    try:
        return connection.recv(1) == b""
    except (ConnectionError, ssl.SSLError):
        return True


def reset(connection: socket.socket) -> None:
    """End a connection by RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    connection.close()


def orsys_has(listener: MllpListener) -> int:
    """Connections that count for ORSYS."""
    return listener._seats._count["orsys"]


def test_a_peer_at_its_number_gets_no_more_and_others_and_its_own_connections_go_on() -> None:
    intake = Turn()
    with listening(intake, plain()) as listener, ExitStack() as stack:
        first, second, *more = (stack.enter_context(connected(listener)) for _ in range(12))
        lab = stack.enter_context(connected(listener))
        assert is_answered(first, "1")
        assert is_answered(second, "2")
        assert not any(is_answered(each, "3") for each in more)
        assert is_answered(lab, "4", "LAB")
        assert is_answered(first, "5")
        first.close()
        until(lambda: orsys_has(listener) == 1)
        with connected(listener) as again:
            assert is_answered(again, "3")  # its sender kept it
    assert [each.control_id for each in intake.arrivals if not each.refused] == ["1", "2", "4", "5", "3"]
    assert [each.notes for each in intake.arrivals if each.refused] == ["too-many-of-peer"]


@pytest.mark.parametrize("cut", [False, True])
def test_connections_that_are_reset_count_no_more(*, cut: bool) -> None:
    with listening(Turn(), plain()) as listener:
        for number in range(20):
            with connected(listener) as one, connected(listener) as other:
                assert is_answered(one, f"{number}a")
                assert is_answered(other, f"{number}b")
                if cut:
                    one.sendall(frame(message("half"))[:50])
                reset(one)
                reset(other)
            until(lambda: orsys_has(listener) == 0)
        assert listener._seats._peers == {}


def test_a_half_closed_connection_gets_its_answer_and_counts_no_more() -> None:
    with listening(Turn(), plain()) as listener:
        for number in range(5):
            with connected(listener) as one:
                one.sendall(frame(message(str(number))))
                one.shutdown(socket.SHUT_WR)
                assert received(one, 1)[0].endswith(f"MSA|AA|{number}\r".encode())
                assert is_ended(one)
            until(lambda: orsys_has(listener) == 0)


def test_where_an_address_leaves_two_peers_their_messages_tell_which_it_is() -> None:
    here = bound(ORSYS, "networks: 127.0.0.1")  # and the laboratory may speak from everywhere
    with listening(Turn(), mllp_settings(peers=f"{here}, {LAB}")) as listener, ExitStack() as stack:
        *silent, lab = (stack.enter_context(connected(listener)) for _ in range(4))
        assert is_answered(lab, "1", "LAB")
        assert orsys_has(listener) == 0
        assert is_answered(silent[0], "2")
        assert orsys_has(listener) == 1


def test_a_peer_that_its_address_leaves_alone_counts_from_the_beginning() -> None:
    intake = Turn()
    here = bound(ORSYS, "networks: 127.0.0.1")
    with listening(intake, mllp_settings(peers=here)) as listener, ExitStack() as stack:
        first, second = (stack.enter_context(connected(listener)) for _ in range(2))
        until(lambda: orsys_has(listener) == 2)
        assert is_ended(stack.enter_context(connected(listener)))
        assert is_answered(first, "1")
        reset(second)
        until(lambda: orsys_has(listener) == 1)
        assert is_answered(stack.enter_context(connected(listener)), "2")
    assert [(each.control_id, each.notes) for each in intake.arrivals] == [
        ("", "too-many-of-peer"),
        ("1", None),
        ("2", None),
    ]


def test_with_mutual_tls_a_peer_counts_from_the_handshake_on_and_no_refused_one_does(folder: Path) -> None:
    intake = Turn()
    with listening(intake, mutual(), root=folder) as listener:
        for _ in range(3):  # neither a stranger's handshake nor one that breaks off
            with pytest.raises((ssl.SSLError, ConnectionError)), encrypted(listener, folder, "forged") as forged:
                forged.recv(1)
            with connected(listener) as broken:
                broken.sendall(b"\x16\x03\x01\x00\xff")
        until(lambda: not listener._connections)
        assert orsys_has(listener) == 0
        with encrypted(listener, folder, "orsys") as first, encrypted(listener, folder, "orsys") as second:
            until(lambda: orsys_has(listener) == 2)  # they have said nothing yet
            with encrypted(listener, folder, "orsys") as third:
                assert not is_answered(third, "1")
            with encrypted(listener, folder, "lab") as lab:
                assert is_answered(lab, "2", "LAB")
            assert is_answered(first, "3")
            reset(second)
            until(lambda: orsys_has(listener) == 1)
            with encrypted(listener, folder, "orsys") as again:
                assert is_answered(again, "1")
        until(lambda: not listener._connections)
        assert listener._seats._peers == {}
    taken = [each.control_id for each in intake.arrivals if not each.refused]
    assert taken == ["2", "3", "1"]
    assert [each.notes for each in intake.arrivals if each.refused].count("too-many-of-peer") == 1


def test_behind_a_proxy_the_peers_own_address_counts() -> None:
    def header(host: str) -> bytes:
        body = socket.inet_aton(host) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 40000, 2575)
        return b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack("!H", len(body)) + body

    only = f"{bound(ORSYS, 'networks: 192.0.2.7')}, {bound(LAB, 'networks: 192.0.2.8')}"
    intake = Turn()
    with listening(intake, mllp_settings("proxies: 127.0.0.1\n", peers=only)) as listener, ExitStack() as stack:
        lines = [stack.enter_context(connected(listener)) for _ in range(4)]
        for line, host in zip(lines, ["192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.8"], strict=True):
            line.sendall(header(host))
        until(lambda: orsys_has(listener) == 2)
        assert is_ended(lines[2])
        assert is_answered(lines[3], "1", "LAB")
        assert is_answered(lines[0], "2")
    assert [(each.notes, each.source) for each in intake.arrivals if each.refused] == [
        ("too-many-of-peer", "192.0.2.7:40000")
    ]


def test_the_log_says_so_without_end_of_nobody() -> None:
    with capturedLogs() as events, listening(Turn(), plain()) as listener, ExitStack() as stack:
        for number in range(2):
            assert is_answered(stack.enter_context(connected(listener)), str(number))
        for _ in range(20):
            with connected(listener) as more:
                assert not is_answered(more, "3")
    (said,) = (formatEvent(event) for event in events if "code" in event)
    assert said.endswith(": the peer 'orsys' has 2 connections already (too-many-of-peer)")
