"""What nobody should send: refused, counted, bounded, and others don't notice."""

from __future__ import annotations

import gzip
import resource
import select
import socket
import time
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from casecart.listeners.http_connection import HttpConnection
from casecart.runtime.unfinished import Unfinished
from support.http_door import (
    connected,
    door,
    http_settings,
    notification,
    post,
    received,
    send_until_held_up,
    sends,
)
from support.listening import Intake
from support.open_port import Turn, until
from support.reactor import in_reactor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.listeners.http import HttpListener

BODY = notification()


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpListener]:
    """One that takes no more than 100 KB."""
    with door(Turn(), http_settings("maximum_body: 100KB"), root=tmp_path_factory.mktemp("root")) as made:
        yield made


def answer_of(listener: HttpListener, request: bytes) -> tuple[int, str]:
    """Status and code of the answer, after which another sender is served as ever."""
    with connected(listener) as bad, connected(listener) as other:
        bad.sendall(request)
        answer = received(bad)[0]
        other.sendall(post(BODY))
        assert received(other)[0].status == 200
        return answer.status, answer.code


def bomb(size: int) -> bytes:
    """So many bytes of nothing, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(bytes(1_000_000)) for _ in range(size // 1_000_000)), packer.flush()])


def peak_megabytes() -> float:
    """The most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def test_a_bomb_is_unpacked_to_the_limit_and_no_further(listener: HttpListener) -> None:
    packed = bomb(90_000_000)
    assert len(packed) < 100_000
    before = peak_megabytes()
    assert answer_of(listener, post(packed, headers=("Content-Encoding: gzip",))) == (413, "too-large")
    assert peak_megabytes() - before < 10


def test_many_members_are_not_unpacked_one_by_one(listener: HttpListener) -> None:
    packed = gzip.compress(b"") * 4000
    assert answer_of(listener, post(packed, headers=("Content-Encoding: gzip",))) == (400, "bad-encoding")


@pytest.mark.parametrize("part", [b"[", b'{"a":', b'{"resourceType":[{"a":'])
def test_json_that_is_nested_too_deep_is_refused(listener: HttpListener, part: bytes) -> None:
    assert answer_of(listener, post(part * (90_000 // len(part)))) == (400, "too-deep")


def test_numbers_that_no_computer_holds_do_no_harm(listener: HttpListener) -> None:
    body = BODY[:-1] + b', "a": 1e999999999, "b": ' + b"9" * 50_000 + b"}"
    with connected(listener) as sender:
        sender.sendall(post(body))
        assert received(sender)[0].status in {200, 400}


def test_a_body_that_is_announced_too_large_is_not_read(listener: HttpListener) -> None:
    announced = post(BODY).replace(b"Content-Length: %d" % len(BODY), b"Content-Length: 99999999999")
    assert answer_of(listener, announced) == (413, "too-large")


@pytest.mark.parametrize(
    ("extra", "answer"),
    [
        (b"Content-Length: " + b"9" * 5000, (400, "bad-request")),
        (b"Content-Length: -1", (400, "bad-request")),
        (b"Content-Length: 1_0", (400, "bad-request")),
        (b"Content-Length: 5\r\nContent-Length: 6", (400, "bad-request")),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", (400, "bad-request")),
        (b"Transfer-Encoding: gzip, chunked", (400, "bad-request")),
        (b"Transfer-Encoding : chunked", (400, "bad-request")),
        (b"No colon", (400, "bad-request")),
        (b": no name", (400, "bad-request")),
        (b"X: a\0b", (400, "bad-request")),
        (b"X: " + b"a" * 20_000, (431, "headers-too-large")),
        (b"X: a\r\n" * 3000, (431, "headers-too-large")),
        (b"X: a\r\n" + b" folded\r\n" * 3000, (431, "headers-too-large")),
        (b"\r\n".join(b"X%d: a" % number for number in range(101)), (431, "headers-too-large")),
    ],
)
def test_a_header_that_is_none_or_too_much_is_refused_and_the_connection_closed(
    listener: HttpListener, extra: bytes, answer: tuple[int, str]
) -> None:
    request = post(BODY, length=False).replace(b"Host:", extra + b"\r\nHost:")
    assert answer_of(listener, request) == answer


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500) + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        b"MSH|^~\\&|ORSYS\r\n\r\n",
        b"POST /ehr HTTP/9.9\r\n\r\n",
        b"POST /ehr\0 HTTP/1.1\r\n\r\n",
        b"A" * 20_000,
    ],
)
def test_what_is_no_http_is_answered_and_closed(listener: HttpListener, request_: bytes) -> None:
    with connected(listener) as bad:
        bad.sendall(request_)
        assert bad.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-5\r\n", b"1" * 2000, b"5\r\nabcdefgh\r\n", b"5;\0\r\nabcde\r\n"])
def test_chunks_that_are_none_are_refused(listener: HttpListener, chunk: bytes) -> None:
    request = post(length=False, headers=("Transfer-Encoding: chunked",)) + chunk
    assert answer_of(listener, request) == (400, "bad-request")


def test_chunks_without_end_are_read_to_the_limit(listener: HttpListener) -> None:
    chunk = b"1000\r\n" + bytes(4096) + b"\r\n"
    with connected(listener) as bad:
        bad.sendall(post(length=False, headers=("Transfer-Encoding: chunked",)) + chunk * 30)
        assert received(bad)[0].status == 413
        until(lambda: not sends(bad, chunk))


def test_a_stranger_s_large_body_is_not_read_and_the_answer_still_comes(listener: HttpListener) -> None:
    with connected(listener) as bad:
        bad.sendall(post(bytes(90_000), token="wrong"))
        assert received(bad)[0].status == 401


def test_a_stranger_s_body_is_not_asked_for(listener: HttpListener) -> None:
    with connected(listener) as bad:
        bad.sendall(post(BODY, token=None, headers=("Expect: 100-continue",)).removesuffix(BODY))
        answer = received(bad)[0]
    assert (answer.status, answer.headers["connection"]) == (401, "close")


@pytest.mark.parametrize("part", [1, 40, len(post(BODY)) - len(BODY)], ids=["request line", "header", "body"])
def test_who_sends_a_byte_now_and_then_is_told_that_the_time_is_up(tmp_path: Path, part: int) -> None:
    # It is the whole request that has a time, and not its next byte.
    intake, request = Turn(), post(BODY)
    with (
        door(intake, http_settings("request_timeout: 1s"), root=tmp_path) as listener,
        connected(listener) as slow,
        connected(listener) as other,
    ):
        slow.sendall(request[:part])
        for byte in request[part:]:
            slow.sendall(bytes([byte]))
            if select.select([slow], [], [], 0.2)[0]:
                break
        assert received(slow)[0].status == 408
        other.sendall(post(BODY))
        assert received(other)[0].status == 200
    assert "timeout" in [arrival.notes for arrival in intake.arrivals]


def test_who_says_nothing_is_cut_off_in_time_and_leaves_no_record(tmp_path: Path) -> None:
    intake = Turn()
    with door(intake, http_settings("idle_timeout: 1s"), root=tmp_path) as listener, connected(listener) as silent:
        assert silent.recv(1) == b""
    assert not intake.arrivals


def test_a_sender_that_never_reads_is_held_up(tmp_path: Path) -> None:
    intake = Turn()
    with door(intake, root=tmp_path) as listener, connected(listener) as other, closing(socket.socket()) as bad:
        bad.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bad.connect(("127.0.0.1", listener.port))
        send_until_held_up(bad, post(b"{") * 100)
        taken = len(intake.arrivals)
        time.sleep(0.2)
        assert len(intake.arrivals) == taken
        other.sendall(post(BODY))
        assert received(other)[0].status == 200
        in_reactor(listener._abort)


def test_a_flood_of_requests_before_the_first_answer_is_held_up(tmp_path: Path) -> None:
    intake = Intake(None)
    with door(intake, root=tmp_path) as listener, connected(listener) as bad:
        send_until_held_up(bad, post(BODY) * 100)
        [connection] = listener._connections
        assert isinstance(connection, HttpConnection)
        assert sum(map(len, connection._dataBuffer)) < 100_000
        in_reactor(connection.abort)
        assert len(intake.arrivals) == 1


def test_too_much_that_is_unfinished_is_given_up_where_most_of_it_is(tmp_path: Path) -> None:
    with door(Turn(), http_settings("maximum_body: 1MB"), root=tmp_path) as listener:
        listener.unfinished = Unfinished(1_000_000)
        with connected(listener) as large, connected(listener) as small:
            large.sendall(post(bytes(900_000))[:-1])
            until(lambda: listener.unfinished.total > 800_000)
            small.sendall(post(bytes(300_000))[:-1])
            answer = received(large)[0]
            assert (answer.status, answer.code) == (503, "crowded")
            small.sendall(b"\0")
            assert received(small)[0].status == 400
        until(lambda: not listener.unfinished.total)


def test_connections_have_a_number(tmp_path: Path) -> None:
    with (
        door(Turn(), http_settings("connections: 1"), root=tmp_path) as listener,
        connected(listener) as first,
    ):
        first.sendall(post(BODY))
        assert received(first)[0].status == 200
        with connected(listener) as second:
            assert second.recv(1) == b""


def test_a_fault_of_ours_is_told_without_what_it_was_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object) -> None:
        raise KeyError("canary-4711")

    with door(Turn(), root=tmp_path) as listener, connected(listener) as sender:
        monkeypatch.setattr(listener.reception, "taken", fault)
        sender.sendall(post(BODY) * 2)
        answers = received(sender, 2)
    assert [(answer.status, answer.code) for answer in answers] == [(500, "failed")] * 2
    assert b"4711" not in answers[0].body


def test_any_garbage_leaves_the_listener_alive(listener: HttpListener) -> None:
    whole = post(BODY)
    for place in range(0, len(whole), 7):
        with connected(listener) as bad:
            bad.sendall(whole[:place] + b"\xff\0\r\n" + whole[place + 3 :] + b"\r\n\r\n")
            bad.shutdown(socket.SHUT_WR)
            while bad.recv(65_536):
                pass
    with connected(listener) as sender:
        sender.sendall(whole)
        assert received(sender)[0].status == 200
    until(lambda: in_reactor(lambda: not listener._connections))
