"""The MLLP listener with TLS over real sockets: who is taken, who isn't, and what the others notice of it: nothing."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import hl7
import pytest
from hl7.client import MLLPClient
from OpenSSL import SSL

from casecart.formats.mllp import frame
from casecart.runtime.listener import Receipt
from casecart.runtime.tls import ClientTls, client_context
from casecart.workspace import WorkspaceError
from support.certificates import Authority
from support.listening import Intake, message, mllp_settings
from support.open_port import Turn, connected, listening, received, until
from support.reactor import in_reactor, reactor
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.listeners.mllp import MllpListener
    from casecart.listeners.mllp_settings import MllpSettings

TLS = "tls: {certificate: server.pem, key: {file: server.key}, authorities: authority.pem}\n"
ORSYS = "orsys: {match: {MSH-3: ORSYS, MSH-4: NORTH}, facility: NORTH, certificate: {subject: CN=orsys}}"
CABINET = "cabinet: {match: {MSH-3: CABINET}, facility: NORTH, certificate: {subject: 'CN=cabinet, O=Mercy'}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Papers of the listener, of senders, and of those that should be taken for none."""
    made = tmp_path_factory.mktemp("papers")
    authority = Authority(made)
    authority.issue("CN=casecart", file="server")
    for name, subject in {"orsys": "CN=orsys", "cabinet": "CN=cabinet,O=Mercy", "stranger": "CN=stranger"}.items():
        authority.issue(subject, file=name)
    authority.issue("CN=orsys", file="expired", lasts=timedelta(days=-1))
    Authority(made, "elsewhere").issue("CN=orsys", file="forged")
    return made


def settings(more: str = "", peers: str = f"{ORSYS}, {CABINET}", tls: str = TLS) -> MllpSettings:
    """With TLS, and peers bound to their certificates."""
    return mllp_settings(tls + more, peers=peers)


def client(folder: Path, name: str | None = "orsys") -> ssl.SSLContext:
    """A sender's."""
    own = "" if name is None else f"certificate: {name}.pem\nkey: {{file: {name}.key}}\n"
    return client_context(
        settings_of(ClientTls, f"{own}authorities: authority.pem\nserver: {{subject: casecart}}"), folder
    )


@contextmanager
def encrypted(listener: MllpListener, folder: Path, name: str | None = "orsys") -> Iterator[ssl.SSLSocket]:
    """A connection of a sender that shows this certificate."""
    with (
        connected(listener) as plain,
        client(folder, name).wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as made,
    ):
        yield made


def is_not_heard(listener: MllpListener, folder: Path, name: str | None) -> bool:
    """Whether a sender with this certificate gets no answer to what it sends, but is cut off."""
    try:
        with encrypted(listener, folder, name) as bad:
            bad.sendall(frame(message("1")))
            return bad.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        return True


def is_reset(connection: socket.socket) -> bool:
    """Whether a connection is cut, sooner or later, and not closed in order."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        return True
    return False


def descriptors() -> int:
    """How many files and sockets this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_python_hl7s_client_sends_over_tls_and_gets_its_acknowledgements(folder: Path) -> None:
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener, encrypted(listener, folder) as connection:
        sender = MLLPClient.__new__(MLLPClient)
        sender.socket, sender.encoding = connection, "utf-8"
        for number in range(20):
            answer = hl7.parse(sender.send_message(message(f"M{number}")).strip(b"\x0b\x1c\r").decode() + "\r")
            assert (str(answer["MSA.F1"]), str(answer["MSA.F2"])) == ("AA", f"M{number}")
        assert listener.where == f"on 127.0.0.1:{listener.port} (mllp, TLS)"
    assert intake.control_ids == [f"M{number}" for number in range(20)]
    assert {arrival.peer for arrival in intake.arrivals} == {"orsys"}


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_many_messages_in_one_write_are_all_answered_in_order(folder: Path, version: int) -> None:
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener:
        context = client(folder)
        context.maximum_version = ssl.TLSVersion.TLSv1_2 if version == SSL.TLS1_2_VERSION else ssl.TLSVersion.TLSv1_3
        with connected(listener) as plain, context.wrap_socket(plain, server_hostname="localhost") as connection:
            assert connection.version() == ("TLSv1.2" if version == SSL.TLS1_2_VERSION else "TLSv1.3")
            connection.sendall(b"".join(frame(message(str(number))) for number in range(500)))
            answers = received(connection, 500)
    assert [answer.split(b"|")[-1].strip() for answer in answers] == [str(number).encode() for number in range(500)]


def test_a_large_message_comes_through(folder: Path) -> None:
    intake = Turn()
    large = message("1", segments=["NTE|1||" + "x" * 5_000_000])
    with listening(intake, settings(), root=folder) as listener, encrypted(listener, folder) as connection:
        connection.sendall(frame(large))
        assert received(connection, 1)[0].endswith(b"MSA|AA|1\r")
    assert intake.last.body == large


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (None, "tls-no-certificate"),
        ("expired", "tls-certificate"),
        ("forged", "tls-certificate"),  # another authority's, with the same name on it
        ("stranger", "no-peer"),  # the right authority's, and nobody's here
    ],
)
def test_who_is_no_peer_by_its_certificate_is_never_heard(folder: Path, name: str | None, code: str) -> None:
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener, encrypted(listener, folder) as other:
        before = descriptors()
        assert is_not_heard(listener, folder, name)
        until(lambda: bool(intake.arrivals))
        assert [(each.notes, each.refused, each.body, each.peer) for each in intake.arrivals] == [(code, True, b"", "")]
        other.sendall(frame(message("2")))
        assert received(other, 1)[0].endswith(b"MSA|AA|2\r")
        until(lambda: descriptors() == before)


def test_a_pin_that_was_taken_back_is_refused_and_the_new_one_taken(folder: Path) -> None:
    old = Authority(folder, "pins")
    first, second = old.issue("CN=orsys", file="first"), old.issue("CN=orsys", file="second")
    pinned = (
        f"orsys: {{match: {{MSH-3: ORSYS}}, facility: NORTH, certificate: {{fingerprint: '{second.fingerprint}'}}}}"
    )
    intake = Turn()
    with listening(
        intake, settings(peers=pinned, tls=TLS.replace("authority.pem", "pins.pem")), root=folder
    ) as listener:
        assert is_not_heard(listener, folder, "first")
        with encrypted(listener, folder, "second") as good:
            good.sendall(frame(message("2")))
            assert received(good, 1)[0].endswith(b"MSA|AA|2\r")
    assert first.fingerprint != second.fingerprint
    assert [(each.notes, each.control_id) for each in intake.arrivals] == [("no-peer", ""), (None, "2")]


@pytest.mark.parametrize(
    ("name", "application"),
    [("cabinet", "ORSYS"), ("orsys", "CABINET")],
)
def test_anothers_header_on_a_peers_connection_is_refused_and_never_processed(
    folder: Path, name: str, application: str
) -> None:
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener, encrypted(listener, folder, name) as connection:
        connection.sendall(frame(message("1", header=[(3, application)])))
        (answer,) = received(connection, 1)
        assert b"MSA|AR|1|The sender that MSH-3 and MSH-4 name may not send on this connection." in answer
        assert b"ERR||MSH^1^3|207" in answer
        (record,) = intake.arrivals
        assert (record.refused, record.notes, record.peer, record.facility) == (True, "wrong-connection", "", "")
        # Its own goes on being taken.
        own = {"cabinet": "CABINET", "orsys": "ORSYS"}[name]
        connection.sendall(frame(message("2", header=[(3, own)])))
        assert received(connection, 1)[0].endswith(b"MSA|AA|2\r")
        assert (intake.last.refused, intake.last.peer) == (False, name)


@pytest.mark.parametrize("within", ["batch", "several", "part"])
def test_anothers_header_is_refused_within_batches_and_parts_too(folder: Path, within: str) -> None:
    own, other = message("1", header=[(3, "CABINET")]), message("2")
    around = "CABINET|NORTH|CASECART|MERCY|20260315101500"
    data = {
        "batch": f"BHS|^~\\&|{around}\r".encode() + own + other + b"BTS|2\r",
        "several": own + other,
        "part": other + b"DSC|P1|F\r",
    }[within]
    intake = Turn()
    with (
        listening(intake, settings("several_messages: take"), root=folder) as listener,
        encrypted(listener, folder, "cabinet") as connection,
    ):
        connection.sendall(frame(data))
        answer = b"".join(received(connection, 2 if within == "several" else 1))
    assert b"MSA|AR|2|The sender that MSH-3 and MSH-4 name may not send on this connection." in answer
    taken = [(each.control_id, each.refused, each.peer, each.notes) for each in intake.arrivals]
    refused = ("2", True, "", "wrong-connection")
    assert taken == ([refused] if within == "part" else [("1", False, "cabinet", None), refused])


def test_a_peer_without_a_certificate_of_its_own_has_every_other_connection_but_those(folder: Path) -> None:
    free = "lab: {match: {MSH-3: LAB}, facility: NORTH}"
    intake = Turn()
    with listening(intake, settings(peers=f"{ORSYS}, {free}"), root=folder) as listener:
        with encrypted(listener, folder, "stranger") as connection:
            for number, application in enumerate(("LAB", "ORSYS")):
                connection.sendall(frame(message(str(number), header=[(3, application)])))
            answers = received(connection, 2)
            assert b"MSA|AA|0" in answers[0]
            assert b"MSA|AR|1" in answers[1]
        with encrypted(listener, folder) as connection:
            connection.sendall(frame(message("2", header=[(3, "LAB")])))
            assert b"MSA|AR|2" in received(connection, 1)[0]


def test_plain_text_on_a_tls_port_is_recorded_with_its_first_bytes_and_not_answered(folder: Path) -> None:
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener, connected(listener) as connection:
        connection.sendall(frame(message("1")))
        answer = connection.recv(65_536)
        assert b"MSA" not in answer  # at most an alert
        until(lambda: bool(intake.arrivals))
        assert (intake.last.notes, intake.last.refused) == ("tls-not-spoken", True)
        assert intake.last.body == frame(message("1"))


def test_tls_on_a_plain_port_is_recorded_as_noise(folder: Path) -> None:
    intake = Turn()
    with listening(intake) as listener, connected(listener) as plain:
        plain.settimeout(0.5)
        with pytest.raises((ssl.SSLError, OSError)):
            client(folder).wrap_socket(plain, server_hostname="localhost")
        plain.close()
        with connected(listener) as again:
            again.sendall(frame(message("2")))
            assert received(again, 1)[0].endswith(b"MSA|AA|2\r")
    assert "noise" in {arrival.notes for arrival in intake.arrivals}


class Handshake:
    """One that the test takes step by step."""

    def __init__(self, folder: Path) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = client(folder).wrap_bio(self._in, self._out, server_hostname="localhost")

    def hello(self) -> bytes:
        """What a client says first."""
        with pytest.raises(ssl.SSLWantReadError):
            self.session.do_handshake()
        return self._out.read()

    def finish(self, connection: socket.socket) -> None:
        """The whole of it."""
        while True:
            try:
                self.session.do_handshake()
            except ssl.SSLWantReadError:
                connection.sendall(self._out.read())
                self._in.write(connection.recv(65_536))
            else:
                connection.sendall(self._out.read())
                return

    def written(self, data: bytes) -> bytes:
        """Encrypted."""
        self.session.write(data)
        return self._out.read()


@pytest.mark.parametrize("part", [1, 5, 60, None])
def test_a_handshake_that_stalls_is_cut_in_time(folder: Path, part: int | None) -> None:
    intake = Turn()
    with (
        listening(intake, settings("frame_timeout: 1s"), root=folder) as listener,
        encrypted(listener, folder) as other,
    ):
        before = descriptors()
        with connected(listener) as bad:
            bad.sendall(Handshake(folder).hello()[:part])
            began = time.monotonic()
            assert is_reset(bad)
            assert 0.5 < time.monotonic() - began < 5
        assert (intake.last.notes, intake.last.body) == ("tls-timeout", b"")
        other.sendall(frame(message("2")))
        assert received(other, 1)[0].endswith(b"MSA|AA|2\r")
        until(lambda: descriptors() == before)


def test_who_says_nothing_is_cut_as_well_and_leaves_no_record(folder: Path) -> None:
    intake = Turn()
    with listening(intake, settings("frame_timeout: 1s"), root=folder) as listener, connected(listener) as silent:
        assert is_reset(silent)
    assert intake.arrivals == []


def test_a_reset_in_the_handshake_leaves_a_record_and_nothing_else(folder: Path) -> None:
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener:
        before = descriptors()
        bad = socket.create_connection(("127.0.0.1", listener.port), timeout=10)
        bad.sendall(Handshake(folder).hello())
        assert bad.recv(1)
        bad.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        bad.close()
        until(lambda: bool(intake.arrivals))
        assert intake.last.notes == "tls-cut"
        until(lambda: descriptors() == before)


def test_who_only_looks_whether_the_port_is_open_leaves_no_record(folder: Path) -> None:
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener:
        before = descriptors()
        for _ in range(5):
            socket.create_connection(("127.0.0.1", listener.port), timeout=10).close()
        with encrypted(listener, folder) as connection:
            connection.sendall(frame(message("1")))
            assert received(connection, 1)[0].endswith(b"MSA|AA|1\r")
        until(lambda: descriptors() == before)
    assert intake.control_ids == ["1"]


def test_a_wish_to_negotiate_again_is_refused(folder: Path) -> None:
    # The hole that BCP 195 closes; and each time it costs the server far more than the client.
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_file(str(folder / "orsys.pem"))
    context.use_privatekey_file(str(folder / "orsys.key"))
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener, connected(listener) as plain:
        plain.settimeout(None)
        connection = SSL.Connection(context, plain)
        connection.set_connect_state()
        connection.do_handshake()
        connection.send(frame(message("1")))
        assert b"MSA|AA|1" in connection.recv(65_536)
        connection.renegotiate()
        with pytest.raises(SSL.Error):
            connection.do_handshake()
    assert intake.control_ids == ["1"]


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_ends_without_a_goodbye_and_in_a_message_leaves_it_unprocessed(
    folder: Path, *, reset: bool
) -> None:
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener:
        bad = socket.create_connection(("127.0.0.1", listener.port), timeout=10)
        handshake = Handshake(folder)
        handshake.finish(bad)
        whole = handshake.written(frame(message("1")))
        half = handshake.written(b"\x0b" + message("2")[:60])
        torn = handshake.written(message("2")[60:])
        bad.sendall(whole + half + torn[: len(torn) // 2])  # of the last record only a part comes
        until(lambda: len(intake.arrivals) == 1)
        if reset:
            bad.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        bad.close()
        until(lambda: len(intake.arrivals) == 2)
    assert [(each.notes, each.refused) for each in intake.arrivals] == [(None, False), ("truncated", True)]
    assert intake.last.body == message("2")[:60]


def test_a_record_that_was_changed_on_its_way_ends_the_connection(folder: Path) -> None:
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener, connected(listener) as bad:
        handshake = Handshake(folder)
        handshake.finish(bad)
        record = bytearray(handshake.written(frame(message("1"))))
        record[20] ^= 1
        bad.sendall(bytes(record))
        assert is_reset(bad)
    assert intake.arrivals == []


def test_an_old_tls_is_refused_with_a_record(folder: Path) -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_max_proto_version(SSL.TLS1_1_VERSION)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener, connected(listener) as plain:
        plain.settimeout(None)
        connection = SSL.Connection(context, plain)
        connection.set_connect_state()
        with pytest.raises(SSL.Error):
            connection.do_handshake()
        until(lambda: bool(intake.arrivals))
    assert intake.last.notes == "tls-version"


def test_stopping_answers_what_was_taken_under_tls_too(folder: Path) -> None:
    intake = Intake(None)
    with listening(intake, settings(), root=folder) as listener, encrypted(listener, folder) as connection:
        stalled = socket.create_connection(("127.0.0.1", listener.port), timeout=10)
        stalled.sendall(Handshake(folder).hello()[:60])
        connection.sendall(frame(message("1")))
        until(lambda: bool(intake.arrivals))
        reactor.callFromThread(reactor.callLater, 0.2, intake.arrivals[0].reply, Receipt.STORED)
        began = time.monotonic()
        in_reactor(listener.stop)
        assert time.monotonic() - began < 5  # nobody waits for the one who never came to the end of its handshake
        assert received(connection, 1)[0].endswith(b"MSA|AA|1\r")
        assert connection.recv(1) == b""  # with TLS's own goodbye
        stalled.close()


def test_a_store_that_falls_behind_holds_senders_up_under_tls_too(folder: Path) -> None:
    intake = Intake(None)
    with listening(intake, settings(), root=folder) as listener, encrypted(listener, folder) as bad:
        bad.settimeout(1.0)
        with pytest.raises(TimeoutError):
            bad.sendall(frame(message("1", segments=["NTE|1||" + "x" * 20_000])) * 4000)
        waiting = list(intake.arrivals)
        assert sum(len(each.body) for each in waiting) < 8_000_000
        time.sleep(0.2)
        assert len(intake.arrivals) == len(waiting)  # nothing more is read
        for each in waiting:
            in_reactor(each.reply, Receipt.STORED)
        until(lambda: len(intake.arrivals) > len(waiting))  # and then again


def test_while_nothing_can_be_stored_nothing_is_read_and_then_all_of_it(folder: Path) -> None:
    intake = Turn()
    with listening(intake, settings(), root=folder) as listener, encrypted(listener, folder) as connection:
        connection.sendall(frame(message("0")))
        received(connection, 1)
        intake.open = False
        connection.sendall(b"".join(frame(message(str(number))) for number in range(1, 100)))
        time.sleep(0.2)
        assert len(intake.arrivals) == 1
        intake.open = True
        assert len(received(connection, 99)) == 99


def test_a_renewed_certificate_is_used_for_new_connections_and_old_ones_go_on(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    old = authority.issue("CN=casecart", file="server", lasts=timedelta(days=3))
    authority.issue("CN=orsys", file="orsys")
    with listening(Turn(), settings(), root=tmp_path) as listener, encrypted(listener, tmp_path) as kept:
        assert listener.certificate_ends == int(old.x509.not_valid_after_utc.timestamp())
        key, certificate = old.key.read_bytes(), old.certificate.read_bytes()

        old.certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\nhalf of it")  # as somebody writes it
        time.sleep(1.2)
        with encrypted(listener, tmp_path) as meanwhile:
            assert shown(meanwhile) == old.x509.serial_number

        new = authority.issue("CN=casecart", file="server", lasts=timedelta(days=90))
        until(lambda: listener.certificate_ends == int(new.x509.not_valid_after_utc.timestamp()))
        with encrypted(listener, tmp_path) as renewed:
            assert shown(renewed) == new.x509.serial_number
        kept.sendall(frame(message("1")))
        assert received(kept, 1)[0].endswith(b"MSA|AA|1\r")

        new.key.write_bytes(key)  # the old key to the new certificate: refused, and the new ones stay
        time.sleep(1.2)
        with encrypted(listener, tmp_path) as still:
            assert shown(still) == new.x509.serial_number
        assert certificate != new.certificate.read_bytes()


def shown(connection: ssl.SSLSocket) -> int:
    """The serial number of the other side's certificate."""
    certificate = connection.getpeercert()
    assert certificate is not None
    return int(str(certificate["serialNumber"]), 16)


def test_a_broken_certificate_keeps_the_listener_from_starting(tmp_path: Path) -> None:
    with (
        pytest.raises(WorkspaceError, match=r"server\.pem can't be read"),
        listening(Turn(), settings(), root=tmp_path),
    ):
        pass


def test_connections_that_ended_leave_no_descriptor_behind(folder: Path) -> None:
    with listening(Turn(), settings(), root=folder) as listener:
        with encrypted(listener, folder) as first:
            first.sendall(frame(message("0")))
            received(first, 1)
        before = descriptors()
        for number in range(30):
            with encrypted(listener, folder) as connection:
                connection.sendall(frame(message(str(number))))
                received(connection, 1)
        until(lambda: descriptors() <= before)


def test_addresses_that_have_their_share_get_no_more_connections(folder: Path) -> None:
    intake = Turn()
    with listening(intake, settings("connections_per_address: 2"), root=folder) as listener:
        with encrypted(listener, folder), encrypted(listener, folder):
            with closing(socket.create_connection(("127.0.0.1", listener.port), timeout=10)) as third:
                assert third.recv(1) == b""
            until(lambda: [each.notes for each in intake.arrivals] == ["too-many"])
        until(lambda: len(listener._connections) == 0)
        with encrypted(listener, folder) as again:
            again.sendall(frame(message("1")))
            assert received(again, 1)[0].endswith(b"MSA|AA|1\r")
