"""Notifications that a listener follows up: what waits for it, and what becomes of each.

In the commit that says that a notification was worked, a wish is left for each listener that hears its sender. It is
there until the listener has followed the notification up, whatever becomes of engines meanwhile; what is followed up
twice must do no harm. One engine at a time follows up for a listener, whichever of them took the notification in.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from casecart.rules import Trouble
from casecart.runtime.effect import hold
from casecart.runtime.marks import FHIR, SUBSCRIPTION
from casecart.store import LEFT_TO, OPEN_STATES, Cursor, DamagedBody, HoldChange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from casecart.runtime.journal import Done, Fill, Journal
    from casecart.store import Change, Fence, Message, Store

__all__ = ["LeftNotices", "Notices"]

log = logging.getLogger(__name__)

ALL = 1_000_000
"""More exceptions than a message can have."""


class Notices(Protocol):
    """What a listener that hears is given. Its calls raise as the store does, but for those that only hand in."""

    def waiting(self, limit: int) -> Sequence[Message]:
        """Notifications that are to be followed up, in the order of the log; none while another engine follows.

        Each is there again and again, until `done` or `held` is called of it; not while that is being made durable.
        """

    def done(self, message: Message, then: Callable[[], None] = ...) -> None:
        """Followed up: nothing is left to do.

        `then` is called once that is durable, which is some time later and in the order of all that is handed in here;
        it is not called where another engine follows by then, which is given the notification again.
        """

    def held(self, message: Message, trouble: Trouble) -> None:
        """It can't be followed up: a person sees it in the worklist, and brings it back to `waiting` by a replay."""

    def mine(self) -> bool:
        """Whether this engine is the one that follows for the listener."""

    def marks(self) -> Mapping[str, Cursor]:
        """By their names: what was noted under `FHIR` and the listener's name, and the signs of life of who is heard.

        The latter's names are those of `casecart.runtime.marks.subscription_mark`.
        """

    def note(self, name: str, position: int, epoch: int, done: Callable[[], None]) -> None:
        """Keeps two numbers under a name that begins with `FHIR`, the listener's name and a colon.

        `done` is called as the `then` of `done`: what is noted before is durable before.
        """


class LeftNotices:
    """Notices as wishes in the store.

    Args:
        name: of the listener.
        heard: the listener and its peer there whose notifications it follows up; None: nobody's.
        store: of the engine.
        journal: writes what becomes of them.
        identifier: mints ids of exceptions.
        now: wall clock, µs since 1970.
        mine: whether this engine follows for the listener.
        fence: what is written under; None where one engine is at work at a time.
    """

    def __init__(
        self,
        name: str,
        heard: tuple[str, str] | None,
        *,
        store: Store,
        journal: Journal,
        identifier: Callable[[], bytes],
        now: Callable[[], int],
        mine: Callable[[], bool] = lambda: True,
        fence: Callable[[], Fence | None] = lambda: None,
    ) -> None:
        self._name, self._store, self._journal = name, store, journal
        self._identifier, self._now, self.mine, self._fence = identifier, now, mine, fence
        of = "" if heard is None else f"{SUBSCRIPTION}{heard[0]}:{heard[1]}"
        self._marks, self._signs = (f"{FHIR}{name}:",) + ((f"{of}:",) if of else ()), of
        self._under: Fence | None = None
        self._given: dict[int, list[bytes]] = {}  # by position: the wishes that were there when it was given
        self._closing = set[int]()  # positions whose end is on its way into the store

    def waiting(self, limit: int) -> Sequence[Message]:
        """As `Notices`."""
        if not self.mine():
            return ()
        self._renewed()
        wishes: dict[int, list[bytes]] = {}
        for wish in self._store.left(self._name, limit + len(self._closing)):
            if wish.position not in self._closing:
                wishes.setdefault(wish.position, []).append(wish.hold)
        found = []
        for position in list(wishes)[:limit]:
            self._given[position] = wishes[position]
            message = self._store.message(position)
            if message is not None and self._readable(message):
                found.append(message)
        return found

    def _readable(self, message: Message) -> bool:
        if isinstance(message.body, DamagedBody):
            words = "The notification came out of the store damaged: the checksum is another one"
            self.held(message, Trouble("record-damaged", "", f"{words}. Reject it.", ""))
            return False
        if message.body_gone:  # it went in the moment in which somebody wished it
            log.warning("the message at position %d can't be followed up again: its body is deleted", message.position)
            self.done(message)
            return False
        return True

    def done(self, message: Message, then: Callable[[], None] = lambda: None) -> None:
        """As `Notices`."""
        self._close(message, lambda _: None, then)

    def held(self, message: Message, trouble: Trouble) -> None:
        """As `Notices`."""
        row = hold(message, self._identifier(), trouble, channel=f"{LEFT_TO}{self._name}")
        self._close(message, lambda change: change.holds.append(row), lambda: None)

    def _close(self, message: Message, more: Fill, then: Done) -> None:
        """The wishes about a message are no more, nor are its exceptions of the last time."""
        if not self.mine():
            return
        self._renewed()
        position, wishes, closing = message.position, self._given.pop(message.position, []), self._closing

        def fill(change: Change) -> None:
            if not wishes:  # it is done already
                return
            change.replays_done += [(wish,) for wish in wishes]
            change.hold_changes += [
                HoldChange("fixed", other.assignee, "The notification was followed up again", self._now(), other.id)
                for other in self._store.holds(position=position, states=OPEN_STATES, limit=ALL)
                if other.channel == f"{LEFT_TO}{self._name}"
            ]
            more(change)

        def done() -> None:
            closing.discard(position)
            then()

        if wishes:
            closing.add(position)
        self._journal.write(fill, done, self._under)

    def _renewed(self) -> None:
        """What was handed in under a lease that is over is not written: all is as the store has it."""
        fence = self._fence()
        if fence != self._under:
            self._under, self._given, self._closing = fence, {}, set()

    def marks(self) -> Mapping[str, Cursor]:
        """As `Notices`."""
        return {
            cursor.name: cursor
            for cursor in self._store.cursors()
            if cursor.name.startswith(self._marks) or cursor.name == self._signs
        }

    def note(self, name: str, position: int, epoch: int, done: Done) -> None:
        """As `Notices`."""
        if not self.mine():
            return
        self._renewed()
        row = Cursor(name, 0, position, epoch)
        self._journal.write(lambda change: change.cursors.append(row), done, self._under)
