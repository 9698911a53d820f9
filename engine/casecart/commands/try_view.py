"""What is shown of a message that was tried: what each step made of each line, and what would go out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from casecart.commands.element_place import ElementAt
from casecart.commands.segment import SegmentBytes
from casecart.commands.value_place import ValueAt

__all__ = [
    "Tried",
    "TriedBody",
    "TriedCase",
    "TriedField",
    "TriedFinding",
    "TriedHold",
    "TriedLine",
    "TriedMessage",
    "TriedPosting",
    "TriedRoute",
    "TriedSource",
]


class TriedSource(msgspec.Struct, frozen=True, kw_only=True):
    """A place that a field was looked for at."""

    path: str
    told: list[str]
    """What stands there; empty: nothing."""
    at: ValueAt | None
    """Of the first one, where it can be told for certain."""


class TriedField(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a line's document."""

    name: str
    value: str
    """As the document has it in the end; empty: nothing."""
    by: Literal["map", "hook or fill", "resolve", "verify"]
    """The step that gave it this value."""
    before: str
    """What the mapping gave, where a later step gave another one."""
    sources: list[TriedSource]
    """In the order in which the mapping asked; the last that was asked decided, and of `agree` all of them."""
    table: str
    """Through which code table it went; empty: none."""
    token: bool
    """Whether it stands for an identifier, and is not it."""


class TriedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """Of the step verify."""

    code: str
    field: str
    words: str
    then: str


class TriedRoute(msgspec.Struct, frozen=True, kw_only=True):
    """Which entry of the route took a line."""

    entry: int
    """Counted from 1; 0: none fitted."""
    when: str
    """Its condition; empty: it takes all."""
    to: str
    kind: str
    hold: str
    """Why it holds the line; empty: it posts it."""


class TriedHold(msgspec.Struct, frozen=True, kw_only=True):
    """What would wait for a person."""

    kind: Literal["held", "flagged"]
    """Flagged: the line is posted all the same."""
    code: str
    field: str
    path: str
    """Where the mapping looked for what is wrong; empty where it is no matter of the mapping."""
    words: str
    """What is wrong, and what to do."""


class TriedPosting(msgspec.Struct, frozen=True, kw_only=True):
    """A change that a destination would be told of."""

    key: str
    line: str
    revision: int
    kind: str
    destination: str
    place: str
    payload: dict[str, Any]


class TriedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a message."""

    place: str
    segment: SegmentBytes | None
    """Where it begins, in HL7 v2."""
    element: ElementAt | None
    """Where it stands, in FHIR."""
    became: Literal["posted", "no change", "filtered", "held"]
    reason: str
    """Why it is filtered."""
    line: str
    """As the ledger calls it."""
    fields: list[TriedField]
    item: str
    """What the item is, in the words of the master data; empty where it is not known."""
    findings: list[TriedFinding]
    route: TriedRoute | None
    held: list[TriedHold]
    postings: list[TriedPosting]


class TriedCase(msgspec.Struct, frozen=True, kw_only=True):
    """What would be noted of a case."""

    channel: str
    place: str
    fields: dict[str, Any]


class TriedBody(msgspec.Struct, frozen=True, kw_only=True):
    """What would go out at once."""

    destination: str
    to: str
    keys: list[str]
    body: str
    code: str
    """Why it can't be written; empty: it can."""
    words: str


class TriedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message."""

    number: int
    """In the file, from 1."""
    listener: str
    peer: str
    facility: str
    schema: str
    message_type: str
    sender: str
    control_id: str
    occurred_at: datetime | None
    size: int
    notes: list[str]
    accepted: bool
    """Whether the channel takes it."""
    code: str
    """Why it doesn't: `refused`, `duplicate`, `not-from-here`, `other-peer`, `other-type`, `nothing-in-it`; or why it
    was not worked: `quarantined`, `part`."""
    why: str
    """The same for a person."""
    lines: list[TriedLine]
    cases: list[TriedCase]
    changes: list[str]
    """Of master data, that it would bring in."""
    held: list[TriedHold]
    """About the message as a whole."""
    postings: list[TriedPosting]
    out: list[TriedBody]
    milliseconds: dict[str, float]
    """Step → how long it took."""


def _counts(message: TriedMessage) -> bool:
    """Whether it is there for the messages behind it."""
    return bool(message.cases) or message.code == "part"


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """All that was tried."""

    channel: str
    source: str
    notes: list[str]
    """What a person should know of the run: which master data it had, whose secrets."""
    messages: list[TriedMessage]
    milliseconds: dict[str, float]
    """Of the run: `load`, `compile`, `messages`."""

    @property
    def fine(self) -> bool:
        """Whether every message was taken, nothing would be held, and all could be written."""
        return bool(self.messages) and all(
            (each.accepted or each.code == "duplicate" or (len(self.messages) > each.number and _counts(each)))
            and not each.held
            and not any(hold.kind == "held" for line in each.lines for hold in line.held)
            and not any(out.code for out in each.out)
            for each in self.messages
        )
