"""One hook's process: started with nothing of the engine's, asked over a socket, killed when its time is up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from casecart.rules import Trouble
from casecart.runtime.fault import NotWorkable
from casecart.workspace.hook import FUNCTION

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AFTERWARDS", "HookProcess"]

FIRST: Final = 20.0  # seconds until the first process must be ready, when nobody waits yet
NEXT: Final = 2.0  # and a later one
LARGEST: Final = 64 * 1024 * 1024  # bytes of an answer

REST: Final = 10.0
"""Seconds in which a hook that overran three times in a row is not called: each time, everybody waited for it."""

_IN_A_ROW: Final = 3

AFTERWARDS: Final = "nothing of the message was posted. Mend the hook, apply it and replay the message."

_CHILD: Final = Path(__file__).with_name("hook_child.py")
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}


class _Start(msgspec.Struct):
    file: str
    source: str
    function: str


class _Call(msgspec.Struct):
    call: int
    lines: msgspec.Raw


class _Answer(msgspec.Struct):
    call: int = 0
    ready: bool = False
    failed: str = ""
    ends: bool = False
    """The process can't go on after this."""
    lines: msgspec.Raw = msgspec.Raw()


class HookProcess:
    """A process that is started when it is needed, and again after it died.

    Args:
        file: the hook's, below the workspace.
        source: of it, as it was when the workspace was read.
        limit: seconds that a call may take.
        clock: monotonic seconds.
    """

    def __init__(self, file: str, source: str, limit: float, clock: Callable[[], float]) -> None:
        self._file, self._limit, self._clock = file, limit, clock
        self._start_line = _line(_Start(file, source, FUNCTION))
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._call = 0
        self._overran = 0
        self._rests_until = 0.0

    def start(self, within: float = FIRST) -> None:
        """Have the process ready. Raises `NotWorkable` if the hook can't be loaded."""
        self.stop()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own file, and nothing in it from elsewhere
                [sys.executable, "-I", str(_CHILD)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        self._socket = ours
        answer = self._ask(self._start_line, within)
        if not answer.ready:
            self.stop()
            raise self._trouble("hook-failed", f"can't be loaded ({answer.failed[:200]})")

    def call(self, lines: bytes) -> msgspec.Raw:
        """What the hook makes of a message's lines.

        Args:
            lines: a list, as JSON.

        Returns:
            What it gave back, as JSON.

        Raises:
            NotWorkable: it overran, died, failed or answered nonsense.
        """
        if self._overran >= _IN_A_ROW and self._clock() < self._rests_until:
            raise self._trouble("hook-overran", "has overrun time and again, and is not called for some seconds")
        if self._process is None or self._process.poll() is not None:
            self.start(NEXT)
        self._call += 1
        answer = self._ask(_line(_Call(self._call, msgspec.Raw(lines))), self._limit)
        self._overran = 0
        if answer.ends:
            self.stop()
        if answer.failed:
            raise self._trouble("hook-failed", f"failed: {answer.failed[:200]}")
        if answer.call != self._call:
            raise self._ended("hook-answer", "answered with what is no answer")
        return answer.lines

    def stop(self) -> None:
        """End the process, and all that it started."""
        process, self._process = self._process, None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)

    def _ask(self, request: bytes, limit: float) -> _Answer:
        assert self._socket is not None  # noqa: S101 - it was started
        until = self._clock() + limit
        try:
            self._socket.settimeout(limit)
            self._socket.sendall(request)
            parts, size = [b""], 0
            while not parts[-1].endswith(b"\n"):
                self._socket.settimeout(max(until - self._clock(), 0.001))
                came = self._socket.recv(1 << 20)
                if not came:
                    raise self._ended("hook-died", "died in the midst of its work")
                parts.append(came)
                size += len(came)
                if size > LARGEST:
                    raise self._ended("hook-answer", "answered with more than can be taken")
                if self._clock() > until:
                    raise TimeoutError
            return _answer(b"".join(parts))
        except TimeoutError:
            self._overran += 1
            self._rests_until = self._clock() + REST
            raise self._ended("hook-overran", f"took longer than the {limit:g} s that it may") from None
        except OSError:
            raise self._ended("hook-died", "died in the midst of its work") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._ended("hook-answer", "answered with what is no answer") from None

    def _ended(self, code: str, words: str) -> NotWorkable:
        """The process can't be trusted any more."""
        self.stop()
        return self._trouble(code, words)

    def _trouble(self, code: str, words: str) -> NotWorkable:
        whole = f"{self._file} {words}; {AFTERWARDS}"
        return NotWorkable(Trouble(code, "", whole, ""))


_line_encoder = msgspec.json.Encoder()
_answer = msgspec.json.Decoder(_Answer).decode


def _line(what: msgspec.Struct) -> bytes:
    return _line_encoder.encode(what) + b"\n"
