"""What is recorded of connections that were turned away: enough to find out why, too little to fill a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.listeners.hl7v2 import Reception
    from casecart.runtime.listener import Intake, Receipt

__all__ = ["TurnedAway"]

_QUIET: Final = 60.0  # seconds in which the same reason is not told again of the same host
_REMEMBERED: Final = 1024


class TurnedAway:
    """Of one listener.

    Args:
        name: the listener's.
        reception: makes the records.
        intake: takes them.
        seconds: monotonic.
    """

    log = Logger()

    def __init__(self, name: str, reception: Reception, intake: Intake, seconds: Callable[[], float]) -> None:
        self._name, self._reception, self._intake, self._seconds = name, reception, intake, seconds
        self._told: dict[tuple[str, str], float] = {}

    def record(self, source: str, code: str, words: str, seen: bytes = b"") -> None:
        """Say why a connection was closed, in the log and among the messages; of each host once a minute.

        Args:
            source: `host:port`.
            code: why; stable.
            words: the same for a person, without what the other side chose.
            seen: the first bytes that came, where there are some to look at.
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
            "{name} closed a connection from {source}: {words} ({code})",
            name=self._name,
            source=source,
            words=words,
            code=code,
        )
        if self._intake.open:
            self._intake.take(self._reception.refused(seen, source, "connection", code, _unanswered))


def _unanswered(receipt: Receipt) -> None:
    """What becomes of the record: who was turned away gets no answer."""
