"""How far a destination is drained: the engine tells, by a mark in the store, of the wish that it works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from casecart.commands.desk import Query
from casecart.runtime.marks import DRAINED

if TYPE_CHECKING:
    from casecart.commands.desk import View
    from casecart.store import Cursor, Switch

__all__ = ["Drain", "ShowDrain", "drain_of"]


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """Of a destination that is to be drained."""

    left: int | None
    """Postings that may have had their effect, and nobody knows yet; 0: it is drained; None: not told yet."""
    engine_at_work: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowDrain(Query["Drain | None"]):
    """How far is it? None: nobody wants it drained (any more)."""

    destination: str

    def answer(self, view: View) -> Drain | None:
        """What the engine told of the last wish."""
        switch = next((each for each in view.store.switches() if each.destination == self.destination), None)
        if switch is None or switch.state != "draining":
            return None
        return drain_of(switch, view.store.cursors(), engine_at_work=view.store.engine_at_work())


def drain_of(switch: Switch, cursors: list[Cursor], *, engine_at_work: bool) -> Drain:
    """What the marks say of a wish to drain."""
    mark = next((cursor for cursor in cursors if cursor.name == DRAINED + switch.destination), None)
    told = mark is not None and mark.position == switch.recorded_at
    return Drain(left=mark.epoch if mark is not None and told else None, engine_at_work=engine_at_work)
