"""Stored messages through what runs and through what shall run, side by side: what would become of them otherwise.

Both sides work them by the engine's own rooms, in memory (`casecart.runtime.dry_run`): nothing is stored or sent. Each
channel works its messages in their order in one run, so that a credit finds its charge on either side.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from casecart.commands.taking import taken
from casecart.commands.try_lines import shown_message
from casecart.commands.trying import again
from casecart.runtime.claim import Claim
from casecart.runtime.clock import wall_clock
from casecart.runtime.dry_run import Compiled, DryRun
from casecart.runtime.listener import Received
from casecart.store import MessageFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from casecart.commands.try_view import TriedMessage, TriedPosting
    from casecart.store import Message, MessageHead, Store
    from casecart.workspace import Workspace

__all__ = ["Compared", "ReplaySample", "Sample"]

PAGE = 500
MOST_LOOKED_AT = 100_000
"""Messages of the log that are looked at for such as the changed channels take."""

UNWORKED = frozenset({"refused", "part", "joined"})
"""Outcomes of messages that no channel was to work by themselves."""

NOWHERE = ["the channel is not there"]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A message of which something else would become."""

    position: int
    control_id: str
    channel: str
    before: list[str]
    """What becomes of it by what runs, and does not any more."""
    after: list[str]
    """What would become of it, and does not yet."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared."""

    channels: list[str]
    """Those that are different."""
    messages: int
    """That they take, and that were worked by both."""
    left: int
    """For which there was no time."""
    different: list[Compared]
    notes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySample:
    """A wish to compare what becomes of the last messages.

    Attributes:
        old: what runs.
        new: what shall run.
        channels: that are different; what destinations of others write is not looked at.
        number: how many of the newest messages that these channels take, and whose bodies are still there.
        limit: seconds that it may take.
        told: how many were worked by now, and of how many.
        environment: where secrets that name a variable are found.
        clock: monotonic seconds.
    """

    old: Workspace
    new: Workspace
    channels: Sequence[str]
    number: int
    limit: float
    told: Callable[[int, int], None] = lambda _, __: None
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(os.environ))
    clock: Callable[[], float] = time.monotonic

    def run(self, store: Store) -> Sample:
        """Raises `WorkspaceError`: one of both does not compile with the master data and hooks that are there."""
        end = self.clock() + self.limit
        messages = self._sample(store)
        work = [
            (name, message)
            for name in self.channels
            for message in messages
            if any(_takes(workspace, name, message) for workspace in (self.old, self.new))
        ]
        found, done, notes = [], 0, dict.fromkeys([""])
        for name in self.channels:
            own = [message for channel, message in work if channel == name]
            sides = [_Side(workspace, name, store, self.environment) for workspace in (self.old, self.new)]
            try:
                for message in own:
                    if self.clock() >= end:
                        break
                    before, after = (side.told(message) for side in sides)
                    done += 1
                    self.told(done, len(work))
                    if before != after:
                        found.append(_compared(name, message, before, after))
                notes |= dict.fromkeys(side.made_up for side in sides)
            finally:
                for side in sides:
                    side.close()
        return Sample(
            channels=list(self.channels),
            messages=done,
            left=len(work) - done,
            different=found,
            notes=[f"keys and tokens are made up: {words}" for words in notes if words],
        )

    def _sample(self, store: Store) -> list[Message]:
        """The newest messages that one of the channels takes, oldest first."""
        found: list[Message] = []
        before, looked_at = None, 0
        while len(found) < self.number and looked_at < MOST_LOOKED_AT:
            heads = store.messages(MessageFilter(), before, PAGE)
            if not heads:
                break
            before, looked_at = heads[-1].position, looked_at + len(heads)
            for head in heads:
                if len(found) < self.number and head.outcome not in UNWORKED and self._wanted(head):
                    message = store.message(head.position)
                    if message is not None and not message.body_gone:
                        found.append(message)
        return found[::-1]

    def _wanted(self, head: MessageHead) -> bool:
        return any(
            name in workspace.channels
            and Claim(workspace.channels[name]).accepts(head.listener, head.actor, head.message_type)
            for workspace in (self.old, self.new)
            for name in self.channels
        )


def _takes(workspace: Workspace, name: str, message: Message) -> bool:
    declared = workspace.channels.get(name)
    return declared is not None and Claim(declared).accepts(message.listener, message.actor, message.message_type)


class _Side:
    """One channel of one workspace; where that has no such channel, nothing becomes of anything."""

    def __init__(self, workspace: Workspace, name: str, known: Store, environment: Mapping[str, str]) -> None:
        self._workspace, self._number = workspace, 0
        self._declared = workspace.channels.get(name)
        self._compiled = self._dry = None
        if self._declared is not None:
            self._compiled = Compiled(workspace, name, clock=time.perf_counter)
            self._dry = DryRun(
                self._compiled,
                known=known,
                environment=environment,
                now=wall_clock,
                clock=time.perf_counter,
                chance=os.urandom,
            )

    @property
    def made_up(self) -> str:
        return "" if self._dry is None else self._dry.made_up

    def close(self) -> None:
        if self._compiled is not None:
            self._compiled.close()

    def told(self, message: Message) -> list[str]:
        """What becomes of it."""
        if self._dry is None or self._declared is None:
            return NOWHERE
        self._number += 1
        arrival = again(message)
        not_taken, worked = taken(self._workspace, self._declared, self._dry, Received(arrival, ""))
        shown = shown_message(self._workspace, self._declared, self._dry, self._number, arrival, worked, not_taken)
        return _told(shown)


def _told(tried: TriedMessage) -> list[str]:
    """One line for each thing that becomes of it."""
    said = [] if tried.accepted else [f"not taken: {tried.code}"]
    said += [f"held: {hold.code} {hold.field}".rstrip() for hold in tried.held]
    for line in tried.lines:
        said += [f"{line.place} {hold.kind}: {hold.code} {hold.field}".rstrip() for hold in line.held]
        if line.became in {"filtered", "no change"}:
            said.append(f"{line.place} {line.became} {line.reason}".rstrip())
    said += [_posted(posting) for posting in tried.postings]
    said += [f"case noted: {sorted(case.fields.items())}" for case in tried.cases]
    said += [f"master data: {change}" for change in tried.changes]
    said += [f"can't be written for {out.destination}: {out.code}" for out in tried.out if out.code]
    return said


def _posted(posting: TriedPosting) -> str:
    fields = ", ".join(f"{name} {value}" for name, value in sorted(posting.payload.items()) if _says(name, value))
    return f"{posting.place} {posting.kind} to {posting.destination}, line {posting.line}: {fields}"


def _says(name: str, value: object) -> bool:
    return value is not None and name != "source"


def _compared(channel: str, message: Message, before: list[str], after: list[str]) -> Compared:
    return Compared(
        position=message.position,
        control_id=message.control_id,
        channel=channel,
        before=[words for words in before if words not in after],
        after=[words for words in after if words not in before],
    )
