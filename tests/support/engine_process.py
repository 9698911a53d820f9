"""An engine as a user runs it: `casecart run` in a process of its own, to be watched, stopped and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

from casecart.commands.actor import Actor
from casecart.commands.balance import ShowBalances
from casecart.commands.desk import open_desk
from casecart.store import StoreBroken, StoreMisconfigured, StoreUnavailable
from support.forked import CASECART, PROCESSES, Files, fork

__all__ = ["EngineProcess", "NotStarted", "free_port", "must_balance"]

START_LIMIT = 60.0
STOP_LIMIT = 60.0
RUNS = b"casecart runs for "  # what `casecart run` says when it is up


class NotStarted(Exception):
    """The engine ended, or opened no door in time; its own words follow."""


class EngineProcess:
    """One engine after the other on one workspace; a context manager that leaves none behind.

    Args:
        workspace: its folder; what the engines print is added to a log in it.
        port: the listener's; None: it has none, and is taken as started when it says that it runs.
        cores: where it runs; None: anywhere.
        name: tells it from others on the same workspace; its log is `<name>.log`.
        arguments: what else `casecart run` is given.
        environment: what it has beyond this process's environment.
        plant: Python that is run in its process before anything of casecart: a fault to be seen by a test.
        forked: off a process that has imported all (`support.forked`); None: as is usual in this test, where nothing is
            planted and no environment wants an interpreter of its own.

    Attributes:
        began: when each engine was started, on the monotonic clock.
        environment: as above, for the next start.
    """

    def __init__(
        self,
        workspace: Path,
        port: int | None,
        *,
        cores: set[int] | None = None,
        name: str = "engine",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        plant: str = "",
        forked: bool | None = None,
    ) -> None:
        self._forked = forked
        self._workspace, self._port, self._cores = workspace, port, cores
        self._log = workspace / f"{name}.log"
        self.environment = environment or {}
        self.command = [*_program(plant), "run", str(workspace), *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self.began: list[float] = []

    @property
    def pid(self) -> int:
        """Of the engine that runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What the engines printed so far."""
        return self._log.read_text("utf-8", errors="replace") if self._log.exists() else ""

    @property
    def running(self) -> bool:
        """Whether there is one, as far as its parent knows."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> float:
        """Starts an engine; returns when its listener's door is open, and says after how many seconds."""
        began = self.launch()
        assert self._process is not None
        while not self._open():
            if self._process.poll() is not None:
                raise NotStarted(f"the engine ended with {self._process.returncode}:\n{self.log[-2000:]}")
            if time.monotonic() > began + START_LIMIT:
                raise NotStarted(f"no door after {START_LIMIT:.0f} s:\n{self.log[-2000:]}")
            time.sleep(0.01)
        return time.monotonic() - began

    def launch(self) -> float:
        """Starts an engine, waits for nothing, and says when it began."""
        self._said = self._log.stat().st_size if self._log.exists() else 0
        began = time.monotonic()
        with self._log.open("ab") as log:
            self._process = self._spawn(log)
        if self._cores:
            os.sched_setaffinity(self._process.pid, self._cores)
        self.began.append(began)
        return began

    def _spawn(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.environment}
        if self._forked is None:
            forked = PROCESSES.forked and self.command[0] == CASECART and not self.environment
        else:
            forked = self._forked
        if forked:
            return fork(self.command[1:], Files(os.devnull, log.name, log.name), environment, str(Path.cwd()))
        return subprocess.Popen(
            self.command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _open(self) -> bool:
        if self._port is not None:
            return _answers(self._port)
        with self._log.open("rb") as log:
            log.seek(self._said)
            return RUNS in log.read()

    def wait(self, limit: float) -> int:
        """Waits so many seconds for it to end by itself; gives its exit code. `subprocess.TimeoutExpired`: it runs."""
        assert self._process is not None
        return self._process.wait(limit)

    def kill(self) -> None:
        """Ends it as kill -9 does: it has no chance to do anything more."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Asks it to stop, and waits until it has; gives its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        try:
            code = self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        must_balance(self._workspace)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.kill()


def _program(plant: str) -> list[str]:
    if not plant:
        return [CASECART]
    return [sys.executable, "-c", f"{plant}\nimport sys\nfrom casecart.cli.main import main\nsys.exit(main())"]


def must_balance(workspace: Path) -> None:
    """Both balances are exact between any two commits, so also after any end of an engine.

    Nothing is said of a store that can't be read now, its disk or its server being gone.
    """
    try:
        with open_desk(workspace, Actor("tester", frozenset({"see"}))) as desk:
            both = desk.ask(ShowBalances())
    except (StoreUnavailable, StoreBroken, StoreMisconfigured):
        return
    assert both.exact is not False, [*both.messages, both.lines]


def free_port() -> int:
    """A TCP port on loopback that nobody has now.

    It is below those that systems give to outgoing connections: on a busy machine one of these would have it at times
    before who was told of it listens there.
    """
    while True:
        port = _chance.randrange(*_PORTS)
        if port in _given:
            continue
        with suppress(OSError), closing(socket.create_server(("127.0.0.1", port))):
            _given.add(port)
            return port


_PORTS = (10_000, 32_000)
_chance = SystemRandom()  # others seed the usual one
_given: set[int] = set()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
