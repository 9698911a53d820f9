"""Processes of casecart that start in a tenth of the time: forked off a process that has imported all of it.

What runs is `casecart`, from its arguments on: a process of its own, with the environment, folder and files that it is
given, and its starter's limit of open files. `PROCESSES.forked` says whether tests use them where they may: those that
measure or break what a user runs start an interpreter each time.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CASECART", "PROCESSES", "Files", "fork", "preload", "run"]

TESTS = Path(__file__).parents[1]
CASECART = str(Path(sys.executable).with_name("casecart"))

# Nothing that brings a reactor: each process needs its own.
IMPORTED = [
    "casecart.cli.main",
    "casecart.cli.run",
    "casecart.cli.receiver",
    "casecart.commands.desk",
    "casecart.runtime.engine",
    "casecart.store.sqlite",
    "casecart.store.postgresql",
    "casecart.destinations.file",
    "casecart.listeners.fhir",
    "casecart.listeners.http",
    "casecart.listeners.mllp",
    "twisted.internet.epollreactor",
]
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([*IMPORTED, "support.warmed", __name__])


class _Usual:
    """How tests start casecart."""

    forked = False


PROCESSES = _Usual()


class Files(NamedTuple):
    """What a process has as its standard streams: paths, which must be there; output is added to them."""

    read: str
    out: str
    err: str


def preload(library: str) -> None:
    """Before the first process is started: the one that they are forked from is under LD_PRELOAD."""
    _serve(LD_PRELOAD=library)


def _serve(**environment: str) -> None:
    """Starts the process that others are forked from, unless it runs; it finds the modules that tests share."""
    wanted = {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)}
    wanted |= environment
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def fork(arguments: Sequence[str], files: Files, environment: Mapping[str, str], cwd: str) -> subprocess.Popen[bytes]:
    """`casecart ARGUMENTS`, in a session of its own.

    Args:
        arguments: as typed.
        files: its standard streams.
        environment: all of it.
        cwd: where it runs.
    """
    # What a process inherits from the one that starts it, and has here from another.
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    _serve()
    process = context.Process(target=_run, args=(list(arguments), files, dict(environment), cwd, limit), daemon=True)
    process.start()
    return cast("subprocess.Popen[bytes]", _Forked(process))


def run(
    *typed: str, cwd: Path | None = None, stdin: bytes = b"", limit: float = 60.0, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """What `casecart TYPED` prints, and its exit code; `check`: which must be 0."""
    command = [CASECART, *typed]
    folder = cwd or Path.cwd()
    if not PROCESSES.forked:
        done = subprocess.run(command, cwd=folder, input=stdin, capture_output=True, check=check, timeout=limit)
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())
    with tempfile.TemporaryDirectory() as there:
        paths = [Path(there) / name for name in ("in", "out", "err")]
        for path, content in zip(paths, (stdin, b"", b""), strict=True):
            path.write_bytes(content)
        process = fork(typed, Files(*map(str, paths)), os.environ, str(folder))
        try:
            code = process.wait(limit)
        finally:
            process.kill()
        _, out, err = (path.read_bytes().decode() for path in paths)
    if check and code:
        raise subprocess.CalledProcessError(code, command, out, err)
    return subprocess.CompletedProcess(command, code, out, err)


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
            raise subprocess.TimeoutExpired("casecart", timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(arguments: list[str], files: Files, environment: dict[str, str], cwd: str, limit: tuple[int, int]) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    os.dup2(os.open(files.read, os.O_RDONLY), 0)
    os.dup2(os.open(files.out, os.O_WRONLY | os.O_APPEND), 1)
    os.dup2(os.open(files.err, os.O_WRONLY | os.O_APPEND), 2)
    sys.stdin = os.fdopen(0, closefd=False)
    # As they are in a process of its own.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["casecart", *arguments]
    from casecart.cli.main import main  # noqa: PLC0415 - in the child

    main()
