"""What each step of a channel made of each line, noted by a looker-on: the steps are the channel's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from casecart.runtime.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from casecart.canonical import Usage
    from casecart.mapping import Mapped, MappingContext
    from casecart.master.catalogue import Catalogue
    from casecart.rules import Trouble, VerifyFinding
    from casecart.runtime.channel import Decision
    from casecart.runtime.copy import Copy
    from casecart.runtime.fill import Fill
    from casecart.runtime.known_cases import KnownCases
    from casecart.runtime.reach import Reach

__all__ = ["Asked", "LineTrace", "Trace", "WatchedChannel"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A source of a field, and what it gave."""

    field: str
    source: object
    """A path, parsed, or a piece of another field."""
    told: object
    """A text, several, a day, or None."""


@dataclass(slots=True)
class LineTrace:
    """One line on its way through the steps.

    Attributes:
        asked: in the order in which the mapping asked.
        mapped: as the mapping made it.
        filled: as it came out of hook and fill.
        resolved: as it came out of resolve.
        troubles: why it did not.
        findings: of verify.
        decision: of the route.
        entry: of the route, counted from 1; 0: none fitted.
    """

    asked: list[Asked] = field(default_factory=list)
    mapped: Usage | None = None
    filled: Usage | None = None
    resolved: Usage | None = None
    troubles: tuple[Trouble, ...] = ()
    findings: Sequence[VerifyFinding] = ()
    decision: Decision | None = None
    entry: int = 0


class Trace:
    """Notes what happens to one message after the other.

    Args:
        clock: monotonic seconds.

    Attributes:
        lines: by place.
        spent: step → seconds, of the message in hand.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.lines: dict[str, LineTrace] = {}
        self.spent: dict[str, float] = {}

    def begin(self) -> None:
        """The next message."""
        self.lines, self.spent = {}, {}

    def probe(self, place: str, name: str, source: object, told: object) -> None:
        """A mapping asked a source; see `casecart.mapping.Probe`."""
        self.at(place).asked.append(Asked(name, source, told))

    def at(self, place: str) -> LineTrace:
        """The line at a place."""
        return self.lines.setdefault(place, LineTrace())

    def of(self, usage: Usage) -> LineTrace:
        """The line that a document is of: its source ends in the place."""
        return self.at((usage.source or "").rpartition("#")[2])

    def timed(self, step: str, function: Callable[..., _T], *arguments: object) -> _T:
        """What a function gives; the time that it takes is the step's."""
        began = self._clock()
        try:
            return function(*arguments)
        finally:
            self.spent[step] = self.spent.get(step, 0.0) + self._clock() - began


class _WatchedFill:
    """A step fill, whose time is noted."""

    def __init__(self, fill: Fill, trace: Trace) -> None:
        self._fill, self._trace = fill, trace

    def apply(self, copy: Copy, known: KnownCases) -> dict[int, tuple[Trouble, ...]]:
        """As the step does it."""
        return self._trace.timed("fill", self._fill.apply, copy, known)


class WatchedChannel(Channel):
    """A channel whose steps are its own, and are told of to a trace."""

    def __init__(self, channel: Channel, trace: Trace, reach: Reach | None = None) -> None:
        self.__dict__.update(vars(channel))
        self._channel, self._trace, self._reach = channel, trace, reach
        self.map = self._map
        if channel.fill is not None:
            self.fill = cast("Fill", _WatchedFill(channel.fill, trace))
        if channel.resolve is not None:
            self.resolve = self._resolve
        if channel.verify is not None:
            self.verify = self._verify

    def _map(self, text: Any, context: MappingContext) -> Mapped:  # noqa: ANN401 - a text, or a resource
        mapped = self._trace.timed("map", self._channel.map, text, context)
        for place, usage in zip(mapped.places, mapped.documents, strict=True):
            self._trace.at(place).mapped = usage
        return mapped

    def _resolve(self, usage: Usage, catalogue: Catalogue, decided: str | None) -> Usage | tuple[Trouble, ...]:
        assert self._channel.resolve is not None  # noqa: S101 - else this is not called
        found = self._trace.timed("resolve", self._channel.resolve, usage, catalogue, decided)
        line = self._trace.of(usage)
        line.filled = usage
        if isinstance(found, tuple):
            line.troubles = found
        else:
            line.resolved = found
        return found

    def _verify(
        self, usage: Usage, catalogue: Catalogue, uses: int, accepted: Collection[str]
    ) -> Sequence[VerifyFinding]:
        assert self._channel.verify is not None  # noqa: S101 - as above
        findings = self._trace.timed("verify", self._channel.verify, usage, catalogue, uses, accepted)
        self._trace.of(usage).findings = findings
        return findings

    def decide(self, usage: Usage) -> Decision:
        """As the channel does."""
        decision = self._trace.timed("route", self._channel.decide, usage)
        line = self._trace.of(usage)
        line.decision, line.entry = decision, self._channel.entry_of(decision)
        if self._reach is not None:
            self._reach.entries.add((self.name, line.entry))
        return decision
