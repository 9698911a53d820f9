"""Engines that start in a tenth of the time, for tests that start hundreds: forked off a process that has all imported.

What runs is `casecart run`, from its arguments on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from support.engine_process import EngineProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ForkedEngine", "preload"]

# Nothing that brings a reactor: each engine needs its own.
IMPORTED = ["casecart.cli.main", "casecart.cli.run", "casecart.runtime.engine", "casecart.store.sqlite"]
context = multiprocessing.get_context("forkserver")


def preload(library: str) -> None:
    """Before the first engine is started: the process that they are forked from is under LD_PRELOAD."""
    context.set_forkserver_preload([*IMPORTED, __name__])
    before = os.environ.get("LD_PRELOAD")
    os.environ["LD_PRELOAD"] = library
    try:
        context.Process(target=int).start()
    finally:
        del os.environ["LD_PRELOAD"]
        if before is not None:
            os.environ["LD_PRELOAD"] = before


class ForkedEngine(EngineProcess):
    """An engine process, forked."""

    def _spawn(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        arguments = self.command[1:]
        process = context.Process(target=_run, args=(arguments, dict(self.environment), log.name), daemon=True)
        process.start()
        return cast("subprocess.Popen[bytes]", _Forked(process))


class _Forked:
    """As much of a `Popen` as an `EngineProcess` needs."""

    def __init__(self, process: Any) -> None:  # noqa: ANN401 - multiprocessing names no type of this context
        self._process = process
        self.pid: int = process.pid

    @property
    def returncode(self) -> int | None:
        code: int | None = self._process.exitcode
        return code

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("casecart run", timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(arguments: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    # Signals as they are in a process of its own.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.environ.update(environment)
    sys.argv = ["casecart", *arguments]
    from casecart.cli.main import main  # noqa: PLC0415 - in the child

    sys.exit(main())
