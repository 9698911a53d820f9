"""The dense logs' ends: what a change adds to them, worked out before anything is written."""

from __future__ import annotations

import pytest

from casecart.store import AuditRecord, Count
from casecart.store.tail import Tail, added_up, unpacked
from support.store import NOW, an_event

RECORDS = [AuditRecord(NOW + n, "ann", "replay", f"message {n}", "") for n in range(3)]


def test_events_of_a_change_are_one_row_that_begins_behind_the_last() -> None:
    events = [an_event(1), an_event(2, data={"code": "Ä"})]
    tail, row, _ = Tail(event=7).extended(events, [])
    assert row is not None
    assert row[:4] == (0, 8, 2, events[-1].recorded_at)
    assert unpacked(8, row[4]) == [(8, events[0]), (9, events[1])]
    assert tail == Tail(event=9)


def test_a_change_without_events_and_records_leaves_the_tail() -> None:
    assert Tail(2, 3, 4, b"d").extended([], []) == (Tail(2, 3, 4, b"d"), None, [])


def digests(records: list[AuditRecord], tail: Tail = Tail()) -> list[bytes]:  # noqa: B008 - a tail never changes
    return [row[-1] for row in tail.extended([], records)[2]]


def test_a_chain_is_the_same_however_it_is_cut_into_changes() -> None:
    tail, _, _ = Tail().extended([], RECORDS[:1])
    assert digests(RECORDS) == digests(RECORDS[:1]) + digests(RECORDS[1:], tail)


@pytest.mark.parametrize(
    "changed",
    [
        [RECORDS[0], RECORDS[1]._replace(actor="eve"), RECORDS[2]],  # altered
        [RECORDS[0], RECORDS[2]],  # deleted
        [RECORDS[1], RECORDS[0], RECORDS[2]],  # in another order
        [RECORDS[0]._replace(actor="an", command="nreplay"), *RECORDS[1:]],  # a field's end moved
    ],
)
def test_whoever_changes_a_record_changes_every_digest_behind_it(changed: list[AuditRecord]) -> None:
    assert digests(changed)[-1] != digests(RECORDS)[-1]


def test_counts_of_one_counter_become_one_row() -> None:
    counts = [Count("N", "s", "b", 1), Count("N", "s", "a", 2), Count("N", "s", "b", -3)]
    assert added_up(counts) == [("N", "s", "a", 2), ("N", "s", "b", -2)]
