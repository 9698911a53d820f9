"""The message list: newest first, by what one looks for, page after page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, get_args

import msgspec

from casecart.commands.desk import Query
from casecart.commands.moment import microseconds, moment
from casecart.commands.refusal import Refusal
from casecart.commands.sought import Sought
from casecart.runtime.identifier import shown
from casecart.store import MessageFilter, Outcome

if TYPE_CHECKING:
    from casecart.commands.desk import View
    from casecart.store import MessageHead, Store

__all__ = ["MOST", "OUTCOMES", "ListMessages", "MessageLine", "MessagePage", "message_line"]

MOST = 1_000
"""Messages a page."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class MessageLine(msgspec.Struct, frozen=True, kw_only=True):
    """A message without what it says."""

    position: int
    id: str
    recorded_at: datetime
    facility: str
    listener: str
    peer: str
    message_type: str
    control_id: str
    outcome: str
    notes: list[str]
    size: int
    """Bytes."""


class MessagePage(msgspec.Struct, frozen=True, kw_only=True):
    """Messages, newest first."""

    messages: list[MessageLine]
    before: int | None
    """Ask with this for the next page; None where there are no older ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMessages(Query[MessagePage]):
    """Which messages came, and what became of each; None means any."""

    outcome: Outcome | None = None
    listener: str | None = None
    facility: str | None = None
    message_type: str | None = None
    control_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Recorded before then."""
    case: str | None = None
    """With a line of this case, by its token; `lot`, `serial` and `item` must stand in the same line."""
    lot: str | None = None
    serial: str | None = None
    item: str | None = None
    before: int | None = None
    """Only below this position."""
    limit: int = 25

    def answer(self, view: View) -> MessagePage:
        """A page. Raises `Refusal` for a limit or a position that makes no sense."""
        if not 1 <= self.limit <= MOST:
            raise Refusal("bad-value", f"a page has 1 to {MOST:,} messages")
        if self.before is not None and not 0 < self.before < 2**62:
            raise Refusal("bad-value", "a position is a whole number above 0")
        wanted = MessageFilter(
            outcome=self.outcome,
            listener=self.listener,
            facility=self.facility,
            message_type=self.message_type,
            control_id=self.control_id,
            since=None if self.since is None else microseconds(self.since),
            until=None if self.until is None else microseconds(self.until),
        )
        sought = Sought(self.case, self.lot, self.serial, self.item)
        if not self._may_be_there(view.store):
            heads = []
        elif sought:
            heads = self._with_a_line(view.store, sought, wanted)
        else:
            heads = view.store.messages(wanted, self.before, self.limit + 1)
        older = len(heads) > self.limit
        heads = heads[: self.limit]
        return MessagePage(messages=list(map(message_line, heads)), before=heads[-1].position if older else None)

    def _may_be_there(self, store: Store) -> bool:
        """Whether any message ever came from the listener and of the facility: the counters know, without the log."""
        if self.listener is None and self.facility is None:
            return True
        scope = None if self.listener is None else f"messages:{self.listener}"
        return any(
            scope in {None, count.scope} and self.facility in {None, count.facility}
            for count in store.counts()
            if count.scope.startswith("messages:")
        )

    def _with_a_line(self, store: Store, sought: Sought, wanted: MessageFilter) -> list[MessageHead]:
        """Of the messages that have such a line the newest, one more than a page."""
        found: list[MessageHead] = []
        positions = [each for each in sought.positions(store) if self.before is None or each < self.before]
        size = self.limit + 1
        for first in range(0, len(positions), size):
            some = replace(wanted, positions=tuple(positions[first : first + size]))
            for head in store.messages(some, self.before, size):
                if sought.stands_in(store, head.position):
                    found.append(head)
                    if len(found) == size:
                        return found
        return found


def message_line(head: MessageHead) -> MessageLine:
    """A row of the log's list."""
    return MessageLine(
        position=head.position,
        id=shown(head.id),
        recorded_at=moment(head.recorded_at),
        facility=head.facility,
        listener=head.listener,
        peer=head.actor,
        message_type=head.message_type,
        control_id=head.control_id,
        outcome=head.outcome,
        notes=head.notes.split() if head.notes else [],
        size=head.size,
    )
