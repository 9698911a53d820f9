"""Messages over one connection or several, at a pace."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from casecart.cli.sender import Answer, NotAnswered, Sender, with_new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Outgoing", "Report", "Sending"]

_AHEAD = 1_000  # answers that may wait to be shown


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message of a file."""

    file: str
    number: int
    alone: bool
    body: bytes

    @property
    def label(self) -> str:
        """Which it is."""
        return self.file if self.alone else f"{self.file}[{self.number}]"


@dataclass(slots=True)
class Report:
    """How it went."""

    answered: list[tuple[Outgoing, Answer]] = field(default_factory=list)
    left: int = 0
    """Messages that were not sent, or not answered."""
    trouble: str = ""
    seconds: float = 0.0
    """From the first connection to the last answer."""


class Sending:
    """Sends messages, each on the next connection that is free.

    Args:
        connect: makes a connection; `NotAnswered`: there is none.
        connections: so many at once.
        rate: messages a second, on all of them; None: as fast as they are answered.
        new_ids: give each message a control id of its own.
    """

    def __init__(self, connect: Callable[[], Sender], *, connections: int, rate: float | None, new_ids: bool) -> None:
        self._connect, self._connections, self._new_ids = connect, connections, new_ids
        self._between = 0.0 if rate is None else 1 / rate
        self._lock = threading.Lock()
        self._results: queue.Queue[tuple[Outgoing, Answer] | None] = queue.Queue(_AHEAD)
        self._stopped = threading.Event()
        self._next = 0.0
        self._fault: Exception | None = None

    def answers(self, outgoing: Iterator[Outgoing], report: Report) -> Iterator[tuple[Outgoing, Answer]]:
        """Each message with its answer as it comes, until all are answered or something breaks; the report has both."""
        begun = self._next = time.monotonic()
        for _ in range(self._connections):
            threading.Thread(target=self._work, args=(outgoing, report), daemon=True).start()
        working = self._connections
        try:
            while working:
                result = self._results.get()
                if result is None:
                    working -= 1
                    continue
                report.answered.append(result)
                report.left -= 1
                report.seconds = time.monotonic() - begun
                yield result
        finally:
            self._stopped.set()
        if self._fault is not None:
            raise self._fault

    def _work(self, outgoing: Iterator[Outgoing], report: Report) -> None:
        message: Outgoing | None = None
        try:
            with self._connect() as sender:
                while (message := self._take(outgoing)) is not None:
                    body = with_new_id(message.body) if self._new_ids else message.body
                    self._results.put((message, sender.send(body)))
        except NotAnswered as trouble:
            self._stopped.set()
            with self._lock:
                report.trouble = report.trouble or (f"{message.label}: {trouble}" if message else str(trouble))
        except Exception as fault:  # noqa: BLE001 - raised again where somebody waits for the answers
            self._stopped.set()
            self._fault = fault
        finally:
            self._results.put(None)

    def _take(self, outgoing: Iterator[Outgoing]) -> Outgoing | None:
        """The next message, when it is its turn."""
        with self._lock:
            message = None if self._stopped.is_set() else next(outgoing, None)
            if message is None or not self._between:
                return message
            now = time.monotonic()
            # What is late is not made up for: a rate is a most.
            self._next = max(self._next, now)
            wait = self._next - now
            self._next += self._between
        return None if wait > 0 and self._stopped.wait(wait) else message
