"""The load generator: MLLP senders on raw sockets and epoll, whose messages are prepared and only get new digits.

    python tests/bench/load.py PORT SENDERS IN_FLIGHT [LINES FIRST]

It connects, then reads lines from its standard input. `load SECONDS` sends for so long, waits for the last
acknowledgement and answers with a `Result` as a line of JSON. At the input's end it ends.

With LINES, messages have so many lines, each with a lot and a serial number of its own (`bench.varied`), and the first
sender has the number FIRST: what was sent to a server before is not sent again.

Each sender keeps IN_FLIGHT messages on their way: 1, as real MLLP senders do, or more (pipelined). No two messages
have the same control id (MSH-10) or case (PV1-19). What an acknowledgement says is looked at on the first of each
connection; afterwards end bytes are counted. Whether all was well in truth, who started the load asks the server.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import ssl
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.varied import DIGITS, case_of, control_id_of, varied_charge
from support.charge import ALL_POSTED, charge, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SIZE", "USUAL", "Result", "Sender", "Template", "load", "main", "percentiles"]

SENDER, ROUND = 3, 7  # digits of what sets a message apart; the last three are the slot's: they rise as they go out


class Template:
    """What the messages of a load have in common: all but the digits that set one apart, wherever these stand.

    Args:
        make: gives a message's body for its digits.
    """

    def __init__(self, make: Callable[[str], bytes]) -> None:
        self._make = make
        mark = "0" * DIGITS
        sample = self.frame(mark)
        self.size = len(sample)
        self._places: list[int] = []  # where the round's digits stand
        place = -1
        while (place := sample.find(mark.encode(), place + 1)) >= 0:
            self._places.append(place + SENDER)
        self._last_digit = [[(place + ROUND - 1, b"%d" % digit) for place in self._places] for digit in range(10)]

    def frame(self, digits: str) -> bytes:
        """A message as it is sent."""
        return frame(self._make(digits))

    def changes(self, number: int) -> Sequence[tuple[int, bytes]]:
        """In what frames of this round differ from those of the round before: offset and digit."""
        if number % 10:
            return self._last_digit[number % 10]
        digits = f"{number:0{ROUND}}".encode()
        return [(place + index, digits[index : index + 1]) for place in self._places for index in range(ROUND)]


USUAL = Template(lambda digits: charge(control_id_of(digits), case_of(digits)))
SIZE = USUAL.size


class Result(NamedTuple):
    """What one load came to.

    Attributes:
        messages: sent and acknowledged.
        seconds: from the first byte sent to the last acknowledgement.
        p50: half of the acknowledgements came within so many milliseconds.
        p99: of a hundred, 99.
        cpu: seconds of CPU that the generator took.
    """

    messages: int
    seconds: float
    p50: float
    p99: float
    cpu: float


class Sender:
    """One connection and its ring of prepared messages, one slot for each that may be on its way."""

    def __init__(
        self,
        number: int,
        port: int,
        in_flight: int,
        template: Template = USUAL,
        *,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._template, self._size = template, template.size
        self._encrypted = context is not None
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        if context is not None:
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Room for all that is on its way: a send never has to wait.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, max(65_536, 4 * in_flight * self._size))
        self._in_flight = in_flight
        self._ring = bytearray()
        for slot in range(in_flight):
            self._ring += template.frame(f"{number:0{SENDER}}{0:0{ROUND}}{slot:03}")
        self._view = memoryview(self._ring)
        self._slot = 0
        self._round = 0
        self._changes: Sequence[tuple[int, bytes]] = ()
        self._sent: deque[tuple[float, int]] = deque()  # time, how many: of what is not acknowledged, oldest first
        self._greet()
        self._socket.settimeout(0)

    def fileno(self) -> int:
        """For epoll."""
        return self._socket.fileno()

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def _greet(self) -> None:
        """One message whose acknowledgement is read."""
        self.send(1)
        answer = b""
        while b"\x1c" not in answer:
            answer += self._socket.recv(65_536)
        self._sent.clear()
        self._slot = 0
        if b"\rMSA|AA|" not in answer:
            raise ConnectionError(f"not a positive acknowledgement: {answer!r}")

    def send(self, count: int) -> None:
        """Sends the next messages of the ring, at most `in_flight` of them."""
        self._sent.append((time.perf_counter(), count))
        last = self._slot + count
        if last <= self._in_flight:
            sent = self._socket.send(self._next(last))
        else:
            parts = (self._next(self._in_flight), self._next(last - self._in_flight))
            sent = self._socket.send(b"".join(parts)) if self._encrypted else self._socket.sendmsg(parts)
        if sent != count * self._size:
            raise ConnectionError("the connection takes less than what may be on its way")

    def _next(self, last: int) -> memoryview:
        """The frames from where the ring stands up to slot `last`, with this round's digits."""
        first = self._slot
        if not first:
            self._round += 1
            self._changes = self._template.changes(self._round)
        self._slot = last if last < self._in_flight else 0
        frames = last - first
        start, end = first * self._size, last * self._size
        for offset, digit in self._changes:  # the same digit at the same place of each of these frames
            self._ring[start + offset : end : self._size] = digit * frames
        return self._view[start:end]

    def receive(self, latencies: list[tuple[float, int]]) -> int:
        """Takes what has come; says how many messages it acknowledges, and adds (seconds, how many) to `latencies`."""
        try:
            data = self._socket.recv(65_536)
        except ssl.SSLWantReadError:  # not yet a whole record
            return 0
        if not data:
            raise ConnectionError("the server closed the connection")
        count = data.count(b"\x1c")
        now = time.perf_counter()
        left = count
        while left:
            sent, waiting = self._sent.popleft()
            took = min(left, waiting)
            latencies.append((now - sent, took))
            left -= took
            if took != waiting:
                self._sent.appendleft((sent, waiting - took))
        return count


def load(senders: list[Sender], in_flight: int, seconds: float) -> Result:
    """Keeps every sender busy for some seconds."""
    latencies: list[tuple[float, int]] = []
    acknowledged = 0
    by_descriptor = {sender.fileno(): sender for sender in senders}
    cpu, began = time.process_time(), time.perf_counter()
    end = began + seconds
    with select.epoll() as epoll:
        for sender in senders:
            epoll.register(sender, select.EPOLLIN)
            sender.send(in_flight)
        on_their_way = in_flight * len(senders)
        sent = on_their_way
        sending = True
        while on_their_way:
            events = epoll.poll(30, 256)
            if not events:
                raise TimeoutError(f"{on_their_way} messages were not acknowledged within 30 s")
            for descriptor, _ in events:
                sender = by_descriptor[descriptor]
                count = sender.receive(latencies)
                acknowledged += count
                if sending and count:
                    sender.send(count)
                    sent += count
            on_their_way = sent - acknowledged
            sending = sending and time.perf_counter() < end
    took = time.perf_counter() - began
    cpu = time.process_time() - cpu
    p50, p99 = (1000 * latency for latency in percentiles(latencies, (0.5, 0.99)))
    return Result(acknowledged, took, p50, p99, cpu)


def percentiles(latencies: list[tuple[float, int]], shares: tuple[float, ...]) -> list[float]:
    """The latency that each of these shares of all messages is not above. Sorts the list."""
    latencies.sort()
    bounds = [share * sum(count for _, count in latencies) for share in shares]
    found: list[float] = []
    passed = 0
    for latency, count in latencies:
        passed += count
        while len(found) < len(bounds) and passed >= bounds[len(found)]:
            found.append(latency)
    return found


def _context(papers: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=papers / "authority.pem")
    context.load_cert_chain(papers / "client.pem", papers / "client.key")
    return context


def main(arguments: list[str]) -> None:
    """Obeys the standard input; a last argument that is no number is a folder with papers, for TLS."""
    context = None if arguments[-1].isdecimal() else _context(Path(arguments.pop()))
    port, number, in_flight, *more = map(int, arguments)
    template, first = USUAL, 0
    if more:
        lines, first = more
        template = Template(lambda digits: varied_charge(digits, ALL_POSTED[:1] * lines))
    senders = [Sender(sender, port, in_flight, template, context=context) for sender in range(first, first + number)]
    print("connected", flush=True)
    gc.collect()
    gc.freeze()
    gc.disable()
    for line in sys.stdin:
        command, seconds = line.split()
        assert command == "load"
        print(json.dumps(load(senders, in_flight, float(seconds))._asdict()), flush=True)
    for sender in senders:
        sender.close()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)
