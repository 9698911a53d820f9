"""An ERP that is made up, as a process of its own: it does what it is asked for, and its answers go wrong by a seed.

    python -m support.erp_simulator CLASS RECORD SEED RATE

It prints its port. CLASS is keyed, searchable, two-step or blind; each fault strikes one request in 1/RATE. What is
done is a line of RECORD at that moment, and RECORD is the oracle: no answer counts beside it.

    POST /postings            a JSON array of payloads: done at once; keyed: each key once
    POST /known               searchable: a JSON array of keys; the array of those that are found
    POST /drafts/REFERENCE    two-step: a draft of a JSON array of payloads, which moves nothing
    POST /carry-out/REFERENCE two-step: the draft is done, once
    POST /cancel/REFERENCE    two-step: it can't be done any more, if it was not
    GET  /drafts/REFERENCE    two-step: its state and its keys
    GET  /counts              what came, and which faults struck
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import msgspec
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.web.http import HTTPChannel, HTTPFactory, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.address import IPv4Address
    from twisted.python.failure import Failure

__all__ = ["FATES", "PATIENCE", "SETTLING", "ErpSimulator"]

FOLDER = Path(__file__).parents[1]

FATES = (
    "times out after it was done",
    "reset after it was done",
    "500 before it is done",
    "500 after it was done",
    "answered late",
    "done when nobody waits any more",
)
"""Of a request, beside that all is well; each as likely as the others."""

PATIENCE = 0.4
"""Seconds that the connectors wait for an answer."""

SETTLING = 0.2
"""Seconds until at the latest a look-up finds what was done."""

LATE = (0.05, 0.2)  # seconds until a late answer
AFTERWARDS = (0.45, 1.0)  # seconds until a request is done that nobody waits for any more
DOWN_EVERY = 10.0  # seconds from one time that it is down to the next
DOWN_FOR = 0.5  # seconds


class ErpSimulator:
    """The process; a context manager.

    Args:
        delivery: its class.
        record: the file that becomes its record.
        seed: of its faults.
        rate: of each fault; 0: none.
    """

    def __init__(self, delivery: str, record: Path, *, seed: int, rate: float = 0.05) -> None:
        command = [sys.executable, "-m", "support.erp_simulator", delivery, str(record), str(seed), str(rate)]
        self._process = subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self._port}"
        self.record = record

    def counts(self) -> Counter[str]:
        """What came so far, and which faults struck."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", "/counts")
            return Counter(json.load(connection.getresponse()))
        finally:
            connection.close()

    def payloads(self) -> list[str]:
        """Everything that was done, in the order in which it was."""
        return [line.partition(" ")[2] for line in self.record.read_text("utf-8").splitlines()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate()


class _Posting(msgspec.Struct):
    key: str


_keys = msgspec.json.Decoder(list[_Posting]).decode
_payloads = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(slots=True)
class _Draft:
    keys: list[str]
    payloads: list[bytes]
    state: str = "draft"


class _Erp:
    """What the ERP has and does; it knows nothing of answers."""

    def __init__(self, delivery: str, record: BinaryIO, chance: Random, seconds: Callable[[], float]) -> None:
        self._keyed, self._record, self._chance, self._seconds = delivery == "keyed", record, chance, seconds
        self._found_from: dict[str, float] = {}
        self._drafts: dict[str, _Draft] = {}
        self.counts: Counter[str] = Counter()

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Do what is asked for; the status and the body of the answer."""
        name, _, reference = path.strip("/").partition("/")
        match method, name:
            case "POST", "postings":
                self._do([posting.key for posting in _keys(body)], [bytes(raw) for raw in _payloads(body)])
                return 200, b""
            case "POST", "known":
                now = self._seconds()
                wanted: list[str] = json.loads(body)
                return 200, json.dumps([key for key in wanted if self._found_from.get(key, now) < now]).encode()
            case "POST", "drafts":
                if reference in self._drafts:
                    return 409, b""
                keys = [posting.key for posting in _keys(body)]
                self._drafts[reference] = _Draft(keys, [bytes(raw) for raw in _payloads(body)])
                return 201, b""
        draft = self._drafts.get(reference)
        if draft is None:
            return 404, b""
        if name == "carry-out" and draft.state == "draft":
            draft.state = "done"
            self._do(draft.keys, draft.payloads)
        elif name == "cancel" and draft.state == "draft":
            draft.state = "cancelled"
        return 200, json.dumps({"state": draft.state, "keys": draft.keys}).encode()

    def _do(self, keys: list[str], payloads: list[bytes]) -> None:
        now, lines = time.time(), []
        for key, payload in zip(keys, payloads, strict=True):
            self.counts["postings"] += 1
            if key in self._found_from:
                self.counts["came again"] += 1
                if self._keyed:
                    continue
            self._found_from.setdefault(key, self._seconds() + self._chance.uniform(0.0, SETTLING))
            lines.append(b"%.6f %b\n" % (now, payload))
        self._record.write(b"".join(lines))
        self._record.flush()

    def told(self) -> dict[str, int]:
        """The counts, with the drafts that were left."""
        left = sum(draft.state == "draft" for draft in self._drafts.values())
        return {**self.counts, "drafts left": left}


class _Request(Request):
    erp: _Erp
    chance: Random
    rate: float
    later: Callable[..., Any]
    seconds: Callable[[], float]
    gone = False
    transport: Any

    def process(self) -> None:
        method, path = self.method.decode(), self.path.decode()
        assert self.content is not None
        body = self.content.read()
        if path == "/counts":
            self._answer((200, json.dumps(self.erp.told()).encode()))
            return
        self.erp.counts["requests"] += 1
        if self.rate and self.seconds() % DOWN_EVERY < DOWN_FOR:
            self.erp.counts["down"] += 1
            self._answer((503, b""))
            return
        self._go(self._fate(), method, path, body)

    def _fate(self) -> str:
        drawn = int(self.chance.random() / self.rate) if self.rate else len(FATES)
        fate = FATES[drawn] if drawn < len(FATES) else "fine"
        self.erp.counts[fate] += 1
        return fate

    def _go(self, fate: str, method: str, path: str, body: bytes) -> None:
        if fate == "500 before it is done":
            self._answer((500, b""))
            return
        if fate == "done when nobody waits any more":
            self.later(self.chance.uniform(*AFTERWARDS), self.erp.handle, method, path, body)
            return
        said = self.erp.handle(method, path, body)
        match fate:
            case "times out after it was done":
                return
            case "reset after it was done":
                self.transport.abortConnection()
            case "500 after it was done":
                self._answer((500, b""))
            case "answered late":
                self.later(self.chance.uniform(*LATE), self._answer, said)
            case _:
                self._answer(said)

    def connectionLost(self, reason: Failure) -> None:
        self.gone = True
        super().connectionLost(reason)

    def _answer(self, said: tuple[int, bytes]) -> None:
        status, body = said
        if self.gone:
            return
        self.setResponseCode(status)
        self.setHeader(b"Content-Length", b"%d" % len(body))
        if status == 503:
            self.setHeader(b"Retry-After", b"0")
        self.write(body)
        self.finish()


class _Channel(HTTPChannel):
    requestFactory = _Request  # noqa: N815 - Twisted's name


def _main(delivery: str, record: str, seed: str, rate: str) -> None:
    reactor: Any = EPollReactor()
    installReactor(reactor)
    with Path(record).open("ab") as file:
        chance = Random(int(seed))
        _Request.erp = _Erp(delivery, file, chance, reactor.seconds)
        _Request.chance, _Request.rate = chance, float(rate)
        _Request.later, _Request.seconds = reactor.callLater, reactor.seconds
        factory = HTTPFactory()
        factory.protocol = _Channel  # type: ignore[assignment,method-assign]  # how Twisted's own sites do it
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        print(cast("IPv4Address", port.getHost()).port, flush=True)  # noqa: T201 - read by who started the process
        reactor.run()


if __name__ == "__main__":
    _main(*sys.argv[1:])
