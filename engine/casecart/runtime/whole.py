"""Messages that are worked as one line, such as master data: their runs, their counts and their exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from casecart.runtime.copy import encode_decision
from casecart.runtime.effect import hold
from casecart.runtime.made import PLACE, SCHEMA, Made, decode_made, encode_made
from casecart.store import OPEN_STATES, Change, Count, HoldChange, Replay, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from casecart.rules import Trouble
    from casecart.runtime.window import Work
    from casecart.store import Fence, Message, Store

__all__ = ["Became", "Whole", "WholeWork", "wish_to_work", "worked_before"]

_AGAIN: Final = encode_decision({})

ALL = 1_000_000
"""More exceptions than a message can have."""

Became: TypeAlias = Literal["held", "filtered", "no_change", "posted"]
"""Of a message. Posted: a posting was made of it, which is counted when its destination has answered."""


def wish_to_work(message: Message, channel: str, identifier: bytes) -> Replay:
    """The wish that a message be worked, by a channel or by the listener that it is left to (`LEFT_TO`)."""
    return Replay(identifier, message.position, channel, "", message.recorded_at, message.actor, "", _AGAIN)


class WholeChannel(Protocol):
    """A channel of such messages."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def revision(self) -> str:
        """Hash of the files it was made from."""


class WholeWork(Protocol):
    """Works the wishes about messages of its channels."""

    @property
    def channels(self) -> Mapping[str, WholeChannel]:
        """Those that it works, by name."""

    def work(self, message: Message, name: str, wishes: Collection[Replay], fences: Collection[Fence]) -> list[Work]:
        """Work one message by the channel of this name, in one transaction with the end of its wishes.

        Gives the work for destinations, once it is durable.

        Raises:
            StoreInUse: not now.
        """


class Whole:
    """Says what became of such messages, as additions to changes.

    Args:
        store: has what became of them before.
        identifier: mints ids of exceptions.
        now: wall clock, µs since 1970.
        posts: whether postings are made of them: a run without more is one that made one.
    """

    def __init__(
        self, store: Store, identifier: Callable[[], bytes], now: Callable[[], int], *, posts: bool = False
    ) -> None:
        self._store, self._identifier, self._now, self._posts = store, identifier, now, posts

    def say(
        self,
        message: Message,
        channel: WholeChannel,
        became: Became,
        change: Change,
        *,
        troubles: Sequence[Trouble] = (),
        reason: str = "",
    ) -> None:
        """The run, the counts, and the exceptions of this time in place of those of the last.

        Args:
            message: that was worked.
            channel: by which.
            became: what became of it.
            change: is added to.
            troubles: why it is held.
            reason: why it is left out, where it is filtered.
        """
        before, attempt = worked_before(self._store, message.position, channel.name, first=1)
        if self._posts and before == "no_change":
            before = ""  # the posting, to where the channel sent then, stands in the balance for itself
        filtered = [(PLACE, reason)] if became == "filtered" else []
        made = Made(SCHEMA, [], filtered, [(PLACE, trouble.code, trouble.field) for trouble in troubles])
        now, name = self._now(), channel.name
        change.runs.append(Run(message.position, name, channel.revision, now, encode_made(made), attempt))
        scope = f"lines:{name}"
        if became != "posted":
            change.counts.append(Count(message.facility, scope, became, 1))
        change.counts.append(Count(message.facility, scope, before or "produced", -1 if before else 1))
        change.hold_changes += [
            HoldChange("fixed", other.assignee, "The message was worked again", now, other.id)
            for other in self._store.holds(position=message.position, states=OPEN_STATES, limit=ALL)
            if other.channel == name
        ]
        change.holds += [hold(message, self._identifier(), trouble, channel=name, place=PLACE) for trouble in troubles]


def worked_before(store: Store, position: int, channel: str, *, first: int) -> tuple[str, int]:
    """How a message was counted when a channel last worked it, and the number of the next run.

    Args:
        store: has its runs and exceptions.
        position: of the message.
        channel: that worked it.
        first: the number of the channel's first run that counts.

    Returns:
        The counter, empty where it was never worked; and the number.
    """
    before, attempt = "", first
    for run in store.runs(position):
        if run.channel == channel and run.attempt >= first:
            made = decode_made(run.documents)
            before = "held" if made.held else "filtered" if made.filtered else "no_change"
            attempt = run.attempt + 1
    asked = [each for each in store.holds(position=position, limit=ALL) if each.channel == channel]
    # Of the last time: what was rejected before that and worked again is not rejected any more.
    if before == "held" and asked and max(asked, key=lambda each: each.id).state == "rejected":
        before = "rejected"
    return before, attempt
