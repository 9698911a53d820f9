"""Processes under measurement: started on a core of their own, watched from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LOAD_CORES",
    "SERVER_CORES",
    "Python",
    "cpu_seconds",
    "family_cpu_seconds",
    "pin",
    "resident_megabytes",
    "written_bytes",
]

FOLDER = Path(__file__).parents[1]
_CORES = sorted(os.sched_getaffinity(0))

# The server has the first core to itself; the load, the sink and a database share the others. On a machine with one
# core all share it, and only the CPU figures mean something.
SERVER_CORES = {_CORES[0]}
LOAD_CORES = set(_CORES[1:]) or SERVER_CORES


def pin(pid: int, cores: set[int]) -> None:
    """Has a process, and what it starts from now on, run on these cores only."""
    os.sched_setaffinity(pid, cores)


def cpu_seconds(pid: int) -> float:
    """The CPU that all threads of a process have taken so far, user and system, to the nanosecond."""
    # What clock_getcpuclockid(3) makes of a process's id; Python offers that call for threads only.
    return time.clock_gettime(~pid << 3 | 2)


def family_cpu_seconds(pid: int) -> float:
    """The CPU of a process and of all that it has started so far, also of those that have ended."""
    total = cpu_seconds(pid) + sum(map(int, _stat(pid)[13:15])) / os.sysconf("SC_CLK_TCK")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int(_stat(int(entry.name))[1]) == pid:
                    total += cpu_seconds(int(entry.name))
            except (OSError, IndexError):
                continue  # it has ended meanwhile
    return total


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on (proc_pid_stat(5))."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()


def resident_megabytes(pid: int) -> float:
    """What a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def written_bytes(pid: int) -> int:
    """What a process had the kernel write to a disk so far, its files' pages counted as often as they were written."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text("ascii").splitlines())
    return int(fields["write_bytes"])


class Python:
    """A script of this folder in a process of its own; a context manager.

    Args:
        script: its name, such as `load.py`.
        arguments: its arguments.
        cores: where it runs.
    """

    def __init__(self, script: str, arguments: Sequence[object] = (), *, cores: set[int]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(FOLDER / "bench" / script), *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(FOLDER)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        pin(self.pid, cores)

    def read(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildProcessError(f"{self._process.args!r} ended with {self._process.wait()}")
        return line.strip()

    def ask(self, line: str) -> str:
        """Hands it a line and gives its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self.read()

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
