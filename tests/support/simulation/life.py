"""One life of a simulated engine, from its start to its death: its part of the clock, and its store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casecart.store import Change, OutcomeUnknown, Store, StoreBroken, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.clock import Call
    from support.simulation.world import World

__all__ = ["Crash", "Life"]

MOST_CALLS = 20_000  # more than any life needs: a turn that has itself called again at once, for ever, comes here


class Crash(BaseException):
    """The process is gone. Not an `Exception`: nothing in the engine may stop it."""


class Life:
    """What the engine of one life is given as its reactor.

    When it is over, nothing that the dead engine still does on its way out of the call reaches anybody.
    """

    def __init__(self, world: World) -> None:
        self.world, self.over = world, False
        self._store = FaultyStore(self)
        self._calls: list[Any] = []
        self._made = 0

    @property
    def as_store(self) -> Store:
        """What the engine is given as its store."""
        return self._store

    def seconds(self) -> float:
        """Computing takes time, in some weathers much."""
        world = self.world
        if world.storm and world.weather.slow and world.chance.random() < world.weather.slow:
            world.clock.rightNow += world.chance.uniform(0.0, 0.05)
        return world.clock.seconds()

    def callLater(self, delay: float, call: Callable[..., Any], /, *arguments: Any) -> Call:  # noqa: ANN401, N802 - Twisted's
        """As a reactor does it."""
        self._made += 1
        if self._made > MOST_CALLS:
            self.world.violated("the engine calls itself again and again")
            self.end()
        made = self.world.clock.callLater(max(0.0, delay), self.run, call, *arguments)
        self._calls = [each for each in self._calls if each.active()]
        self._calls.append(made)
        return made

    def run(self, call: Callable[..., Any], *arguments: Any) -> None:  # noqa: ANN401 - whatever it was given
        """Call into the engine."""
        if self.over:
            return
        try:
            call(*arguments)
        except Crash:
            pass
        except Exception as fault:  # noqa: BLE001 - a real reactor would log it, and go on
            self.world.violated(f"{type(fault).__name__} came out of {call.__qualname__}")

    def break_store(self) -> None:
        """For good, as far as this life is concerned."""
        self._store.broken = True

    def waiting(self) -> list[str]:
        """What is still to be called, by name."""
        return [call.args[0].__qualname__ for call in self._calls if call.active()]

    def end(self) -> None:
        """From now on nothing happens in it."""
        self.over = True
        for call in self._calls:
            if call.active():
                call.cancel()


class FaultyStore:
    """The durable store as one life sees it: each call may fail, and the process may die before or after it."""

    def __init__(self, life: Life) -> None:
        self._life, self._world = life, life.world
        self.broken = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of a store
        method = getattr(self._world.store, name)
        if not callable(method):
            return method

        def call(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as above
            self._before(name)
            return method(*given, **named)

        return call

    def write(self, change: Change) -> None:
        """One transaction."""
        world, chance, weather = self._world, self._world.chance, self._world.weather
        self._before("write")
        uncertain = world.storm and chance.random() < weather.uncertain
        if uncertain and chance.random() < 0.5:
            world.note("write uncertain, not made")
            raise OutcomeUnknown("the connection was lost in the commit")
        world.commit(change)
        if world.storm and chance.random() < weather.crash:
            world.crash("after a commit")
            raise Crash
        if uncertain:
            world.note("write uncertain, made")
            raise OutcomeUnknown("the connection was lost in the commit")

    def _before(self, name: str) -> None:
        world, chance, weather = self._world, self._world.chance, self._world.weather
        if self._life.over:
            raise Crash
        if self.broken:
            raise StoreBroken("the store is broken")
        if not world.storm:
            return
        if chance.random() < weather.crash:
            world.crash(f"before {name}")
            raise Crash
        if world.clock.seconds() < world.store_back_at or chance.random() < weather.unavailable:
            world.note(f"{name} unavailable")
            raise StoreUnavailable("the store does not answer")
        if chance.random() < weather.broken:
            world.note(f"{name} broken")
            self.broken = True
            raise StoreBroken("the store is broken")
