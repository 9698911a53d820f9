"""Hands in what was read at a FHIR server, a message for each resource, and waits until it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from zlib import crc32

from twisted.internet.defer import Deferred, succeed

from casecart.listeners.partition import PARTITIONS
from casecart.runtime.fhir_body import FHIR
from casecart.runtime.listener import Arrival, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from casecart.formats.fhir.envelope import Envelope
    from casecart.listeners.fhir_whole import Whole
    from casecart.runtime.listener import ListenerContext

__all__ = ["Handover", "NotStored", "arrival_of"]

_MOST_KNOWN: Final = 10_000
"""Identities that are remembered, so that a search with overlap need not hand in all that it finds again."""
_MOST_TRIES: Final = 5
"""So often a message that lacks something is handed in again when it is found again: it may be whole by then."""


class NotStored(Exception):
    """The store takes nothing now: what was handed in is to be handed in again, later."""


class Handover:
    """Hands in messages.

    Args:
        context: the listener's.
        facility: that they speak for.
        base: address of the server.
        version: of FHIR.
    """

    def __init__(self, context: ListenerContext, facility: str, base: str, version: str) -> None:
        self._context, self._facility = context, facility
        self._schema, self._source = f"{FHIR}{version}", urlsplit(base).netloc.rpartition("@")[2]
        self._known: dict[str, int] = {}  # how often it was stored; what lacks nothing at once as often as it may be
        self._waiting = 0
        self._idle: list[Deferred[None]] = []

    def knows(self, control_id: str) -> bool:
        """Whether such a message was stored a short time ago, and need not be again."""
        return self._known.get(control_id, 0) >= _MOST_TRIES

    async def give(self, wholes: Sequence[Whole]) -> None:
        """Hand in messages, and wait until all of them are stored.

        Raises:
            NotStored: one or the other could not be.
        """
        receipts = [self._given(whole) for whole in wholes]
        stored = [await receipt != Receipt.NOT_STORED for receipt in receipts]
        if not all(stored):
            raise NotStored

    def _given(self, whole: Whole) -> Deferred[Receipt]:
        answered: Deferred[Receipt] = Deferred()

        def reply(receipt: Receipt) -> None:
            self._waiting -= 1
            if receipt != Receipt.NOT_STORED:
                self._remember(whole.envelope.control_id, 1 if whole.left_out else _MOST_TRIES)
            answered.callback(receipt)
            if not self._waiting:
                idle, self._idle = self._idle, []
                for each in idle:
                    each.callback(None)

        self._waiting += 1
        self._context.intake.take(
            arrival_of(
                self._context,
                self._facility,
                self._schema,
                whole.envelope,
                whole.body,
                source=self._source,
                reply=reply,
            )
        )
        return answered

    def _remember(self, control_id: str, times: int) -> None:
        self._known[control_id] = self._known.get(control_id, 0) + times
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def idle(self) -> Deferred[None]:
        """Fires when all that was handed in is answered."""
        if not self._waiting:
            return succeed(None)
        over: Deferred[None] = Deferred()
        self._idle.append(over)
        return over


def arrival_of(
    context: ListenerContext,
    facility: str,
    schema: str,
    told: Envelope,
    body: bytes,
    *,
    source: str,
    reply: Callable[[Receipt], None],
) -> Arrival:
    """What was read at a server, as the engine takes it: in the listener's own name."""
    name = context.name
    return Arrival(
        listener=name,
        facility=facility,
        organisation=context.organisation,
        peer=name,
        schema=schema,
        message_type=told.message_type,
        sender=name,
        control_id=told.control_id,
        occurred_at=told.occurred_at,
        partition=crc32((told.keeps_order or name).encode("utf-8", "replace")) % PARTITIONS,
        notes=None,
        source=source,
        charset=None,
        body=body,
        reply=reply,
    )
