"""An engine as a user runs it: `casecart run` in a process of its own, to be watched, stopped and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Self

__all__ = ["EngineProcess", "NotStarted", "free_port"]

START_LIMIT = 30.0
STOP_LIMIT = 30.0


class NotStarted(Exception):
    """The engine ended, or opened no door in time; its own words follow."""


class EngineProcess:
    """One engine after the other on one workspace; a context manager that leaves none behind.

    Args:
        workspace: its folder; what the engines print is added to `engine.log` in it.
        port: the listener's.
        cores: where it runs; None: anywhere.
    """

    def __init__(self, workspace: Path, port: int, *, cores: set[int] | None = None) -> None:
        self._workspace, self._port, self._cores = workspace, port, cores
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the engine that runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What the engines printed so far."""
        path = self._workspace / "engine.log"
        return path.read_text("utf-8", errors="replace") if path.exists() else ""

    def start(self) -> float:
        """Starts an engine; returns when its listener's door is open, and says after how many seconds."""
        began = time.monotonic()
        command = [str(Path(sys.executable).with_name("casecart")), "run", str(self._workspace)]
        with (self._workspace / "engine.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        if self._cores:
            os.sched_setaffinity(self._process.pid, self._cores)
        while not _answers(self._port):
            if self._process.poll() is not None:
                raise NotStarted(f"the engine ended with {self._process.returncode}:\n{self.log[-2000:]}")
            if time.monotonic() > began + START_LIMIT:
                raise NotStarted(f"no door after {START_LIMIT:.0f} s:\n{self.log[-2000:]}")
            time.sleep(0.01)
        return time.monotonic() - began

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
            return self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


def free_port() -> int:
    """A TCP port on loopback that nobody has now."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
