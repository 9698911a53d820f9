"""The log of master data: versions are added unseen, published together, and read in their order."""

# ruff: noqa: D102 - what a caller may rely on stands in `Store`

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, LargeBinary, bindparam, literal, literal_column, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from casecart.store import schema
from casecart.store.change import PUBLISHED
from casecart.store.records import MasterVersion

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Select
    from sqlalchemy.sql.compiler import SQLCompiler

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
OF_KIND = (
    select(*VERSION)
    .where(master.c.kind == bindparam("kind"), master.c.position <= bindparam("published"))
    .order_by(master.c.position)
)


class _Holds(FunctionElement[bool]):
    """Whether bytes hold others."""

    type = Boolean()
    inherit_cache = True


@compiles(_Holds, "sqlite")
def _holds_in_sqlite(element: _Holds, compiler: SQLCompiler, **settings: object) -> str:
    return f"instr({compiler.process(element.clauses, **settings)}) > 0"


@compiles(_Holds, "postgresql")
def _holds_in_postgresql(element: _Holds, compiler: SQLCompiler, **settings: object) -> str:
    whole, piece = (compiler.process(each, **settings) for each in element.clauses)
    return f"position({piece} in {whole}) > 0"


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

    def master_holding(self, kind: str, pieces: Collection[bytes]) -> list[MasterVersion]:
        statement = OF_KIND
        if pieces:
            statement = statement.where(or_(*(_Holds(master.c.data, literal(each, LargeBinary)) for each in pieces)))
        rows = self._rows(statement, kind=kind, published=self.published_master())
        return [MasterVersion._make(row) for row in rows]
