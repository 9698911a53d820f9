"""MLLP framing: the bytes of a connection to frames, and everything that is not one to a visible fault."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

__all__ = ["BETWEEN", "COMMIT", "KEPT", "NO_COMMIT", "Event", "Fault", "Framer", "Signal", "frame"]

# Bytes of a faulty frame that are kept for the record; a lost frame may be as long as the limit allows.
KEPT: Final = 65_536

# So much between frames, or so many faults without one good frame, is no MLLP sender: somebody speaks HTTP or
# TLS to this port, or wants to fill the record.
_NOISE_LIMIT: Final = 4_096
_FAULTS_LIMIT: Final = 32

# States. The buffer holds what came since the state began; _ENDED: a frame whose end byte may be a stray one.
_BETWEEN, _NOISE, _FRAME, _ENDED, _DEAD = range(5)

_START: Final = 0x0B
_END: Final = 0x1C
_CR: Final = 0x0D
_SPACE: Final = 0x20

# Strays around frames that mean nothing (CR, LF, NUL, space).
_STRAY: Final = b"\r\n\0 "


class Signal(Enum):
    """A frame that carries no message. It is not answered."""

    EMPTY = "empty"  # nothing or strays in it: somebody's keep-alive
    COMMITTED = "committed"  # MLLP release 2: the other side has taken our message
    NOT_COMMITTED = "not-committed"  # MLLP release 2: it has not


@dataclass(frozen=True, slots=True)
class Fault:
    """Bytes that are not a frame.

    Attributes:
        code: stable: `noise` (no frame at all), `no-start`, `truncated`, `stray-end` or `too-large`.
        words: what it means, for a person. No content.
        data: the bytes, the first `KEPT` of them.
        size: how many there were, as far as they were read.
    """

    code: str
    words: str
    data: bytes
    size: int


COMMIT: Final = b"\x06"
"""The body of release 2's frame that says: the content was stored."""

NO_COMMIT: Final = b"\x15"
"""The same: it was not."""

BETWEEN: Final = b"\x1c\r\x0b"
"""What stands between the bodies of frames that follow each other."""

_SIGNALS: Final = {b"": Signal.EMPTY, COMMIT: Signal.COMMITTED, NO_COMMIT: Signal.NOT_COMMITTED}

# What `Framer.feed` gives: the body of a frame, a frame without a message, or a fault.
Event: TypeAlias = bytes | Signal | Fault

_WORDS: Final = {
    "noise": "Bytes outside a frame: the sender doesn't speak MLLP, or lost a start byte (0x0B).",
    "no-start": "The end (0x1C) of a frame that had no start (0x0B).",
    "truncated": "A frame that was not finished: its end (0x1C 0x0D) did not come. It was not processed.",
    "stray-end": "An end byte (0x1C) in the midst of a message. It was not processed.",
    "too-large": "A frame larger than the limit. The connection must be closed.",
}


class Framer:
    """Cuts one connection's bytes into frames: `0x0B body 0x1C 0x0D` (MLLP release 1 and 2).

    Where the bytes are cut into reads makes no difference to what comes out. An end byte is enough to end a
    frame whose last segment is ended: a sender that forgets the CR after it would wait for its answer for
    ever. If the last segment isn't ended, the byte after the end byte decides, so that a stray end byte
    within a message can't pass the half before it off as a whole.

    Time is the caller's: a frame that stays `begun` for too long is given up with `finish`.
    """

    __slots__ = ("_buffer", "_faults", "_maximum", "_state")

    def __init__(self, maximum: int) -> None:
        """A framer for a new connection that takes bodies of up to `maximum` bytes."""
        self._maximum = maximum
        self._state = _BETWEEN
        self._buffer = bytearray()
        self._faults = 0  # since the last message

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._buffer)

    @property
    def begun(self) -> bool:
        """Whether something has come that isn't whole yet: half a frame, or noise."""
        return _BETWEEN < self._state < _DEAD

    @property
    def dead(self) -> bool:
        """Whether the connection has to be closed; what is fed from now on is not looked at."""
        return self._state == _DEAD

    def feed(self, data: bytes) -> list[Event]:
        """What the next bytes of the connection complete, in their order."""
        # One whole frame with a message and nothing else: nearly every read.
        if (
            not self._state
            and data.find(b"\x1c") == len(data) - 2
            and data[0] == _START
            and data[-1] == _CR
            and data[1] > _SPACE
            and data.find(b"\x0b", 1) < 0
            and len(data) - 3 <= self._maximum
        ):
            self._faults = 0
            return [data[1:-2]]
        events: list[Event] = []
        at = 0
        while at < len(data):
            state = self._state
            if state == _BETWEEN:
                at = self._between(data, at)
            elif state == _FRAME:
                at = self._frame(data, at, events)
            elif state == _ENDED:
                self._after_end(data[at], events)
            elif state == _NOISE:
                at = self._noise(data, at, events)
            else:
                break
        return events

    def finish(self) -> Fault | None:
        """What is left unfinished when the connection ends or its time is up; nothing more can be fed."""
        fault = None
        if self._state == _NOISE:
            fault = self._fault("noise")
        elif self._state == _ENDED or (self._state == _FRAME and self._buffer.strip(_STRAY)):
            fault = self._fault("truncated")
        self._become(_DEAD)
        return fault

    # One method a state. They take data from `at` on, at least one byte, and return where the next goes on.

    def _between(self, data: bytes, at: int) -> int:
        byte = data[at]
        if byte == _START:
            self._become(_FRAME)
        elif byte not in _STRAY:
            self._become(_NOISE)
            return at
        return at + 1

    def _noise(self, data: bytes, at: int, events: list[Event]) -> int:
        stop, byte = _next_mark(data, at)
        if byte == _END:
            stop += 1
        room = _NOISE_LIMIT - len(self._buffer)
        self._buffer += data[at : min(stop, at + room)]
        if stop - at > room:
            self._lost("noise", _DEAD, events)
        elif byte == _END:
            self._lost("no-start", _BETWEEN, events)
        elif byte == _START:
            self._lost("noise", _BETWEEN, events)
        return stop

    def _frame(self, data: bytes, at: int, events: list[Event]) -> int:
        # Only the new bytes are searched: slow bytes cost no more than fast ones.
        stop, byte = _next_mark(data, at)
        room = self._maximum - len(self._buffer)
        if stop - at > room:
            self._buffer += data[at : at + room + 1]
            self._lost("too-large", _DEAD, events)
            return stop
        if byte == _END:
            self._end(bytes(self._buffer) + data[at:stop] if self._buffer else data[at:stop], events)
            return stop + 1
        self._buffer += data[at:stop]
        if byte != _START:
            return stop
        if self._buffer.strip(_STRAY):
            self._lost("truncated", _FRAME, events)
        else:
            self._become(_FRAME)
        return stop + 1

    def _end(self, body: bytes, events: list[Event]) -> None:
        content = body.strip(_STRAY)
        if content in _SIGNALS:
            events.append(_SIGNALS[content])
        elif body.endswith((b"\r", b"\n")):
            self._faults = 0
            events.append(body)
        else:
            self._become(_ENDED)
            self._buffer += body
            return
        self._become(_BETWEEN)

    def _after_end(self, byte: int, events: list[Event]) -> None:
        if byte in _STRAY or byte == _START:
            self._faults = 0
            events.append(bytes(self._buffer))
            self._become(_BETWEEN)
        else:
            self._lost("stray-end", _BETWEEN, events)

    def _lost(self, code: str, state: int, events: list[Event]) -> None:
        events.append(self._fault(code))
        self._faults += 1
        self._become(_DEAD if self._faults >= _FAULTS_LIMIT else state)

    def _become(self, state: int) -> None:
        self._state = state
        self._buffer = bytearray()

    def _fault(self, code: str) -> Fault:
        return Fault(code, _WORDS[code], bytes(self._buffer[:KEPT]), len(self._buffer))


def _next_mark(data: bytes, at: int) -> tuple[int, int]:
    """Where the next start or end byte is and which it is; the end of the data and -1 if there is none."""
    start = data.find(b"\x0b", at)
    stop = start if start >= 0 else len(data)
    end = data.find(b"\x1c", at, stop)
    if end >= 0:
        return end, _END
    return stop, _START if start >= 0 else -1


def frame(body: bytes) -> bytes:
    """A frame around `body`, ready to be sent."""
    return b"\x0b" + body + b"\x1c\r"
