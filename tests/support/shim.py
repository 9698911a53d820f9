"""What is put between a process and the C library, to let it meet what a test wants: `io_fault.c`, `clock_step.c`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Literal, NamedTuple

from support.require import require

__all__ = ["Call", "built", "calls"]

SOURCES = Path(__file__).parent


def built(name: Literal["io_fault", "clock_step"], folder: Path) -> Path:
    """Compiles one into a folder; gives the library's path, for LD_PRELOAD."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        require("gcc", "no C compiler; on Debian and Ubuntu: apt install gcc libc6-dev")
    library = folder / f"{name}.so"
    command: list[str | Path] = [compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCES / f"{name}.c", "-ldl"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        require("gcc", f"{name}.c can't be compiled here: {made.stderr[-800:]}")
    return library


class Call(NamedTuple):
    """A call that `io_fault.c` counted."""

    name: str
    path: str
    at: float
    """On the monotonic clock."""
    failed: bool


def calls(log: Path) -> list[Call]:
    """All calls of a log, in order."""
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    words = [line.split(" ") for line in lines]
    return [Call(name, path, float(at), failed == ["FAILED"]) for _, name, path, at, *failed in words]
