"""What the commands that change a FHIR server's subscriptions have in common: the audit trail, conflicts, waiting."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from casecart.commands.desk import Command
from casecart.commands.fhir_listener import one_at
from casecart.commands.refusal import Refusal
from casecart.runtime.fhir_server import FhirTrouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from casecart.commands.actor import Actor
    from casecart.commands.desk import Desk, View
    from casecart.commands.fhir_listener import FhirListener, There
    from casecart.formats.fhir import Resource
    from casecart.runtime.fhir_server import FhirServer
    from casecart.store import Change

__all__ = ["PATIENCE", "At", "Changed", "Line", "ResumeNote", "SubscribeNote", "UnsubscribeNote"]

PATIENCE: Final = 15
"""Looks, a second between them, until a subscription that waits for its handshake is left alone."""

_CONFLICT: Final = frozenset({409, 412})


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one subscription."""

    id: str
    """Empty: it is not there yet."""
    about: str
    """Its topic, or its criteria."""
    status: str
    done: str
    """`created`, `there`, `would be created`, `resumed`, `deleted`, `off`."""
    words: str
    """What a person should know, or do; may be empty."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What a command came to."""

    listener: str
    server: str
    dialect: str
    why: str
    """Why this dialect; empty where none was chosen."""
    notes: list[str]
    """What to know besides."""
    subscriptions: list[Line]

    @property
    def fine(self) -> bool:
        """Whether nothing is left to do."""
        left_alone = {"would be created", "deleted", "off"}
        return all(each.done in left_alone or each.status == "active" for each in self.subscriptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note(Command):
    """The record of what is asked of a server. It is written before that is asked: nothing happens unrecorded."""

    listener: str
    told: Mapping[str, str]

    @property
    def subject(self) -> str:
        """The listener."""
        return f"listener:{self.listener}"

    @property
    def detail(self) -> Mapping[str, str]:
        """What is asked, and of which subscription. No secret."""
        return self.told

    def change(self, view: View, change: Change, actor: Actor) -> str:  # noqa: ARG002 - nothing of the store's changes
        """Nothing of the store's."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeNote(_Note):
    """A server is asked to notify us."""

    name: ClassVar[str] = "fhir.subscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeNote(_Note):
    """A server is asked to go on notifying us."""

    name: ClassVar[str] = "fhir.resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribeNote(_Note):
    """A server is asked to notify us no more."""

    name: ClassVar[str] = "fhir.unsubscribe"


@dataclass(frozen=True, slots=True)
class At:
    """A command at work.

    Attributes:
        server: the listener's.
        listener: which.
        desk: of who wishes it; its store is written to.
        pause: waits a second.
    """

    server: FhirServer
    listener: FhirListener
    desk: Desk
    pause: Callable[[], Awaitable[None]]

    def note(self, note: type[_Note], **told: str) -> None:
        """Put it into the audit trail."""
        kept = {name: value for name, value in told.items() if value}
        self.desk.do(note(listener=self.listener.name, told=kept), key=uuid.uuid4().hex)

    async def settled(self, identifier: str) -> There:
        """The subscription once it waits for nothing any more, or the patience is over."""
        there = await one_at(self.server, identifier)
        for _ in range(PATIENCE):
            if there.read.status != "requested":
                break
            await self.pause()
            there = await one_at(self.server, identifier)
        return there

    async def change(self, method: str, there: There, resource: Resource | None = None) -> None:
        """Send one that was read back changed, or delete it.

        Raises:
            FhirTrouble: the server won't.
            Refusal: somebody else changed it meanwhile.
        """
        match = {"If_Match": f'W/"{there.read.version}"'} if there.read.version else {}
        try:
            await self.server.ask(method, f"Subscription/{there.read.id}", resource, **match)
        except FhirTrouble as trouble:
            if trouble.status not in _CONFLICT:
                raise
            words = f"Subscription/{there.read.id} was changed by somebody else just now: look at it, and try again"
            raise Refusal("bad-value", words) from trouble
