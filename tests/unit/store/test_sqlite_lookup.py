"""Look-ups in SQLite: whatever is committed, fails or is opened anew, an engine and others find every row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from casecart.store import schema, sqlite_lookup
from casecart.store.lookup import OFTEN
from casecart.store.sqlite_lookup import Lookups, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS = (0, 1, OFTEN - 1, OFTEN, OFTEN + 7)
ROWS = st.sets(st.tuples(st.sampled_from(KEYS), st.integers(1, 40)), max_size=12)
ALL = 1_000


class Kept:
    """The two tables, and the look-ups of an engine over them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        for table in (schema.lookup_filter, schema.lookup_log, schema.lookup_run):
            table.create(create_engine("sqlite://", creator=lambda: connection))
        self.open()

    def open(self) -> None:
        """As a new engine does."""
        self.engine = Lookups(self.select, often=True)

    def select(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values).fetchall()

    def commit(self, rows: set[tuple[int, int]], *, made: bool = True) -> None:
        """What is not made leaves nothing."""
        self.engine.add(rows, self.connection.execute)
        if made:
            self.connection.commit()
            self.engine.committed()
        else:
            self.connection.rollback()

    def count(self, table: str) -> int:
        return int(self.select(f"select count(*) from {table}", ())[0][0])  # noqa: S608 - our own names


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that there are many runs of several chunks."""
    monkeypatch.setattr(sqlite_lookup, "RUN", 20)
    monkeypatch.setattr(sqlite_lookup, "CHUNK", 3)
    monkeypatch.setattr(sqlite_lookup, "KEPT", 2)
    monkeypatch.setattr(sqlite_lookup._Filter, "BITS", 16)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(ROWS, st.sampled_from(["made", "made", "made", "failed", "reopened"])), max_size=40))
def test_every_row_that_was_committed_is_found_and_no_other(
    steps: list[tuple[set[tuple[int, int]], str]],
) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        kept, committed = Kept(connection), set[tuple[int, int]]()
        for rows, how in steps:
            kept.commit(rows, made=how != "failed")
            if how == "reopened":
                kept.open()
            if how != "failed":
                committed |= rows
            for asked in (kept.engine, Lookups(kept.select, often=False)):
                for key in KEYS:
                    there = sorted({position for known, position in committed if known == key})
                    assert list(asked.positions(key, ALL)) == there


def test_a_key_with_more_positions_than_a_chunk_has_rows_is_found_in_all_of_them() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        kept = Kept(connection)
        kept.commit({(1, 1), *((OFTEN + 5, position) for position in range(1, 21))})
        kept.commit(set())
        assert kept.count("lookup_run") == 7
        assert kept.engine.positions(OFTEN + 5, ALL) == list(range(1, 21))
        assert kept.engine.positions(1, ALL) == [1]


def test_of_many_positions_the_newer_ones_are_given() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        kept = Kept(connection)
        for position in range(1, 101):
            kept.commit({(OFTEN + 5, position)})
        assert kept.engine.positions(OFTEN + 5, 3) == [98, 99, 100]


def test_the_log_has_only_what_is_in_no_run() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        kept = Kept(connection)
        for position in range(1, 20):
            kept.commit({(1, position)})
        assert (kept.count("lookup_log"), kept.count("lookup_run")) == (19, 0)
        kept.commit({(1, 20)})
        kept.commit({(1, 21)})
        assert (kept.count("lookup_log"), kept.count("lookup_run")) == (1, 7)


def test_an_engine_asks_no_run_for_what_surely_is_in_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        kept = Kept(connection)
        kept.commit({(key, 1) for key in range(40)})
        kept.commit(set())
        kept.open()
        asked: list[str] = []

        def select(query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
            asked.append(query)
            return kept.select(query, values)

        monkeypatch.setattr(kept.engine, "_select", select)
        assert [kept.engine.positions(key, ALL) for key in range(1_000, 1_100)] == [()] * 100
        assert len(asked) < 5
        assert kept.engine.positions(7, ALL) == [1]


def test_what_is_packed_is_unpacked() -> None:
    rows = [(5 << 32 | 0xFFFFFFFF, 2**62), (0, 0)]
    assert unpacked(packed(rows)) == rows


def test_an_engine_that_starts_reads_only_the_runs_after_the_filter_that_is_kept() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        kept = Kept(connection)
        for number in range(7):
            kept.commit({(100 * number + key, 1) for key in range(20)})
        assert kept.select("select kind, run from lookup_filter", ()) == [(0, 6), (1, 6)]
        kept.select("delete from lookup_run where run < 6 returning run", ())
        kept.open()
        assert all(100 * number + key in kept.engine._filters[0] for number in range(6) for key in range(20))
