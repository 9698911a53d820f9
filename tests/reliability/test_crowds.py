"""Crowds of bad connections, and an honest sender beside them: unharmed, nothing lost, and nothing left behind.

Each scene runs small in the suite, and at its full size in the reliability run.
"""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import struct
import sys
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from bench.process import resident_megabytes
from casecart.store import MessageFilter, open_store
from support.at_rest import rest, status
from support.charge import charge, frame
from support.engine_process import EngineProcess, free_port
from support.sink import Sink
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 60.0  # seconds
LONGEST_WAIT = 10.0  # seconds that an honest sender waits for an answer, on a busy machine
MOST_MEGABYTES = 300.0
COME_AND_GO = 6  # files: the engine's connections to the sink
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close by RST


class Honest(threading.Thread):
    """One kept connection, one message after the other, each answered before the next."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port, self._finish = port, threading.Event()
        self.acknowledged: list[str] = []
        self.longest = 0.0
        self.trouble = ""

    def run(self) -> None:
        """Until it is told to finish."""
        with closing(socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)) as connection:
            while not self._finish.is_set() or not self.acknowledged:
                control_id = f"H{len(self.acknowledged):06}"
                began = time.monotonic()
                connection.sendall(frame(charge(control_id, f"V{control_id}")))
                answer = b""
                while not answer.endswith(b"\x1c\r"):
                    came = connection.recv(65_536)
                    if not came:
                        self.trouble = f"{control_id}: the connection was closed"
                        return
                    answer += came
                if f"\rMSA|AA|{control_id}\r".encode() not in answer:
                    self.trouble = f"{control_id} was answered otherwise"
                    return
                self.longest = max(self.longest, time.monotonic() - began)
                self.acknowledged.append(control_id)
                time.sleep(0.01)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finish.set()
        self.join(PATIENCE)


class Scene:
    """An engine with an honest sender at it.

    Attributes:
        port: the listener's.
        engine: its process.
    """

    def __init__(self, root: Path, listener: str) -> None:
        self.port = free_port()
        self.store = f"sqlite:///{root}/casecart.db"
        self._root, self._listener, self._stack = root, listener, ExitStack()
        self.honest = Honest(self.port)

    def __enter__(self) -> Self:
        self.sink = sink = self._stack.enter_context(Sink())
        workspace = write(self._root / "ws", Settings(store=self.store, port=self.port, destination=sink.url))
        file = workspace / "config" / "engine.yaml"
        port = f"    port: {self.port}\n"
        file.write_text(file.read_text("utf-8").replace(port, f"{port}    {self._listener}\n"), "utf-8")
        self.workspace = workspace
        self.engine = self._stack.enter_context(EngineProcess(workspace, self.port))
        self.engine.start()
        self._stack.enter_context(self.honest)
        self.until(lambda: len(self.honest.acknowledged) > 20 or bool(self.honest.trouble))
        self.files = self.open_files()
        self.megabytes = resident_megabytes(self.engine.pid)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.engine.pid}/fd").iterdir()))

    def until(self, condition: Callable[[], bool], within: float = PATIENCE) -> None:
        give_up = time.monotonic() + within
        while not condition():
            assert time.monotonic() < give_up, self.engine.log[-2000:]
            time.sleep(0.05)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def come_to_rest(self) -> dict[str, int]:
        """Ends it and proves that nobody was harmed; how often each note is in the store."""
        self.until(lambda: self.open_files() <= self.files + COME_AND_GO)
        before = len(self.honest.acknowledged)
        self.until(lambda: len(self.honest.acknowledged) > before or bool(self.honest.trouble))
        self.honest.__exit__()
        assert self.honest.trouble == ""
        assert self.honest.longest < LONGEST_WAIT
        rest(self.store)
        assert status(self.workspace)["balances"]["exact"] is True
        assert self.engine.stop() == 0, self.engine.log
        assert "Traceback" not in self.engine.log, self.engine.log
        notes: dict[str, int] = {}
        with closing(open_store(self.store, role="reader")) as reader:
            heads = reader.messages(MessageFilter(), None, 200_000)
        for head in heads:
            notes[head.notes or ""] = notes.get(head.notes or "", 0) + 1
        assert {head.control_id for head in heads} >= set(self.honest.acknowledged)
        return notes


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many open files as the system lets this process have; an engine that is started from here has them too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


SIZES = [pytest.param("small"), pytest.param("full", marks=[pytest.mark.slow, pytest.mark.timeout(600)])]


@pytest.mark.parametrize("size", SIZES)
def test_connections_that_are_reset_half_closed_or_cut_leave_records_and_no_open_files(
    tmp_path: Path, size: str
) -> None:
    times = {"small": 15, "full": 1000}[size]
    with Scene(tmp_path, "frame_timeout: 5s") as scene:
        for number in range(times):
            body = charge(f"B{number}", f"VB{number}")
            with closing(scene.connect()) as reset:
                reset.sendall(b"\x0b" + body[:100])
                reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            with closing(scene.connect()) as cut:
                cut.sendall(frame(body) + b"\x0b" + body[:200])
            with closing(scene.connect()) as half_closed:
                half_closed.sendall(frame(charge(f"C{number}", f"VC{number}")))
                half_closed.shutdown(socket.SHUT_WR)
                answer = b""
                while came := half_closed.recv(65_536):
                    answer += came
                assert f"\rMSA|AA|C{number}\r".encode() in answer
        notes = scene.come_to_rest()
    # A reset may come before anything that was sent is read: then there is nothing to record.
    assert times <= notes["truncated"] <= 2 * times
    assert set(notes) == {"", "truncated"}


@pytest.mark.parametrize("size", SIZES)
def test_slow_senders_are_recorded_when_their_time_is_up_and_harm_nobody(
    tmp_path: Path, size: str, many_files: None
) -> None:
    senders = {"small": 60, "full": 1000}[size]
    with Scene(tmp_path, "connections: 1200\n    frame_timeout: 3s") as scene:
        slow = [scene.connect() for _ in range(senders)]
        bodies = [frame(charge(f"S{number}", f"VS{number}")) for number in range(senders)]
        at, give_up = 0, time.monotonic() + PATIENCE
        open_now = dict(zip(slow, bodies, strict=True))
        while open_now:
            assert time.monotonic() < give_up
            for connection, data in list(open_now.items()):
                with contextlib.suppress(OSError):
                    connection.send(data[at : at + 1])
                if at and select.select([connection], [], [], 0)[0]:  # the other side has closed
                    del open_now[connection]
            at += 1
            time.sleep(0.2)
        for connection in slow:
            connection.close()
        notes = scene.come_to_rest()
    assert notes["truncated timeout"] == senders


@pytest.mark.parametrize("size", SIZES)
def test_idle_connections_cost_little_memory_and_are_gone_when_they_are_closed(
    tmp_path: Path, size: str, many_files: None
) -> None:
    wanted = {"small": 300, "full": 10_000}[size]
    possible = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200
    assert possible > wanted, f"the system lets a process have {possible} connections: raise `ulimit -Hn`"
    with Scene(tmp_path, f"connections: {wanted + 100}") as scene:
        idle = [scene.connect() for _ in range(wanted)]
        scene.until(lambda: scene.open_files() >= scene.files + wanted - COME_AND_GO)
        megabytes = resident_megabytes(scene.engine.pid)
        for number in range(0, wanted, max(1, wanted // 50)):
            idle[number].sendall(frame(charge(f"I{number}", f"VI{number}")))
            assert f"\rMSA|AA|I{number}\r".encode() in idle[number].recv(65_536)
        for connection in idle:
            connection.close()
        notes = scene.come_to_rest()
    assert set(notes) == {""}
    assert megabytes < MOST_MEGABYTES
    each = (megabytes - scene.megabytes) * 1e3 / wanted
    sys.stdout.write(f"{wanted} idle connections: {megabytes:.0f} MB in all, {each:.1f} KB each\n")
    assert size == "small" or each < 20.0


@pytest.mark.parametrize("size", SIZES)
def test_frames_of_100_mb_are_cut_at_the_limit(tmp_path: Path, size: str) -> None:
    times, much = {"small": (2, 30_000_000), "full": (20, 100_000_000)}[size]
    with Scene(tmp_path, "maximum_frame: 10MB") as scene:
        for number in range(times):
            with closing(scene.connect()) as connection, pytest.raises(OSError, match=r"reset|pipe|aborted"):
                connection.sendall(b"\x0b" + charge(f"L{number}", f"VL{number}") + b"x" * much)
        grown = resident_megabytes(scene.engine.pid) - scene.megabytes
        notes = scene.come_to_rest()
    assert notes["too-large"] == times
    assert grown < 60.0


@pytest.mark.parametrize("size", SIZES)
def test_more_connections_than_the_settings_say_are_turned_away_and_those_inside_go_on(
    tmp_path: Path, size: str
) -> None:
    most, tries = {"small": (10, 30), "full": (200, 2000)}[size]
    with Scene(tmp_path, f"connections: {most}") as scene, ExitStack() as stack:
        for _ in range(most - 1):  # the honest one is there
            stack.enter_context(closing(scene.connect()))
        scene.until(lambda: scene.open_files() >= scene.files + most - 1 - COME_AND_GO)
        for _ in range(tries):
            with closing(scene.connect()) as refused, contextlib.suppress(ConnectionResetError):
                assert refused.recv(1) == b""
        stack.close()
        assert scene.come_to_rest().keys() == {""}


def test_the_usual_soft_limit_of_open_files_is_raised_so_that_a_crowd_keeps_no_destination_from_its_work(
    tmp_path: Path,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    crowd = 200
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
        scene = Scene(tmp_path, "connections: 300")
        with scene:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            with ExitStack() as stack:
                for _ in range(crowd):
                    stack.enter_context(closing(scene.connect()))
                scene.until(lambda: scene.open_files() >= crowd)
                rest_of_it = scene.sink.counts().keys
                scene.until(lambda: scene.sink.counts().keys > rest_of_it)
            assert scene.come_to_rest().keys() == {""}
            assert "connector failed" not in scene.engine.log
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
