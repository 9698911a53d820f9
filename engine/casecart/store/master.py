"""The log of master data: versions are added unseen, published together, and read in their order."""

# ruff: noqa: D102 - what a caller may rely on stands in `Store`

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, literal_column, select

from casecart.store import schema
from casecart.store.interface import PUBLISHED
from casecart.store.records import MasterVersion

if TYPE_CHECKING:
    from sqlalchemy import Select

__all__ = ["TIDIED", "MasterQueries"]

TIDIED = "master:tidied"
"""A cursor: up to there it is marked which versions others stand over."""

master = schema.master

VERSION = [master.c[name] for name in MasterVersion._fields]
CURSOR = select(schema.cursor.c.position).where(
    schema.cursor.c.name == bindparam("name"), schema.cursor.c.partition == literal_column("0")
)
PUBLIC = (
    select(*VERSION)
    .where(master.c.position > bindparam("after"), master.c.position <= bindparam("published"))
    .order_by(master.c.position)
    .limit(bindparam("limit"))
)
CURRENT = PUBLIC.where(master.c.superseded == literal_column("0"), master.c.data != bindparam("nothing"))
HISTORY = (
    select(*VERSION)
    .where(
        master.c.kind == bindparam("kind"),
        master.c.key == bindparam("key"),
        master.c.position <= bindparam("published"),
    )
    .order_by(master.c.position.desc())
)


class MasterQueries(ABC):
    """The part of `Store` that reads master data."""

    @abstractmethod
    def _rows(self, statement: Select[*tuple[Any, ...]], **values: object) -> list[tuple[Any, ...]]:
        """Runs a statement with its parameters' values."""

    def published_master(self) -> int:
        return self._master_cursor(PUBLISHED)

    def _master_cursor(self, name: str) -> int:
        rows = self._rows(CURSOR, name=name)
        return int(rows[0][0]) if rows else 0

    def master(self, after: int, limit: int, *, current: bool) -> list[MasterVersion]:
        values: dict[str, object] = {"after": after, "limit": limit, "published": self.published_master()}
        rows = self._rows(CURRENT, **values, nothing=b"") if current else self._rows(PUBLIC, **values)
        return [MasterVersion._make(row) for row in rows]

    def master_history(self, kind: str, key: str) -> list[MasterVersion]:
        rows = self._rows(HISTORY, kind=kind, key=key, published=self.published_master())
        return [MasterVersion._make(row) for row in rows]
