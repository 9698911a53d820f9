"""How long what is kept, what that means for a message, and what one step of deleting came to.

A message's age is counted in the order of the log, not by its own clock alone: it is as young as the youngest message
before it. So one that was recorded by a clock that stood years back does not go at once, and one that was recorded
years ahead does not stay for years.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from casecart.store.records import LegalHold

__all__ = ["DAY", "Aged", "Due", "Freed", "Held", "StoreSize", "past_of", "rule_of"]

DAY: Final = 86_400_000_000
"""In µs."""


class Freed(NamedTuple):
    """What one step deleted by one rule."""

    kind: str
    """bodies, documents, events, exceptions, cases; or space: given back to the file system."""
    rule: str
    amount: int
    bytes: int
    first: int = 0
    last: int = 0


class StoreSize(NamedTuple):
    """Bytes on the disk."""

    whole: int
    free: int
    """Of these, what the next rows will use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """How long what is kept, in µs."""

    now: int
    """µs since 1970; what counts as today. Whoever asks makes sure that a clock's step does not come through."""
    bodies: Mapping[str, int]
    """By the message's outcome."""
    channels: Mapping[str, int]
    """Of messages that were processed, by the channel that took them; the longest of several counts."""
    documents: int
    """What channels made of a message, with the tokens. Never goes before the body."""
    events: int
    exceptions: int
    """Those that are done, counted from the last change; never gone before their message's body."""
    again: bool = False
    """Look again at what was past its time, and needed."""

    @property
    def spans(self) -> list[int]:
        """Of bodies, each once, the shortest first."""
        return sorted({*self.bodies.values(), *self.channels.values()})

    @property
    def documents_span(self) -> int:
        """With the longest time of a body: without its documents a message can't be replayed."""
        return max(self.documents, *self.spans)


class Aged(NamedTuple):
    """A message as a sweep looks at it."""

    position: int
    recorded_at: int
    outcome: str
    facility: str
    size: int
    """Bytes that would go."""
    body_there: bool


@dataclass(frozen=True, slots=True)
class Held:
    """What stands under a legal hold."""

    holds: tuple[LegalHold, ...]
    facilities: frozenset[str]
    positions: frozenset[int]

    def has(self, message: Aged) -> bool:
        """Whether a message does."""
        return message.position in self.positions or message.facility in self.facilities


def rule_of(outcome: str, channels: Iterable[str], due: Due) -> tuple[str, int]:
    """Which rule a message's body goes by, and how long it is kept, in µs."""
    if outcome not in ("processed", "waiting", "part", "joined"):
        return outcome, due.bodies[outcome]
    usual = due.bodies["processed"]
    spans = [(due.channels.get(channel, usual), f"channel {channel}") for channel in channels]
    span, rule = max(spans, default=(usual, ""))
    return (rule if rule.removeprefix("channel ") in due.channels else "processed"), span


def past_of(found: Sequence[Aged], mark: tuple[int, int], before: int, now: int) -> tuple[list[Aged], tuple[int, int]]:
    """Those at the beginning that are past their time; and how far that is, with the youngest moment on the way.

    Args:
        found: messages in the order of the log.
        mark: a position below them, and the youngest moment at which one up to there was recorded.
        before: what was recorded before it is past.
        now: what was recorded later than this was recorded by a wrong clock.
    """
    position, youngest = mark
    past: list[Aged] = []
    for message in found:
        seen = max(youngest, message.recorded_at) if message.recorded_at <= now else youngest
        if (seen or message.recorded_at) >= before:
            break
        position, youngest = message.position, seen
        past.append(message)
    return past, (position, youngest)
