"""What runs in a hook's process: reads lines of JSON from a socket, calls the hook, writes its answers.

This file is run by its path, in an interpreter without the engine's environment, and uses the standard library only.
What the hook prints goes nowhere, and of what it raises only kind and place are told: either may quote a message.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

MEMORY = 512 * 1024 * 1024
FILES = 64

REFUSED = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.", "ctypes.")
"""Beginnings of the audit events at which a hook is stopped. This stops mistakes, and not malice."""

LIBRARIES = tuple({f"{os.path.realpath(path)}/" for path in (sys.prefix, sys.base_prefix, "/usr/share/zoneinfo")})
"""What a hook may read: Python's own files and what is installed with it."""


def main() -> None:
    """Until the other end is closed."""
    connection = socket.socket(fileno=os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    stream = connection.makefile("rwb")

    def answer(said: dict[str, Any]) -> None:
        stream.write(json.dumps(said, allow_nan=False, default=_plain).encode() + b"\n")
        stream.flush()

    first = json.loads(stream.readline())
    sys.addaudithook(_look)
    names: dict[str, Any] = {"__name__": "hook", "__file__": first["file"]}
    try:
        exec(compile(first["source"], first["file"], "exec"), names)  # noqa: S102 - a file of the workspace, in its own process
        hook: Callable[[Any], Any] = names[first["function"]]
    except BaseException as fault:  # noqa: BLE001 - whatever it is, it is told
        answer({"failed": _told(fault, first["file"])})
        return
    answer({"ready": True})
    for request in stream:
        asked = json.loads(request)
        try:
            answer({"call": asked["call"], "lines": hook(asked["lines"])})
        except BaseException as fault:  # noqa: BLE001 - as above
            ends = not isinstance(fault, Exception) or isinstance(fault, MemoryError)
            answer({"call": asked["call"], "failed": _told(fault, first["file"]), "ends": ends})
            if ends:
                return


def _look(event: str, about: tuple[Any, ...]) -> None:
    if event.startswith(REFUSED) or (event == "open" and not _readable(*about)):
        message = f"a hook has no {event}"
        raise PermissionError(message)


def _readable(path: object, _: object, flags: int) -> bool:
    reads = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) == 0
    return reads and isinstance(path, str) and os.path.realpath(path).startswith(LIBRARIES)


def _plain(value: object) -> str:
    if isinstance(value, (Decimal, date)):
        return str(value)
    raise TypeError(type(value).__name__)


def _told(fault: BaseException, file: str) -> str:
    """Such as `KeyError in hooks/half-boxes.py:12`; the line is the last one in the hook's own file."""
    where: TracebackType | None = fault.__traceback__
    line = 0
    while where is not None:
        if where.tb_frame.f_code.co_filename == file:
            line = where.tb_lineno
        where = where.tb_next
    return f"{type(fault).__name__} in {file}:{line}" if line else f"{type(fault).__name__} in {file}"


if __name__ == "__main__":
    main()
