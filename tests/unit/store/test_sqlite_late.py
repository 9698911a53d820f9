"""The tail of the look-ups: whatever is committed, fails or is opened anew, tail and tree together have every row."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.store import sqlite_late
from casecart.store.sqlite_late import OFTEN, Late, generation, packed, unpacked

KEYS = (1, 2, OFTEN + 1, 3 * OFTEN, 4 * OFTEN + 7)
ROWS = st.sets(st.tuples(st.sampled_from(KEYS), st.integers(1, 40)), max_size=12)


class Kept:
    """A tree and a log, as the store has them, and the tail over both."""

    def __init__(self) -> None:
        self.tree: set[tuple[int, int]] = set()
        self.log: dict[int, bytes] = {}
        self.late = Late([])

    def commit(self, rows: set[tuple[int, int]], *, made: bool) -> None:
        """As the store goes about it; what is not made leaves nothing."""
        due, finished = self.late.due(len(rows))
        if not made:
            return
        if rows:
            self.log[self.late.number + 1] = packed(rows)
        self.tree.update(due)
        self.log = {number: data for number, data in self.log.items() if number > finished}
        self.late.committed(rows, 20)

    def reopen(self) -> None:
        """The process is gone; tree and log remain."""
        self.late = Late(sorted(self.log.items()))

    def positions(self, key: int) -> set[int]:
        """Where a key is found."""
        return {position for known, position in self.tree if known == key} | set(self.late.positions(key))


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(ROWS, st.sampled_from(["made", "made", "made", "failed", "reopened"])), max_size=40))
def test_tail_and_tree_have_every_row_that_was_committed(
    steps: list[tuple[set[tuple[int, int]], str]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_late, "RUN", 7)
        patch.setattr(sqlite_late, "LEAST", 3)
        kept, committed = Kept(), set[tuple[int, int]]()
        for rows, how in steps:
            kept.commit(rows, made=how != "failed")
            if how == "reopened":
                kept.reopen()
            if how != "failed":
                committed |= rows
            for key in KEYS:
                assert kept.positions(key) == {position for known, position in committed if known == key}


def test_everything_is_in_the_tree_in_the_end_and_the_log_is_empty_but_for_what_is_new() -> None:
    kept = Kept()
    for number in range(30):
        kept.commit({(key, number) for key in KEYS}, made=True)
    kept.reopen()
    while kept.log:
        kept.commit(set(), made=True)
    assert len(kept.tree) == 30 * len(KEYS)


def test_rows_go_into_the_tree_in_its_order() -> None:
    late = Late([(1, packed([(9, 1), (3, 2), (3, 1)]))])
    assert late.due(0) == ([(3, 1), (3, 2), (9, 1)], 0)


def test_what_is_packed_is_unpacked() -> None:
    rows = [(5 << 32 | 0xFFFFFFFF, 2**62), (0, 0)]
    assert list(unpacked(packed(rows))) == rows


def test_more_is_collected_beside_a_longer_log() -> None:
    assert generation(0) < generation(1_000_000) < generation(10_000_000) == generation(100_000_000)
