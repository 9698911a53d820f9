"""One message: its envelope, what channels made of it, where its postings are, and what waits for a person."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from casecart.commands.content import Body, Structure, body_of, structure_of
from casecart.commands.deletion import DeletionView, body_deletion
from casecart.commands.desk import Query
from casecart.commands.message_list import MessageLine, message_line
from casecart.commands.message_view import (
    Envelope,
    ExceptionView,
    LedgerView,
    RunView,
    envelope_view,
    exception_view,
    ledger_view,
    run_view,
)
from casecart.commands.refusal import Refusal
from casecart.commands.running import heads_of
from casecart.store import LEFT_TO, OPEN_STATES, MessageFilter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.commands.actor import Permission
    from casecart.commands.desk import View
    from casecart.store import Entry, Hold, Message, Run, Store

__all__ = ["AmbiguousReference", "FollowedView", "MessageView", "RelatedView", "ShowMessage", "find_message"]

MOST_RELATED = 20


class RelatedView(msgspec.Struct, frozen=True, kw_only=True):
    """Another message that has to do with this one."""

    position: int
    why: Literal["same control id", "same case"]


class FollowedView(msgspec.Struct, frozen=True, kw_only=True):
    """A listener that follows the message up, which is a notification."""

    listener: str
    state: Literal["waiting", "held", "done"]
    """Held: it can't be followed up, and waits for a person as the exception says."""


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one message."""

    envelope: Envelope
    structure: Structure
    body: Body | None
    """None unless it was asked for."""
    runs: list[RunView]
    followed: list[FollowedView]
    ledger: list[LedgerView]
    exceptions: list[ExceptionView]
    related: list[RelatedView]
    body_deleted: DeletionView | None
    """Set where the body's time was over; structure and body are empty then."""


class AmbiguousReference(Refusal):
    """A control id that several messages have.

    Args:
        control_id: the reference.
        messages: the newest of them.
    """

    def __init__(self, control_id: str, messages: list[MessageLine]) -> None:
        several = f"{len(messages)} messages have the control id {control_id}"
        super().__init__("ambiguous", f"{several}; name one by its position")
        self.messages = messages


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowMessage(Query[MessageView]):
    """One message, by its position, its id, or its control id where only one has it."""

    reference: str
    body: bool = False
    """Show what it says of a patient, too: needs the permission and is audited."""

    @property
    def permission(self) -> Permission:
        """`see bodies` for the body."""
        return "see bodies" if self.body else "see"

    def audited(self, answer: MessageView) -> tuple[str, str] | None:
        """A look at the body is."""
        return ("message.read", f"message:{answer.envelope.position}") if self.body else None

    def answer(self, view: View) -> MessageView:
        """Raises `Refusal`: not found, or several with that control id."""
        store = view.store
        message = find_message(store, self.reference)
        runs = store.runs(message.position)
        holds = store.holds(position=message.position)
        # What is kept of a resource's versions is no part of any case.
        entries = [entry for entry in store.entries(message.position) if entry.destination]
        heads = heads_of(store) if runs else []
        return MessageView(
            envelope=envelope_view(message),
            structure=structure_of(message.body, message.charset),
            body=body_of(message.body, message.charset) if self.body else None,
            runs=[run_view(run, heads) for run in runs if not run.channel.startswith(LEFT_TO)],
            followed=[_followed(store, run, holds) for run in runs if run.channel.startswith(LEFT_TO)],
            ledger=[ledger_view(entry) for entry in entries],
            exceptions=[exception_view(hold) for hold in holds],
            related=_related(store, message, entries),
            body_deleted=body_deletion(store, message),
        )


def _followed(store: Store, run: Run, holds: Iterable[Hold]) -> FollowedView:
    listener = run.channel.removeprefix(LEFT_TO)
    waiting = any(wish.position == run.position for wish in store.left(listener, 1, run.position - 1))
    held = any(hold.channel == run.channel and hold.state in OPEN_STATES for hold in holds)
    return FollowedView(listener=listener, state="waiting" if waiting else "held" if held else "done")


def find_message(store: Store, reference: str) -> Message:
    """The message that a person means. Raises `Refusal`."""
    wanted = reference.strip().removeprefix("#")
    found: Message | None = None
    if wanted.isascii() and wanted.isdigit() and len(wanted) <= 18:  # noqa: PLR2004 - what 64 bits hold
        found = store.message(int(wanted))
    elif (identifier := _identifier(wanted)) is not None:
        found = store.message(identifier)
    if found is not None:
        return found
    heads = store.messages(MessageFilter(control_id=reference), None, MOST_RELATED)
    if len(heads) > 1:
        raise AmbiguousReference(reference, [message_line(head) for head in heads])
    found = store.message(heads[0].position) if heads else None
    if found is None:
        raise Refusal("not-found", f"no message has the position, id or control id '{reference}'")
    return found


def _identifier(text: str) -> bytes | None:
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        return None


def _related(store: Store, message: Message, entries: list[Entry]) -> list[RelatedView]:
    related: dict[int, RelatedView] = {}
    cases = {(entry.facility, entry.case_key) for entry in entries}
    for row in store.case_rows(cases) if cases else ():
        related[row.position] = RelatedView(position=row.position, why="same case")
    if message.control_id:
        wanted = MessageFilter(control_id=message.control_id, facility=message.facility)
        for head in store.messages(wanted, None, MOST_RELATED):
            related[head.position] = RelatedView(position=head.position, why="same control id")
    related.pop(message.position, None)
    return sorted(related.values(), key=lambda other: other.position)[-MOST_RELATED:]
