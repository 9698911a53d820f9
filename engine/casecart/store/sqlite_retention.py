"""What is past its time in a SQLite file: rows are deleted, and free pages go back to the disk."""

# ruff: noqa: D102 - what a caller may rely on stands in `Store`

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from casecart.store.due import Freed, StoreSize
from casecart.store.retention import RetentionQueries

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["SQLiteRetention"]

DELETE_BODY = "delete from body where position = ?"
DELETE_RUNS = "delete from run where position = ?"

INCREMENTAL: Final = 2
KEPT_FREE: Final = 20
"""One page of so many stays free, for what comes next: to give all back would be to take it again."""


class SQLiteRetention(RetentionQueries, ABC):
    """The part of the store that deletes."""

    _cursor: sqlite3.Cursor

    @abstractmethod
    def _select(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]: ...

    def size(self) -> StoreSize:
        page, pages, free = (
            int(self._select(f"pragma {name}")[0][0]) for name in ("page_size", "page_count", "freelist_count")
        )
        return StoreSize(page * pages, page * free)

    def _remove_bodies(self, positions: Sequence[int]) -> None:
        self._cursor.executemany(DELETE_BODY, [(position,) for position in positions])

    def _remove_documents(self, positions: Sequence[int]) -> None:
        self._cursor.executemany(DELETE_RUNS, [(position,) for position in positions])

    def _give_back(self, limit: Callable[[], int]) -> Iterator[list[Freed]]:
        """Pages from the end of the file take the place of free ones, some at a time; the file is cut behind them."""
        if self._select("pragma auto_vacuum")[0][0] != INCREMENTAL:
            return  # a file of an earlier version: what is free there is used again
        while True:
            size, page = self.size(), int(self._select("pragma page_size")[0][0])
            surplus = (size.free - size.whole // KEPT_FREE) // page
            if surplus <= 0:
                return
            pages = max(1, min(surplus, limit() // 16))
            self._select(f"pragma incremental_vacuum({pages})")
            yield [Freed("space", "space", pages, pages * page)]
