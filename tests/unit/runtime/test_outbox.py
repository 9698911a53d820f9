"""The outbox: how much of what is open is in memory, and that all of it comes, in order."""

from __future__ import annotations

import pytest

from casecart.runtime.destination import Posting
from casecart.runtime.made import encode_postings
from casecart.runtime.outbox import POSTINGS, Outbox
from casecart.runtime.window import Work
from casecart.store import Change, Entry
from casecart.store.memory import MemoryStore
from support.store import a_message, an_entry

MOST = 10


def entry(sequence: int, postings: int, *, case: int = 0) -> tuple[Entry, list[Posting]]:
    """A row with so many postings."""
    made = [
        Posting(f"{sequence}-{line}", f"{line}", 1, "FT1[1]", "consumption", b"{}", history=[(0, "planned")])
        for line in range(postings)
    ]
    row = an_entry(sequence, open=postings, postings=encode_postings(made), order_key=b"%d" % (case or sequence))
    return row, made


def filled(sizes: list[int], *, case: int = 0) -> tuple[MemoryStore, Outbox]:
    """A store with a row of each size, and an outbox over it."""
    store = MemoryStore()
    rows = [entry(number, size, case=case) for number, size in enumerate(sizes, 1)]
    store.write(Change(messages=[a_message(1)], entries=[row for row, _ in rows]))
    damaged: list[Entry] = []
    return store, Outbox(destination="erp", store=store, most=MOST, damaged=damaged.extend)


def drained(outbox: Outbox) -> list[str]:
    """Every posting's key in the order of their going."""
    came: list[str] = []
    while (batch := outbox.take(7)).items:
        for _, posting in batch.items:
            came.append(posting.key)
            posting.state = "posted"
        outbox.free(batch.keys)
    return came


@pytest.mark.parametrize("case", [0, 1])
@pytest.mark.parametrize(
    "sizes",
    [[1] * 35, [3] * 35, [500] * 4, [1, 500, 1, 1, 39, 1, 1, 500, 41, 1], [POSTINGS * MOST] * 5],
)
def test_all_that_is_open_comes_in_order_whatever_the_rows_hold(sizes: list[int], case: int) -> None:
    _, outbox = filled(sizes, case=case)
    came = drained(outbox)
    wanted = [f"{number}-{line}" for number, size in enumerate(sizes, 1) for line in range(size)]
    assert sorted(came) == sorted(wanted)
    if case:
        assert came == wanted  # of one key


def test_rows_with_very_many_postings_are_not_all_in_memory() -> None:
    _, outbox = filled([500] * MOST)
    outbox.take(1)
    assert outbox._postings == 500


def test_what_is_fed_beyond_the_bound_is_left_to_the_store() -> None:
    store, outbox = filled([])
    outbox.take(1)  # there is nothing
    rows = [entry(number, 30) for number in range(1, 6)]
    store.write(Change(entries=[row for row, _ in rows]))
    outbox.feed(Work(row, postings) for row, postings in rows)
    assert outbox._postings == 60  # 40 and one row more
    assert len(drained(outbox)) == 5 * 30
    assert outbox._postings == 0
