"""Who is answered when the work on a message is committed, or the time for that is up."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, cast

from casecart.runtime.completion import completion_of
from casecart.runtime.fault import told
from casecart.runtime.listener import Receipt
from casecart.store import MessageFilter, StoreBroken, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.clock import Call, Clock
    from casecart.runtime.listener import Arrival
    from casecart.store import SharedStore, Store

__all__ = ["Awaited", "answer", "unanswered"]

log = logging.getLogger(__name__)

LOOK = 0.05  # seconds until it is looked again whether others have worked what somebody waits for


def answer(reply: Callable[[Receipt], None], receipt: Receipt) -> None:
    """Have a sender told; that a listener can't tell one of them is no trouble of the others, or the engine's."""
    try:
        reply(receipt)
    except Exception as fault:  # noqa: BLE001 - nothing of the engine's own is half done in it
        unanswered(receipt, fault)


def unanswered(receipt: Receipt, fault: Exception) -> None:
    """Say that a sender could not be told, without the fault's text, which may quote a message."""
    log.error("a sender could not be answered (%s): %s", receipt.value, told(fault))


class _Waiting(NamedTuple):
    """Not the arrival itself: its body needn't be kept until then."""

    reply: Callable[[Receipt], None]
    tell: bool
    receipt: Receipt
    limit: Call


class Awaited:
    """Those who wait, by the position of their message.

    Args:
        store: asked what came of messages.
        reactor: counts the time.
    """

    def __init__(self, store: Store, reactor: Clock) -> None:
        self._store, self._reactor = store, reactor
        self._waiting: dict[int, list[_Waiting]] = {}
        self._looking = False

    def arrived(self, arrival: Arrival, receipt: Receipt, position: int, *, waits: bool | None) -> None:
        """A message is stored whose sender is answered when its work is committed.

        Args:
            arrival: with `complete_within`.
            receipt: of its being stored.
            position: of the message; of a resend, that of the first.
            waits: whether it is still to be worked; None: that stands in the store.
        """
        stored = arrival.stored
        if stored is not None:
            answer(lambda _: stored(), receipt)
        if waits or position in self._waiting or (waits is None and self._still(position)):
            self._await(arrival, receipt, position)
        else:
            self._reply(arrival.reply, receipt, position, tell=arrival.tell)

    def processed(self, position: int) -> None:
        """The work of a message that was stored earlier is committed; who waits for it is answered."""
        for waiting in self._waiting.pop(position, ()):
            if waiting.limit.active():
                waiting.limit.cancel()
                self._reply(waiting.reply, waiting.receipt, position, tell=waiting.tell)

    def _reply(self, reply: Callable[[Receipt], None], receipt: Receipt, position: int, *, tell: bool) -> None:
        if tell:
            try:
                receipt = Receipt(receipt.value, completion_of(self._store, position))
            except (StoreUnavailable, StoreBroken):
                # The work is committed, and what came of it can't be told now. The next commit meets the trouble.
                receipt = Receipt.LATE
            except Exception as fault:  # noqa: BLE001 - what can't be read of one message stops no other
                log.error("what came of a message can't be told: %s", told(fault))  # noqa: TRY400 - the same
                receipt = Receipt.LATE
        answer(reply, receipt)

    def _still(self, position: int) -> bool:
        """Whether a message of an earlier commit waits."""
        try:
            rows = self._store.messages(MessageFilter(positions=(position,)), None, 1)
        except (StoreUnavailable, StoreBroken):
            return True  # it may wait: better late than told too early that all of it is committed
        return any(row.outcome == "waiting" for row in rows)

    def _await(self, arrival: Arrival, receipt: Receipt, position: int) -> None:
        if self._store.shared and not self._looking:
            self._looking = True
            self._reactor.callLater(LOOK, self._look)
        limit = self._reactor.callLater(cast("float", arrival.complete_within), self._late, position, arrival.reply)
        self._waiting.setdefault(position, []).append(_Waiting(arrival.reply, arrival.tell, receipt, limit))

    def _late(self, position: int, reply: Callable[[Receipt], None]) -> None:
        """It is not awaited any more: a resend asks the store what became of the message."""
        left = [waiting for waiting in self._waiting.pop(position) if waiting.reply is not reply]
        if left:
            self._waiting[position] = left
        answer(reply, Receipt.LATE)

    def _look(self) -> None:
        """Another engine may have worked what is waited for."""
        self._looking = bool(self._waiting)
        if not self._looking:
            return
        with suppress(StoreUnavailable):
            waiting = cast("SharedStore", self._store).still_waiting(self._waiting)
            for position in self._waiting.keys() - waiting:
                self.processed(position)
        self._reactor.callLater(LOOK, self._look)
