"""Tells destinations of items: a message with an item as it is becomes one posting that adds, updates or deletes it.

The pipeline leaves a wish for each such message, in the commit that says that it was processed, and here the wish is
worked off, as people's later ones about the same message are. Which of the three it is, the ledger says: what the
destination took before. An older state is never posted after a newer one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from casecart.canonical.item_change import NotAnItem, decode_item_change
from casecart.rules import Trouble
from casecart.runtime.copy import decode_decision
from casecart.runtime.effect import event
from casecart.runtime.fault import told
from casecart.runtime.item_ledger import ItemLedger
from casecart.runtime.made import decode_postings
from casecart.runtime.whole import Whole
from casecart.store import Change, Damaged, DamagedBody, StoreBroken, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from casecart.canonical.item_change import ItemChange
    from casecart.rules import Keys
    from casecart.runtime.item_channel import ItemChannel
    from casecart.runtime.item_ledger import Told
    from casecart.runtime.window import Work
    from casecart.store import Fence, Message, Replay, Store

__all__ = ["ItemSending"]

log = logging.getLogger(__name__)

LATE: Final = "a later state of the item was sent"
UNWANTED: Final = "when: it is not wanted, and was never told"
NOTHING: Final = "the item is no more, and the destination does not have it"


class ItemSending:
    """Works off wishes to tell a destination of an item.

    Args:
        store: of the engine.
        channels: by name.
        keys: derives the keys of postings.
        identifier: mints ids of exceptions.
        now: wall clock, µs since 1970.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Mapping[str, ItemChannel],
        keys: Keys,
        identifier: Callable[[], bytes],
        now: Callable[[], int],
    ) -> None:
        self._store, self._keys, self._identifier, self._now = store, keys, identifier, now
        self._whole = Whole(store, identifier, now, posts=True)
        self.channels = channels

    def work(self, message: Message, name: str, wishes: Collection[Replay], fences: Collection[Fence]) -> list[Work]:
        """Tell of one item, in one transaction with the end of the wishes; gives the work for the destination."""
        channel = self.channels[name]
        self._store.let_go()
        change = self._done(wishes, fences)
        try:
            works = self._worked(message, channel, wishes, change)
        except (StoreUnavailable, StoreBroken):
            raise  # it is no fault of the message
        except Exception as fault:  # noqa: BLE001 - a fault in one message must not take the others with it
            change, works = self._done(wishes, fences), []  # nothing of what was added so far
            self._trouble(message, channel, wishes, fault, change)
        self._store.write(change)
        return works

    @staticmethod
    def _done(wishes: Collection[Replay], fences: Collection[Fence]) -> Change:
        return Change(replays_done=[(wish.hold,) for wish in wishes], fences=list(fences))

    def _worked(self, message: Message, channel: ItemChannel, wishes: Collection[Replay], change: Change) -> list[Work]:
        posted = self._posted(message, channel)
        item = posted if posted is not None else _item_of(message)
        if item is None:
            log.warning("the message at position %d can't be worked again: its body is deleted", message.position)
            return []
        ledger = ItemLedger(self._store, self._keys, self._reserve, message, channel, item.item, change)
        if ledger.own is not None:
            return self._again(ledger, ledger.own, item, [self._outcome(wish) for wish in wishes])
        wanted = ledger.any_taken or channel.wants(item)
        action = ledger.action(item) if wanted and not ledger.later else None
        if action is None:
            reason = LATE if ledger.later else NOTHING if wanted else UNWANTED
            self._whole.say(message, channel, "filtered", change, reason=reason)
            return []
        self._whole.say(message, channel, "posted", change)
        change.events.append(event("casecart.item.planned", message, {"channel": channel.name, "action": action}))
        return [ledger.plan(item, action)]

    @staticmethod
    def _again(ledger: ItemLedger, own: Told, item: ItemChange, outcomes: Collection[str]) -> list[Work]:
        """It was posted, or was to be: what was not taken is sent again, unless a newer state stands for it.

        Of what nobody knows the outcome of, a person must say it first.
        """
        outcome = next(filter(None, outcomes), "")
        found_out = outcome in {"posted", "not posted"}
        if not own.waits or (own.posting.unsure and not found_out):
            return []
        if outcome == "posted":
            ledger.count(own.posting.state, -1)
            ledger.count("posted", 1)
            ledger.judge(own, "posted")
            return []
        if found_out:  # from here on it counts as surely not taken
            own.posting.unsure = False
        action = None if ledger.later else ledger.action(item)
        if action is None:
            ledger.supersede(own)
            return []
        holds = ledger.store.holds(position=own.position, key=own.posting.key, state="rejected", limit=1)
        if holds and not outcome:
            return []  # a person said that it never is to be
        ledger.close(own)
        ledger.count(own.posting.state, -1)
        ledger.judge(own, "not posted")
        return [ledger.plan(item, action)]

    def _outcome(self, wish: Replay) -> str:
        """What a person said of the posting, who is asked again where that is damaged; empty: nothing."""
        try:
            return decode_decision(wish.decision).outcome
        except Damaged:
            if self._store.hold(wish.hold) is not None:
                raise
            return ""

    def _posted(self, message: Message, channel: ItemChannel) -> ItemChange | None:
        """The item as it was posted for the message, which is there when the message's bytes are deleted."""
        for row in self._store.entries(message.position):
            if (row.channel, row.destination) == (channel.name, channel.to):
                for posting in decode_postings(row.postings):
                    return decode_item_change(posting.payload)
        return None

    def _trouble(
        self, message: Message, channel: ItemChannel, wishes: Collection[Replay], fault: Exception, change: Change
    ) -> None:
        """A person must look at it."""
        if isinstance(fault, NotAnItem):
            why = Trouble("not-an-item", "", f"{fault}: a channel with a step send takes nothing else.", "")
        elif isinstance(fault, Damaged):
            why = Trouble("record-damaged", "", f"{fault}. Nothing is sent of the item until it changes again.", "")
        else:
            log.error("the item of the message at position %d could not be sent: %s", message.position, told(fault))
            why = Trouble("engine-fault", "", f"The engine failed on this message ({told(fault)}).", "")
        about = [each for each in (self._store.hold(wish.hold) for wish in wishes) if each is not None and each.key]
        if about:  # it is counted already, as what its posting came to
            change.holds += [
                each._replace(
                    id=self._identifier(), recorded_at=self._now(), code=why.code, cause=why.words, state="new",
                    assignee="", reason="", changed_at=0,
                )
                for each in about
            ]  # fmt: skip
        elif not self._is_told(message, channel):
            self._whole.say(message, channel, "held", change, troubles=[why])

    def _is_told(self, message: Message, channel: ItemChannel) -> bool:
        """Whether a posting was made for it, which stands in the balance."""
        return any(row.channel == channel.name for row in self._store.entries(message.position))

    def _reserve(self) -> int:
        return self._store.reserve("entry", 1)[0]


def _item_of(message: Message) -> ItemChange | None:
    """What the message says; None: its bytes are deleted. Raises `NotAnItem`, `Damaged`."""
    if isinstance(message.body, DamagedBody):
        raise Damaged("The message came out of the store damaged: the checksum is another one")
    return None if message.body_gone else decode_item_change(message.body)
