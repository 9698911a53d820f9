"""The load generator for HTTP: senders that keep their connections and post one notification after the other.

    python tests/bench/http_load.py PORT SENDERS

As `load.py`: `load SECONDS` on its standard input sends for so long, and answers with a `Result` as a line of JSON.
No two notifications are the same. That each answer is a 200 is looked at, its body is only counted.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import sys
import time

from bench.bundle import PATH, TOKEN, notification
from bench.load import Result, percentiles

__all__ = ["Poster", "load", "main"]

_MARK = "0000000000"  # what sets a notification apart: three digits of the sender, seven of its count
_SENDER = 3


class Poster:
    """One connection."""

    def __init__(self, number: int, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = notification(_MARK)
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: made-up-ehr/1.0\r\nAccept: */*\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n"
        )
        self._request = bytearray(head.encode() + b"\r\n" + body)
        self._places = []
        place = -1
        while (place := self._request.find(_MARK.encode(), place + 1)) >= 0:
            self._request[place : place + _SENDER] = b"%03d" % number
            self._places.append(place + _SENDER)
        self._count = 0
        self._left = 0
        self.sent = 0.0

    def fileno(self) -> int:
        """For epoll."""
        return self._socket.fileno()

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def send(self) -> None:
        """Posts the next notification."""
        self._count += 1
        digits = b"%07d" % self._count
        for place in self._places:
            self._request[place : place + 7] = digits
        self.sent = time.perf_counter()
        self._socket.sendall(self._request)

    def receive(self) -> bool:
        """Takes what has come; whether it is all of an answer."""
        data = self._socket.recv(65_536)
        if self._left:
            self._left -= len(data)
        else:
            head, _, body = data.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise ConnectionError(f"no positive answer: {data[:200]!r}")
            _, _, length = head.lower().partition(b"content-length: ")
            self._left = int(length.split(b"\r\n")[0]) - len(body)
        return not self._left


def load(posters: list[Poster], seconds: float) -> Result:
    """Keeps every sender busy for some seconds."""
    latencies: list[tuple[float, int]] = []
    by_descriptor = {poster.fileno(): poster for poster in posters}
    cpu, began = time.process_time(), time.perf_counter()
    end = began + seconds
    with select.epoll() as epoll:
        for poster in posters:
            epoll.register(poster, select.EPOLLIN)
            poster.send()
        busy = len(posters)
        while busy:
            events = epoll.poll(30, 256)
            if not events:
                raise TimeoutError(f"{busy} notifications were not answered within 30 s")
            for descriptor, _ in events:
                poster = by_descriptor[descriptor]
                if not poster.receive():
                    continue
                now = time.perf_counter()
                latencies.append((now - poster.sent, 1))
                if now < end:
                    poster.send()
                else:
                    busy -= 1
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    p50, p99 = (1000 * latency for latency in percentiles(latencies, (0.5, 0.99)))
    return Result(len(latencies), took, p50, p99, cpu)


def main(arguments: list[str]) -> None:
    """Obeys the standard input."""
    port, number = map(int, arguments)
    posters = [Poster(sender, port) for sender in range(number)]
    print("connected", flush=True)
    gc.collect()
    gc.freeze()
    gc.disable()
    for line in sys.stdin:
        command, seconds = line.split()
        assert command == "load"
        print(json.dumps(load(posters, float(seconds))._asdict()), flush=True)
    for poster in posters:
        poster.close()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)
