"""What people ask of exceptions, and the engine of what they wish."""

# ruff: noqa: D102 - what a caller may rely on stands in `Store`

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, func, literal_column, select

from casecart.store import schema
from casecart.store.records import LEFT_TO, Hold, HoldGroup, Replay

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Select

__all__ = ["SAME", "WorklistQueries"]

hold, replay = schema.exception, schema.replay

SAME = ("kind", "channel", "facility", "code", "cause", "subject", "field")
"""What the exceptions of a group have in common, besides their state."""

HOLD = [hold.c[name] for name in Hold._fields]
GROUP = [hold.c[name] for name in HoldGroup._fields[:8]]
GROUPS = (
    select(
        *GROUP,
        func.count().label("number"),
        func.count(func.distinct(hold.c.position)),
        func.min(hold.c.recorded_at),
        func.max(hold.c.recorded_at),
        case((func.min(hold.c.assignee) == func.max(hold.c.assignee), func.min(hold.c.assignee)), else_=""),
    )
    .group_by(*GROUP)
    .order_by(literal_column("number").desc(), func.min(hold.c.recorded_at), *GROUP)
)
HELD_COUNT = select(func.count()).where(hold.c.state.in_([literal_column("'new'"), literal_column("'assigned'")]))
REPLAYS = (
    select(*replay.c).where(schema.NOT_LEFT).order_by(replay.c.recorded_at, replay.c.hold).limit(bindparam("limit"))
)
LEFT = (
    select(*replay.c)
    .where(replay.c.channel == bindparam("channel"), replay.c.position > bindparam("after"))
    .order_by(replay.c.position, replay.c.hold)
    .limit(bindparam("limit"))
)
LEFT_COUNTS = (
    select(replay.c.channel, func.count())
    .where(replay.c.channel >= LEFT_TO, replay.c.channel < LEFT_TO[:-1] + chr(ord(LEFT_TO[-1]) + 1))
    .group_by(replay.c.channel)
)


@lru_cache(maxsize=64)
def _holds(states: tuple[str, ...], equal: tuple[str, ...]) -> Select[*tuple[Any, ...]]:
    """Made once for each kind of question: to make a statement and compile it takes longer than to ask it."""
    statement = select(*HOLD).order_by(hold.c.id.desc()).limit(bindparam("limit"))
    if states:
        statement = statement.where(hold.c.state.in_([bindparam(name) for name in states]))
    return statement.where(*(hold.c[name] == bindparam(name) for name in equal))


class WorklistQueries(ABC):
    """The part of `Store` that is about exceptions."""

    @abstractmethod
    def _rows(self, statement: Select[*tuple[Any, ...]], **values: object) -> list[tuple[Any, ...]]:
        """Runs a statement with its parameters' values."""

    def hold(self, identifier: bytes) -> Hold | None:
        return next(iter(self.holds(id=identifier)), None)  # type: ignore[arg-type]  # an id is the one value of bytes

    def holds(
        self, *, states: Collection[str] = (), group: HoldGroup | None = None, limit: int = 100, **equal: str | int
    ) -> list[Hold]:
        if group is not None:
            equal |= {name: getattr(group, name) for name in SAME}
        any_of = {f"state_{number}": state for number, state in enumerate(sorted(states))}
        statement = _holds(tuple(any_of), tuple(equal))
        return [Hold._make(row) for row in self._rows(statement, limit=limit, **any_of, **equal)]

    def hold_groups(self, states: Collection[str], limit: int) -> list[HoldGroup]:
        rows = self._rows(GROUPS.where(hold.c.state.in_(sorted(states))).limit(limit))
        return [HoldGroup._make(row) for row in rows]

    def held_count(self) -> int:
        ((count,),) = self._rows(HELD_COUNT)
        return int(count)

    def replays(self, limit: int) -> list[Replay]:
        return [Replay._make(row) for row in self._rows(REPLAYS, limit=limit)]

    def left(self, listener: str, limit: int, after: int = 0) -> list[Replay]:
        rows = self._rows(LEFT, channel=f"{LEFT_TO}{listener}", after=after, limit=limit)
        return [Replay._make(row) for row in rows]

    def left_counts(self) -> Mapping[str, int]:
        return {channel.removeprefix(LEFT_TO): count for channel, count in self._rows(LEFT_COUNTS)}
