"""The way in of the simulated engine: it hands over what simulated senders send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed

from casecart.runtime.listener import Listener, ListenerContext, ListenerSpec
from casecart.workspace import Declared, declared

if TYPE_CHECKING:
    from support.simulation.world import World

__all__ = ["SPEC", "Door"]


@declared(name="simulated listener", about="What simulated senders send.")
class DoorSettings(Declared):
    """Nothing can be set."""


class Door:
    """Open while its engine is up."""

    port = 0
    where = "(simulated)"

    def __init__(self, context: ListenerContext) -> None:
        self.intake = context.intake
        self._world: World = context.reactor.world

    def start(self) -> Deferred[None]:
        """Senders can come."""
        self._world.door = self
        return succeed(None)

    def stop(self) -> Deferred[None]:
        """They can't any more. What was taken is answered when the engine flushes its journal."""
        self._world.door = None
        return succeed(None)


def _make(context: ListenerContext) -> Listener:
    return Door(context)


SPEC: Final = ListenerSpec(
    kind="simulated", about="Takes what simulated senders send.", settings=DoorSettings, make=_make
)
