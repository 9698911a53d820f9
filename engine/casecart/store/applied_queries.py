"""What people and engines ask of the revisions of the workspace."""

# ruff: noqa: D102 - what a caller may rely on stands in `Store`

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, literal_column, or_, select

from casecart.store import schema
from casecart.store.applied import Revision, RevisionHead, Running

if TYPE_CHECKING:
    from sqlalchemy import Select

__all__ = ["AppliedQueries"]

revision, running = schema.revision, schema.running

NOT_CANCELLED = revision.c.cancelled_at.is_(None)
HEADS = (
    select(*(revision.c[name] for name in RevisionHead._fields))
    .where(revision.c.number < bindparam("before"))
    .order_by(revision.c.number.desc())
    .limit(bindparam("limit"))
)
ONE = select(*revision.c).where(revision.c.number == bindparam("number"))
# Of few rows the first: the files are not read past.
WANTED = (
    select(revision.c.number)
    .where(
        revision.c.kind != literal_column("'start'"),
        NOT_CANCELLED,
        or_(revision.c.due_at.is_(None), revision.c.due_at <= bindparam("now")),
    )
    .order_by(revision.c.number.desc())
    .limit(literal_column("1"))
)
RUNNING = select(*running.c).order_by(running.c.member)

LAST = (1 << 63) - 1


class AppliedQueries(ABC):
    """The part of `Store` that is about revisions of the workspace."""

    @abstractmethod
    def _rows(self, statement: Select[*tuple[Any, ...]], **values: object) -> list[tuple[Any, ...]]:
        """Runs a statement with its parameters' values."""

    def revisions(self, before: int | None, limit: int) -> list[RevisionHead]:
        rows = self._rows(HEADS, before=LAST if before is None else before, limit=limit)
        return [RevisionHead._make(row) for row in rows]

    def revision(self, number: int) -> Revision | None:
        rows = self._rows(ONE, number=number) if abs(number) <= LAST else []
        return Revision._make(rows[0]) if rows else None

    def wanted_revision(self, now: int) -> int | None:
        rows = self._rows(WANTED, now=now)
        return int(rows[0][0]) if rows else None

    def running(self) -> list[Running]:
        return [Running._make(row) for row in self._rows(RUNNING)]
