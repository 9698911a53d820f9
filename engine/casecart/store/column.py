"""The columns that the tables of every store are made of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

__all__ = ["NUMBER", "TEXT", "Xid8", "number", "octets", "small", "words"]

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits. SQLite has one integer, and a key is its row id only when it is called just that."""

TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Ordered by its bytes in both: an index outlives an upgrade of the system's collations."""


class Xid8(UserDefinedType[Any]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """As the server calls it."""
        return "xid8"


ischema_names["xid8"] = Xid8  # SQLAlchemy reads types back by this list, and has no xid8 in it


def number(name: str, *, null: bool = False, key: bool = False) -> Column[int]:
    """A 64-bit column."""
    return Column(name, NUMBER, nullable=null, primary_key=key, autoincrement=False)


def small(name: str, *, null: bool = False, key: bool = False) -> Column[int]:
    """A 32-bit column."""
    return Column(name, Integer, nullable=null, primary_key=key, autoincrement=False)


def words(name: str, *, null: bool = False, key: bool = False) -> Column[str]:
    """A text column."""
    return Column(name, TEXT, nullable=null, primary_key=key)


def octets(name: str, *, null: bool = False, key: bool = False) -> Column[bytes]:
    """A column of bytes."""
    return Column(name, LargeBinary, nullable=null, primary_key=key)
