"""The messages of a file, and the client that sends them."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.cli.sender import NOT_ASKED, Address, NotAnswered, Sender, messages_in, with_new_id
from casecart.formats.hl7v2 import acknowledge, read_header
from casecart.formats.mllp import Framer, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ONE = b"MSH|^~\\&|A|B|||20261103||DFT^P03|ID1|P|2.5\rPID|1\r"
TWO = b"MSH|^~\\&|A|B|||20261103||DFT^P03|ID2|P|2.5\rPID|2\r"


@pytest.mark.parametrize(
    "data",
    [
        ONE + TWO,
        (ONE + TWO).replace(b"\r", b"\n"),
        (ONE + TWO).replace(b"\r", b"\r\n"),
        b"\xef\xbb\xbf" + ONE + TWO,
        b"\r\n" + ONE + b"\r\n" + TWO.rstrip(b"\r"),
        b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + ONE + TWO + b"BTS|2\rFTS|1\r",
        frame(ONE) + frame(TWO),
    ],
    ids=["cr", "lf", "crlf", "byte-order-mark", "blank-lines", "batch", "frames"],
)
def test_every_message_of_a_file_is_found(data: bytes) -> None:
    assert messages_in(data) == [ONE, TWO]


@pytest.mark.parametrize("data", [b"", b"hello", b"MSHA|x", b"PID|MSH|1"])
def test_a_file_without_a_message_has_none(data: bytes) -> None:
    assert messages_in(data) == []


def test_a_line_end_within_a_field_ends_no_segment() -> None:
    body = ONE.replace(b"\r", b"\n") + b"OBX|1|TX|first line\nsecond line|x\n"
    (message,) = messages_in(body)
    assert message.count(b"\r") == 3
    assert b"first line\nsecond line|x\r" in message


@given(st.binary())
@settings(deadline=None)
def test_any_file_can_be_looked_at(data: bytes) -> None:
    for message in messages_in(data):
        assert message


def test_a_new_id_changes_msh_10_and_nothing_else() -> None:
    new = with_new_id(ONE)
    control_id = read_header(new).control_id
    assert len(control_id) == 20
    assert new.replace(control_id, b"ID1") == ONE
    assert with_new_id(ONE) != new


def test_a_short_header_gets_its_id_too() -> None:
    assert len(read_header(with_new_id(b"MSH|^~\\&|A\rPID|1\r")).control_id) == 20


@contextmanager
def server(answer: Callable[[bytes], bytes | None]) -> Iterator[Address]:
    """Answers each frame of one connection; closes it where there is no answer."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(10)

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(10)
            framer = Framer(100_000)
            while data := connection.recv(65_536):
                for body in framer.feed(data):
                    assert isinstance(body, bytes)
                    answered = answer(body)
                    if answered is None:
                        return
                    connection.sendall(answered)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Address(*listening.getsockname())
    finally:
        thread.join()
        listening.close()


def accepted(body: bytes) -> bytes:
    return frame(acknowledge(read_header(body), "AA", control_id=b"A1", time=b"20261103"))


def test_an_answer_is_read() -> None:
    with server(accepted) as address, Sender(address, 5) as sender:
        answers = [sender.send(ONE), sender.send(TWO)]
    assert [(answer.code, answer.control_id, answer.accepted) for answer in answers] == [
        ("AA", "ID1", True),
        ("AA", "ID2", True),
    ]
    assert all(answer.milliseconds > 0 for answer in answers)


def test_a_rejection_is_told_with_its_reason() -> None:
    rejection = b"MSH|^~\\&|||||||ACK|A|P|2.5\rMSA|AR|ID1\rERR||MSH^1^9|200^Unsupported message type^HL70357|E||||No\r"
    with server(lambda _: frame(rejection)) as address, Sender(address, 5) as sender:
        answer = sender.send(ONE)
    assert (answer.code, answer.accepted) == ("AR", False)
    assert answer.words.startswith("No (MSH")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"MSH|^~\\&|||||||ACK|A|P|2.5\rMSA|AA|OTHER\r", "another message"),
        (b"MSH|^~\\&|||||||ACK|A|P|2.5\r", "no MSA"),
        (b"hello\r", "no HL7 message"),
    ],
)
def test_what_is_no_answer_to_this_message_accepts_nothing(data: bytes, words: str) -> None:
    with server(lambda _: frame(data)) as address, Sender(address, 5) as sender:
        answer = sender.send(ONE)
    assert (answer.code, answer.accepted) == ("", False)
    assert words in answer.words


def test_a_closed_connection_is_no_answer() -> None:
    with server(lambda _: None) as address, Sender(address, 5) as sender, pytest.raises(NotAnswered, match="closed"):
        sender.send(ONE)


def test_silence_is_no_answer() -> None:
    with (
        server(lambda _: b"") as address,
        Sender(address, 0.05) as sender,
        pytest.raises(NotAnswered, match=r"0\.05 s"),
    ):
        sender.send(ONE)


def test_a_message_that_asks_for_no_answer_is_not_waited_for() -> None:
    silent = ONE.replace(b"|2.5\r", b"|2.5|||NE|NE\r")
    with server(lambda _: b"") as address, Sender(address, 0.05) as sender:
        answer = sender.send(silent)
    assert (answer.code, answer.accepted) == (NOT_ASKED, True)


def test_a_second_answer_is_not_taken_for_that_to_the_next_message() -> None:
    late: list[bytes] = []

    def twice(body: bytes) -> bytes:
        header = read_header(body)
        answers = b"".join(late)  # CA to the one, and now, before all else, AE to it
        late[:] = [frame(acknowledge(header, "AE", control_id=b"A2", time=b"20261103"))]
        return answers + frame(acknowledge(header, "CA", control_id=b"A1", time=b"20261103"))

    with server(twice) as address, Sender(address, 5) as sender:
        answers = [sender.send(ONE), sender.send(TWO)]
    assert [(answer.code, answer.control_id) for answer in answers] == [("CA", "ID1"), ("CA", "ID2")]


def test_no_listener_and_no_host_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = Address(*taken.getsockname())
    with pytest.raises(NotAnswered, match="nothing listens there"):
        Sender(free, 1)
    with pytest.raises(NotAnswered, match=r"can't be reached"):
        Sender(Address("no-such-host.invalid", 2575), 1)


def test_an_address_is_shown_as_it_is_typed() -> None:
    assert (str(Address("::1", 2575)), str(Address("db", 1))) == ("[::1]:2575", "db:1")
