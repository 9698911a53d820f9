"""What is recorded of connections that were turned away: enough to find out why, too little to fill a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from twisted.logger import Logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.listener import Arrival, Intake, Receipt

__all__ = ["Recorder", "TurnedAway"]

_QUIET: Final = 60.0  # seconds in which the same reason is not told again of the same host
_REMEMBERED: Final = 1024


class Recorder(Protocol):
    """What makes the records of one listener."""

    def refused(self, body: bytes, source: str, schema: str, notes: str, reply: Callable[[Receipt], None]) -> Arrival:
        """The record of bytes that are no message."""


class TurnedAway:
    """Of one listener.

    Args:
        name: the listener's.
        recorder: makes the records.
        intake: takes them.
        seconds: monotonic.
    """

    log = Logger()

    def __init__(self, name: str, recorder: Recorder, intake: Intake, seconds: Callable[[], float]) -> None:
        self._name, self._recorder, self._intake, self._seconds = name, recorder, intake, seconds
        self._told: dict[tuple[str, str], float] = {}

    def record(
        self, source: str, code: str, words: str, seen: bytes = b"", *, what: str = "closed a connection"
    ) -> None:
        """Say why nothing was taken, in the log and among the messages; of each host once a minute.

        Args:
            source: `host:port`.
            code: why; stable.
            words: the same for a person, without what the other side chose.
            seen: the first bytes that came, where there are some to look at.
            what: was done about it.
        """
        now, key = self._seconds(), (source.rpartition(":")[0], code)
        if now < self._told.get(key, 0.0):
            return
        if len(self._told) >= _REMEMBERED:
            self._told = {each: until for each, until in self._told.items() if now < until}
        if len(self._told) >= _REMEMBERED:  # a thousand hosts in a minute: they are not told apart any more
            key = ("", code)
            if now < self._told.get(key, 0.0):
                return
        self._told[key] = now + _QUIET
        self.log.warn(  # noqa: G010 - the logger is Twisted's
            "{name} {what} from {source}: {words} ({code})",
            name=self._name,
            what=what,
            source=source,
            words=words,
            code=code,
        )
        if self._intake.open:
            self._intake.take(self._recorder.refused(seen, source, "connection", code, _unanswered))


def _unanswered(receipt: Receipt) -> None:
    """What becomes of the record: who was turned away gets no answer."""
