"""A simulated sender: one message on its way, sent again until it is acknowledged, as senders in hospitals do."""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from casecart.runtime.listener import Arrival, Receipt

if TYPE_CHECKING:
    from support.simulation.plan import Message
    from support.simulation.world import World

__all__ = ["Sender"]


class Sender:
    """Sends its messages one after the other.

    Args:
        number: tells it from others.
        messages: in order.
        world: it lives in.
    """

    def __init__(self, number: int, messages: list[Message], world: World) -> None:
        self._number, self._messages, self._world = number, messages, world
        self._next = 0
        self._try = 0  # answers to earlier tries are to a connection that is gone
        self._lost = True
        self.acknowledged: list[Message] = []

    @property
    def done(self) -> bool:
        """Whether all was acknowledged."""
        return self._next >= len(self._messages)

    def send(self) -> None:
        """Its next message, once more if need be."""
        if self.done:
            return
        self._try += 1
        self._lost = False
        self._world.later(self._world.latency(), self._arrive, self._messages[self._next], self._try)

    def hung_up(self) -> None:
        """The engine is gone, and with it the connection."""
        if not (self.done or self._lost):
            self._again()

    def _again(self) -> None:
        self._lost = True
        self._try += 1
        self._world.later(self._world.chance.uniform(0.05, 1.0), self.send)

    def _arrive(self, message: Message, attempt: int) -> None:
        world, weather = self._world, self._world.weather
        if attempt != self._try:
            return
        door = world.door
        if door is None or not door.intake.open or world.happens(weather.cut):
            self._again()
            return
        world.take(self._arrival(message, attempt))
        if attempt == self._try and world.happens(weather.cut):  # after it came, before the answer
            self._again()
        if self.acknowledged and world.happens(weather.again):
            world.take(self._arrival(world.chance.choice(self.acknowledged), 0))

    def _arrival(self, message: Message, attempt: int) -> Arrival:
        return Arrival(
            listener="door", facility="NORTH", organisation="MERCY", peer="orsys", schema="hl7v2/2.5.1",
            message_type=message.kind, sender="ORSYS|NORTH", control_id=message.control_id, occurred_at=None,
            partition=0, notes=None, source=f"sender:{self._number}", charset=None, body=message.body,
            reply=partial(self._answered, message, attempt), complete_within=message.within,
        )  # fmt: skip

    def _answered(self, message: Message, attempt: int, receipt: Receipt) -> None:
        world = self._world
        if receipt in {Receipt.STORED, Receipt.DUPLICATE}:
            world.must_be_durable(message, blake2b(message.body, digest_size=16).digest())
        if attempt != self._try:
            return
        if receipt not in {Receipt.STORED, Receipt.DUPLICATE}:
            self._again()
            return
        self._try += 1
        self._lost = True
        self.acknowledged.append(message)
        self._next += 1
        world.note(f"sender {self._number} has {message.control_id} acknowledged")
        world.later(world.chance.uniform(0.0, 0.2), self.send)
