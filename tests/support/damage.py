"""One byte of what a store keeps becomes another one, behind the store's back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casecart.store.schema import metadata
from support.crash_oracle import connected

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Stored", "blobs", "flip", "restored", "snapshot"]


@dataclass(frozen=True, slots=True)
class Stored:
    """A value of a row; `where` names the row by the columns of its key."""

    table: str
    column: str
    where: tuple[tuple[str, Any], ...]
    value: bytes

    def __str__(self) -> str:
        """For a test's words."""
        return f"{self.table}.{self.column} {dict(self.where)}"


def blobs(url: str, columns: Iterable[tuple[str, str]]) -> list[Stored]:
    """Every value that is not empty of these (table, column)."""
    found = []
    with connected(url) as connection:
        for table, column in columns:
            keys = [key.name for key in metadata.tables[table].primary_key]
            cursor = connection.cursor()
            cursor.execute(f"select {', '.join(keys)}, {column} from {table}")  # noqa: S608 - our own names
            for *key, value in cursor.fetchall():
                if value:
                    plain = value.encode() if isinstance(value, str) else bytes(value)
                    found.append(Stored(table, column, tuple(zip(keys, key, strict=True)), plain))
    return found


def flip(url: str, stored: Stored, at: int, mask: int) -> None:
    """The byte at this place is XORed with the mask."""
    value = bytearray(stored.value)
    value[at] ^= mask
    put: Any = bytes(value)
    if metadata.tables[stored.table].c[stored.column].type.python_type is str:
        put = put.decode("latin-1")
    mark = "?" if url.startswith("sqlite") else "%s"
    keys = " and ".join(f"{name} = {mark}" for name, _ in stored.where)
    with connected(url) as connection:
        cursor = connection.cursor()
        statement = f"update {stored.table} set {stored.column} = {mark} where {keys}"  # noqa: S608 - as above
        cursor.execute(statement, (put, *(key for _, key in stored.where)))
        assert cursor.rowcount == 1
        connection.commit()


Snapshot = dict[str, list[tuple[Any, ...]]]


def snapshot(url: str) -> Snapshot:
    """Every row of every table."""
    with connected(url) as connection:
        cursor = connection.cursor()
        rows: Snapshot = {}
        for table in _tables(url):
            cursor.execute(f"select * from {table}")  # noqa: S608 - as above
            rows[table] = cursor.fetchall()
    return rows


def restored(url: str, rows: Snapshot) -> None:
    """The tables of the snapshot are as they were."""
    mark = "?" if url.startswith("sqlite") else "%s"
    with connected(url) as connection:
        cursor = connection.cursor()
        for table in rows:
            cursor.execute(f"delete from {table}")  # noqa: S608 - as above
            if rows[table]:
                marks = ", ".join([mark] * len(rows[table][0]))
                cursor.executemany(f"insert into {table} values ({marks})", rows[table])  # noqa: S608 - as above
        connection.commit()


def _tables(url: str) -> list[str]:
    kind = "sqlite" if url.startswith("sqlite") else "postgresql"
    return [table.name for table in metadata.sorted_tables if table.info.get("only", kind) == kind]
