"""A counting sink: an HTTP server that takes batches of postings, counts them, and remembers which keys came twice.

    python -m support.sink DELAY [RECORD [PORT [keyed]]]

It prints its port. Each POST carries a JSON array of payloads and is answered 200 after DELAY seconds; GET answers with
the counts as JSON. With RECORD, every payload is a line of that file at once, before its request is answered; a keyed
sink refuses a key that came before, as a service does that is called keyed: it has no effect, so it is not recorded.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self, cast

import msgspec
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.web.http import HTTPChannel, HTTPFactory, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.address import IPv4Address
    from twisted.python.failure import Failure

__all__ = ["Counts", "Sink"]

FOLDER = Path(__file__).parents[1]
PATH = "/postings"


class Counts(NamedTuple):
    """What came: requests, postings in them, different keys, and postings whose key had come before."""

    requests: int
    postings: int
    keys: int
    duplicates: int


class Sink:
    """The sink as a process; a context manager.

    Args:
        record: the file that every payload is added to; it may be there from an earlier sink.
        delay: seconds between the taking of a request and its answer.
        port: where it listens; 0: anywhere.
        keyed: refuse a key that came before; the duplicates that it counts had no effect.
    """

    def __init__(self, record: Path | None = None, *, delay: float = 0.0, port: int = 0, keyed: bool = False) -> None:
        command = [sys.executable, "-m", "support.sink", str(delay), str(record or ""), str(port)]
        command += ["keyed"] if keyed else []
        self._process = subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.pid = self._process.pid
        self.url = f"http://127.0.0.1:{self.port}{PATH}"

    def counts(self) -> Counts:
        """What came so far."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", PATH)
            return Counts(**json.load(connection.getresponse()))
        finally:
            connection.close()

    def close(self) -> None:
        """Ends the process."""
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Posting(msgspec.Struct):
    key: str


_keys = msgspec.json.Decoder(list[_Posting]).decode
_payloads = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Taken:
    """What the process has taken so far."""

    def __init__(self, record: BinaryIO | None, *, keyed: bool) -> None:
        self._record, self._keyed = record, keyed
        self._keys: set[str] = set()
        self._requests = self._postings = 0

    def take(self, body: bytes) -> None:
        keys = [posting.key for posting in _keys(body)]
        if self._record is not None:
            payloads = zip(keys, _payloads(body), strict=True)
            taken = [payload for key, payload in payloads if not (self._keyed and key in self._keys)]
            self._record.write(b"".join(b"%b\n" % payload for payload in taken))
            self._record.flush()
        self._keys.update(keys)
        self._requests += 1
        self._postings += len(keys)

    def counts(self) -> Counts:
        keys = len(self._keys)
        return Counts(self._requests, self._postings, keys, self._postings - keys)


class _Request(Request):
    taken: _Taken
    answer_later: Callable[[Callable[[bytes], None], bytes], object] | None = None
    gone = False

    def process(self) -> None:
        if self.method != b"POST":
            self._answer(msgspec.json.encode(self.taken.counts()._asdict()))
            return
        assert self.content is not None
        self.taken.take(self.content.read())
        if self.answer_later is None:
            self._answer(b"")
        else:
            self.answer_later(self._answer, b"")

    def connectionLost(self, reason: Failure) -> None:
        self.gone = True
        super().connectionLost(reason)

    def _answer(self, body: bytes) -> None:
        if not self.gone:
            self.setHeader(b"Content-Length", b"%d" % len(body))
            self.write(body)
            self.finish()


class _Channel(HTTPChannel):
    requestFactory = _Request  # noqa: N815 - Twisted's name


def _main(arguments: list[str]) -> None:
    reactor = EPollReactor()
    installReactor(reactor)
    with ExitStack() as stack:
        record = stack.enter_context(Path(arguments[1]).open("ab")) if arguments[1:] and arguments[1] else None
        _Request.taken = _Taken(record, keyed="keyed" in arguments[3:])
        if delay := float(arguments[0]):
            _Request.answer_later = staticmethod(partial(reactor.callLater, delay))
        factory = HTTPFactory()
        factory.protocol = _Channel  # type: ignore[assignment,method-assign]  # how Twisted's own sites do it
        port = reactor.listenTCP(int(arguments[2]) if arguments[2:] else 0, factory, interface="127.0.0.1")
        print(cast("IPv4Address", port.getHost()).port, flush=True)  # noqa: T201 - read by who started the process
        reactor.run()


if __name__ == "__main__":
    _main(sys.argv[1:])
