"""The MLLP listener over real sockets, with python-hl7 as the sender that nobody here wrote."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import time
from contextlib import closing

import hl7
import pytest
from hl7.client import MLLPClient
from hl7.mllp import open_hl7_connection

from casecart.formats.mllp import Framer, frame
from casecart.listeners.mllp import MllpListener
from casecart.runtime.listener import Receipt
from support.listening import Intake, message, mllp_settings
from support.open_port import Turn, connected, context, listening, received, until
from support.reactor import in_reactor, reactor


def test_python_hl7s_blocking_client_gets_its_acknowledgements() -> None:
    intake = Turn()
    with listening(intake) as listener, MLLPClient("127.0.0.1", listener.port) as client:
        for number in range(20):
            answer = hl7.parse(client.send_message(message(f"M{number}")).strip(b"\x0b\x1c\r").decode() + "\r")
            assert (str(answer["MSA.F1"]), str(answer["MSA.F2"])) == ("AA", f"M{number}")
            assert str(answer["MSH.F3"]) == "CASECART"
            assert str(answer["MSH.F5"]) == "ORSYS"
    assert intake.control_ids == [f"M{number}" for number in range(20)]


def test_python_hl7s_asynchronous_client_gets_its_acknowledgements_in_order() -> None:
    async def exchange(port: int) -> list[str]:
        reader, writer = await open_hl7_connection("127.0.0.1", port, encoding="utf-8")
        for number in range(50):
            writer.writemessage(hl7.parse(message(f"M{number}").decode()))
        await writer.drain()
        answers = [await reader.readmessage() for _ in range(50)]
        writer.close()
        await writer.wait_closed()
        return [str(answer["MSA.F2"]) for answer in answers]

    intake = Turn()
    with listening(intake) as listener:
        assert asyncio.run(exchange(listener.port)) == [f"M{number}" for number in range(50)]
    assert len(intake.arrivals) == 50


def test_python_hl7s_answer_to_our_answer_is_what_we_meant() -> None:
    # The other way round: what we make is taken in by a parser of somebody else's, in each version's form.
    intake = Turn()
    with listening(intake) as listener, MLLPClient("127.0.0.1", listener.port) as client:
        for version, codes in {"2.3": "", "2.5.1": "103", "2.8.2": "103"}.items():
            body = message("1", header=[(3, "SOMEBODY"), (12, version)])
            answer = hl7.parse(client.send_message(body).strip(b"\x0b\x1c\r").decode() + "\r")
            assert str(answer["MSA.F1"]) == "AR"
            assert str(answer["ERR.F3"] if codes else "").split("^")[0] == codes


def test_many_connections_with_many_messages_each_get_every_answer_in_order() -> None:
    intake = Turn()
    with listening(intake) as listener:
        sockets = [socket.create_connection(("127.0.0.1", listener.port), timeout=10) for _ in range(20)]
        for index, connection in enumerate(sockets):
            connection.sendall(b"".join(frame(message(f"{index}-{number}")) for number in range(100)))
        for index, connection in enumerate(sockets):
            answers = received(connection, 100)
            assert [answer.split(b"|")[-1].strip() for answer in answers] == [
                f"{index}-{number}".encode() for number in range(100)
            ]
            connection.close()
    assert len(intake.arrivals) == 2000


def test_a_frame_in_single_bytes_comes_through() -> None:
    with listening(Turn()) as listener, connected(listener) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(message("1")):
            connection.sendall(bytes([byte]))
        assert received(connection, 1)[0].endswith(b"MSA|AA|1\r")


def test_a_half_closing_sender_gets_its_answer() -> None:
    with listening(Turn()) as listener, connected(listener) as connection:
        connection.sendall(frame(message("1")))
        connection.shutdown(socket.SHUT_WR)
        assert received(connection, 1)[0].endswith(b"MSA|AA|1\r")
        assert connection.recv(1) == b""


def test_a_connection_reset_in_a_message_leaves_a_record_and_others_go_on() -> None:
    intake = Turn()
    with listening(intake) as listener, connected(listener) as other:
        bad = socket.create_connection(("127.0.0.1", listener.port), timeout=10)
        bad.sendall(b"\x0b" + message("1")[:50])
        time.sleep(0.05)
        bad.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        bad.close()
        until(lambda: bool(intake.arrivals))
        assert (intake.last.notes, intake.last.body) == ("truncated", message("1")[:50])
        other.sendall(frame(message("2")))
        assert received(other, 1)[0].endswith(b"MSA|AA|2\r")


def test_nothing_stored_means_no_answer_and_a_closed_connection() -> None:
    intake = Turn()
    with listening(intake) as listener, connected(listener) as connection:
        connection.sendall(frame(message("1")))
        assert len(received(connection, 1)) == 1
        intake.fail = True
        connection.sendall(frame(message("2")))
        assert connection.recv(1) == b""
        intake.fail = False
        with connected(listener) as again:
            again.sendall(frame(message("2")))
            assert received(again, 1)[0].endswith(b"MSA|AA|2\r")


def test_a_sender_that_never_reads_is_held_up_and_the_answers_kept_for_it_are_bounded() -> None:
    intake = Turn()
    with listening(intake) as listener, connected(listener) as other, closing(socket.socket()) as bad:
        bad.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bad.connect(("127.0.0.1", listener.port))
        bad.settimeout(0)
        data = rest = frame(message("1")) * 100
        give_up, taken = time.monotonic() + 40, -1
        while taken != len(intake.arrivals):  # until nobody has read for two seconds, and then again
            taken = len(intake.arrivals)
            while select.select([], [bad], [], 2.0)[1]:
                assert time.monotonic() < give_up
                rest = rest[bad.send(rest) :] or data
        other.sendall(frame(message("2")))
        assert received(other, 1)[0].endswith(b"MSA|AA|2\r")


def test_a_large_frame_comes_through_and_a_larger_one_doesnt() -> None:
    intake = Turn()
    with listening(intake) as listener, connected(listener) as connection:
        large = message("1", segments=["NTE|1||" + "x" * 9_000_000])
        connection.sendall(frame(large))
        assert received(connection, 1)[0].endswith(b"MSA|AA|1\r")
        assert intake.last.body == large
        # Its bytes are read to the limit and no further: the sender finds the connection closed.
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            connection.sendall(b"\x0b" + b"x" * 100_000_000)
        until(lambda: intake.last.notes == "too-large")


def test_an_address_that_is_taken_is_named() -> None:
    with listening(Turn()) as listener:
        second = MllpListener(context(Turn(), mllp_settings(port=listener.port), name="lab"))
        with pytest.raises(OSError, match=rf"lab can't listen on 127.0.0.1:{listener.port}: Address already in use"):
            in_reactor(second.start)


def test_stopping_answers_what_was_taken_and_closes_the_port() -> None:
    intake = Intake(None)
    with listening(intake) as listener, connected(listener) as connection:
        port = listener.port
        connection.sendall(frame(message("1")))
        until(lambda: bool(intake.arrivals))
        reactor.callFromThread(reactor.callLater, 0.2, intake.arrivals[0].reply, Receipt.STORED)
        in_reactor(listener.stop)
        assert received(connection, 1)[0].endswith(b"MSA|AA|1\r")
        assert connection.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=10)


BHS = b"BHS|^~\\&|ORSYS|NORTH|CASECART|MERCY|2026||||B1\r"


def test_a_batch_over_a_socket_is_answered_by_a_batch_in_one_frame() -> None:
    intake = Turn()
    with listening(intake) as listener, connected(listener) as connection:
        connection.sendall(frame(BHS + message("1") + message("2") + b"BTS|2\r") + frame(message("3")))
        batch, single = received(connection, 2)
        assert [line[:8] for line in batch.split(b"\r") if line[:3] in (b"BHS", b"MSA", b"BTS")] == [
            b"BHS|^~\\&",
            b"MSA|AA|1",
            b"MSA|AA|2",
            b"BTS|2",
        ]
        assert b"MSA|AA|3" in single
        connection.sendall(frame(BHS + message("4") + b"BTS|2\r"))
        (refused,) = received(connection, 1)
        assert b"MSA|AR|B1" in refused
    assert [arrival.refused for arrival in intake.arrivals] == [False, False, False, True]


def test_several_messages_in_a_frame_get_a_frame_each_over_a_socket() -> None:
    intake = Turn()
    with listening(intake, mllp_settings("several_messages: take")) as listener, connected(listener) as connection:
        connection.sendall(frame(message("1") + message("2")))
        one, two = received(connection, 2)
        assert (b"MSA|AA|1" in one, b"MSA|AA|2" in two) == (True, True)


def test_release_2_over_a_socket_commits_before_it_acknowledges_and_says_what_is_not_stored() -> None:
    intake = Turn()
    with listening(intake, mllp_settings("release: 2")) as listener, connected(listener) as connection:
        connection.sendall(frame(message("1")))
        (answer,) = received_after(connection, frame(b"\x06"))
        assert b"MSA|AA|1" in answer
        intake.fail = True
        connection.sendall(frame(message("2")))
        assert connection.recv(100) == frame(b"\x15")
        intake.fail = False
        connection.sendall(frame(message("2")))
        (answer,) = received_after(connection, frame(b"\x06"))
        assert b"MSA|AA|2" in answer


def received_after(connection: socket.socket, first: bytes) -> list[bytes]:
    """The answer behind a frame that must come first."""
    data = b""
    while data.count(b"\x1c\r") < 2:
        data += connection.recv(65_536)
    assert data.startswith(first)
    return [answer for answer in Framer(1_000_000).feed(data[len(first) :]) if isinstance(answer, bytes)]
