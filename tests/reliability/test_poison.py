"""A message that makes somebody fail, among a thousand: it ends with a person, and the others get through."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest

from casecart.runtime.dispatcher import Limits
from casecart.store import open_store
from support.at_rest import rest, status
from support.charge import charge
from support.engine_process import EngineProcess, free_port
from support.flood import flood
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MESSAGES, BAD = 1000, 500
POISON = "666000"  # id of the line


class Sickened(BaseHTTPRequestHandler):
    """A service that takes every posting, and fails at a request with the poison in it."""

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    tries = 0
    taken: ClassVar[list[str]] = []
    """Keys, in the order of their coming."""
    status = 500

    def do_POST(self) -> None:
        """A batch."""
        postings = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sick = any(posting["line"] == POISON for posting in postings)
        with self.lock:
            if sick:
                type(self).tries += 1
            else:
                self.taken.extend(posting["key"] for posting in postings)
        if sick and not self.status:
            self.close_connection = True  # nothing is answered at all
            return
        self.send_response(self.status if sick else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def service(status: int) -> Iterator[tuple[str, type[Sickened]]]:
    """The service at an address, answering the poison with this status; 0: with nothing."""
    handler = type("Handler", (Sickened,), {"taken": [], "status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/postings", handler
        server.shutdown()


def bodies() -> Iterator[bytes]:
    """Charges of a line and a case each; behind the bad one comes another of its case."""
    for number in range(MESSAGES):
        case = BAD if number == BAD + 1 else number
        body = charge(f"B{number:04}", f"V{case:04}", ("posted",))
        yield body.replace(b"|770001|", f"|{POISON}|".encode()) if number == BAD else body


def go_on(port: int, store: str, limit: float) -> int:
    """Messages come in as on any day, until a person has been asked; how many."""
    more, until = 0, time.monotonic() + limit
    with closing(open_store(store, role="reader")) as reader:
        while not reader.holds():
            assert time.monotonic() < until, "nobody has been asked"
            assert flood(port, [charge(f"C{more:04}", f"W{more:04}", ("posted",))]) == 1
            more += 1
            time.sleep(0.05)
    return more


def run(root: Path, store: str, status_code: int) -> tuple[type[Sickened], int]:
    """A thousand messages, one of them poison, and more until it is found; at rest in the end. How many there were."""
    port = free_port()
    with service(status_code) as (url, sickened):
        workspace = write(root / "workspace", Settings(store=store, port=port, destination=url, batch=50))
        with EngineProcess(workspace, port) as engine:
            engine.start()
            assert flood(port, bodies()) == MESSAGES
            more = go_on(port, store, 50)
            rest(store)
            assert status(workspace)["balances"]["exact"] is True
            assert engine.stop() == 0, engine.log
    return sickened, MESSAGES + more


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(0, marks=pytest.mark.slow, id="breaks off"),
        pytest.param(500, marks=pytest.mark.slow, id="fails"),
        pytest.param(422, id="refuses"),
    ],
)
def test_a_poisonous_posting_goes_to_a_person_and_the_others_are_posted(answer: int, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/casecart.db"
    sickened, messages = run(tmp_path, store, answer)
    assert len(set(sickened.taken)) == messages - 1
    assert len(sickened.taken) == messages - 1  # no other was taken twice for it
    # Those together with others, and those before the destination had answered anything else, don't count.
    assert sickened.tries <= Limits().tries + 3
    with closing(open_store(store, role="reader")) as reader:
        (held,) = reader.holds()
    assert (held.line, held.state) == (POISON, "new")
