"""Senders that fill memory or time: they are stopped, and an honest one beside them hardly notices."""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Self

import pytest

from bench.process import resident_megabytes
from casecart.store import MessageFilter, open_store
from support.at_rest import rest, status
from support.charge import charge
from support.engine_process import EngineProcess, free_port
from support.flood import flood
from support.sink import Sink
from support.workspace import Settings, write

if TYPE_CHECKING:
    from pathlib import Path

SENDERS, HALF = 200, 4_000_000  # bytes: 800 MB in all, of which 256 MiB are kept
GROWTH = 450.0  # megabytes: what is kept, and what the allocator needs beside it
LONGEST_WAIT = 10.0  # seconds that an honest sender waits for an answer: the limit of 5 s, on a busy machine


class Honest(threading.Thread):
    """Sends one message after the other, until it is told to stop, and remembers how long the longest answer took."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port, self._finish = port, threading.Event()
        self.sent = 0
        self.longest = 0.0
        self.refused = 0

    def run(self) -> None:
        """Until it is told to stop."""
        while not self._finish.is_set():
            began = time.monotonic()
            self.refused += not flood(self._port, [charge(f"H{self.sent:06}", f"VH{self.sent:06}")])
            self.longest = max(self.longest, time.monotonic() - began)
            self.sent += 1
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finish.set()
        self.join(60)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_hundreds_of_half_messages_are_bounded_and_an_honest_sender_is_not_harmed(tmp_path: Path) -> None:
    port = free_port()
    half = b"\x0b" + charge("HALF", "V-HALF") + b"x" * HALF
    with Sink() as sink, ExitStack() as connections:
        store = f"sqlite:///{tmp_path}/casecart.db"
        workspace = write(tmp_path / "ws", Settings(store=store, port=port, destination=sink.url))
        with EngineProcess(workspace, port) as engine:
            engine.start()
            assert flood(port, [charge(f"B{number}", f"V{number}") for number in range(100)]) == 100
            before = resident_megabytes(engine.pid)
            cut = 0
            with Honest(port) as honest:
                for _ in range(SENDERS):
                    connection = connections.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
                    try:
                        connection.sendall(half)
                    except OSError:
                        cut += 1
                grown = resident_megabytes(engine.pid) - before
            assert engine.stop() == 0, engine.log
            assert "Traceback" not in engine.log, engine.log
    with closing(open_store(store, role="reader")) as reader:
        crowded = [head for head in reader.messages(MessageFilter(), None, 1000) if "crowded" in (head.notes or "")]
    assert len(crowded) >= SENDERS - 70  # 67 of them fit into 256 MiB
    assert grown < GROWTH
    assert honest.sent > 0
    assert (honest.refused, honest.longest < LONGEST_WAIT) == (0, True)
    sys.stdout.write(
        f"{SENDERS} half messages of {HALF / 1e6:.0f} MB: {grown:+.0f} MB, {len(crowded)} given up; an honest sender "
        f"waited {honest.longest * 1000:.0f} ms at most, in {honest.sent} messages\n"
    )


def long_charge(control_id: str, lines: int, *, ids: int) -> bytes:
    """A message with as many FT1 as lines; there are so many ids of lines, which come again and again."""
    head = charge(control_id, f"V-{control_id}", ()).decode()
    return (
        head
        + "".join(
            f"FT1|{number}|{number % ids}||20261103|20261103|{'CG' if number < ids else 'CD'}"
            f"|CH-1^Hip^CDM^HIP-STEM^Part^ITEM|||1|||OR-MAIN^Rooms^DEPT|||OR-CORE-2{'':80}\r"
            for number in range(lines)
        )
    ).encode()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_message_of_10_mb_that_overruns_is_stopped_and_the_others_go_on(tmp_path: Path) -> None:
    port, lines = free_port(), 50_000
    with Sink() as sink:
        store = f"sqlite:///{tmp_path}/casecart.db"
        workspace = write(tmp_path / "ws", Settings(store=store, port=port, destination=sink.url))
        with EngineProcess(workspace, port) as engine:
            engine.start()
            with Honest(port) as honest:
                # As many charges as there are lines: it takes its time, and is processed.
                legitimate = long_charge("LEGITIMATE", lines, ids=lines)
                assert 9_000_000 < len(legitimate) < 10_000_000
                assert flood(port, [legitimate]) == 1
                rest(store, within=120)
                assert flood(port, [long_charge("OVERRUNS", lines, ids=lines // 2)]) == 1
                rest(store, within=120)
            rest(store)
            assert status(workspace)["balances"]["exact"] is True
            assert engine.stop() == 0, engine.log
    with closing(open_store(store, role="reader")) as reader:
        found = {head.control_id: head.outcome for head in reader.messages(MessageFilter(), None, 100_000)}
        (held,) = reader.holds()
    assert {name for name, outcome in found.items() if outcome != "processed"} == {"OVERRUNS"}
    assert (held.code, found["OVERRUNS"]) == ("overran", "quarantined")
    assert (honest.refused, honest.longest < LONGEST_WAIT) == (0, True)
    sys.stdout.write(
        f"{len(legitimate) / 1e6:.0f} MB with {lines} charges were processed, with as many credits stopped; an honest "
        f"sender waited {honest.longest * 1000:.0f} ms at most, in {honest.sent} messages\n"
    )
