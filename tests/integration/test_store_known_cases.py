"""What was told of a case: of each channel and field the newest word stands, whoever writes it, in whatever order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from casecart.store import Change, Due, KnownCase, LegalHold, Store, lookup_key, open_store
from casecart.store.memory import MemoryStore
from support.postgresql import database
from support.store import NOW, a_case, a_known_case, a_message, a_run, empty, new_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400_000_000
ALL = (b"", "", "")


@pytest.fixture(scope="module")
def migrated(postgresql_server: str) -> Iterator[str]:
    with database(postgresql_server) as url:
        new_store(url)
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store, opened by an engine."""
    if request.param == "memory":
        yield MemoryStore()
        return
    url = f"sqlite:///{tmp_path}/casecart.db" if request.param == "sqlite" else request.getfixturevalue("migrated")
    new_store(url)
    with closing(open_store(url, role="engine")) as opened:
        yield opened
    if request.param == "postgresql":
        empty(url)


OLD, SAME, NEW = a_known_case(1, told_at=NOW - 1), a_known_case(2), a_known_case(3)


@pytest.mark.parametrize("order", list(permutations([OLD, SAME, NEW])))
def test_the_newest_word_stands_in_whatever_order_it_comes(store: Store, order: tuple[KnownCase, ...]) -> None:
    for row in order:
        store.write(Change(known_cases=[row]))
    assert store.known_cases([a_case(1)]) == [NEW]


@pytest.mark.parametrize("order", list(permutations([OLD, SAME, NEW])))
def test_the_newest_word_of_one_change_stands(store: Store, order: tuple[KnownCase, ...]) -> None:
    store.write(Change(known_cases=[*order]))
    assert store.known_cases([a_case(1)]) == [NEW]


def test_the_same_message_worked_again_may_say_another_thing(store: Store) -> None:
    store.write(Change(known_cases=[NEW]))
    store.write(Change(known_cases=[NEW._replace(value=b"mended")]))
    assert store.known_cases([a_case(1)]) == [NEW._replace(value=b"mended")]


def test_channels_fields_and_cases_are_known_apart(store: Store) -> None:
    rows = [NEW, NEW._replace(field="location"), NEW._replace(channel="visits"), NEW._replace(case_key=a_case(2))]
    store.write(Change(known_cases=rows))
    assert store.known_cases([a_case(1), a_case(3), a_case(1)]) == sorted(rows[:3])
    assert store.known_cases([]) == []


def test_all_that_is_known_is_read_in_windows(store: Store) -> None:
    rows = sorted(
        NEW._replace(case_key=a_case(number), field=field) for number in range(5) for field in ("a", "b", "ä")
    )
    store.write(Change(known_cases=rows))
    found: list[KnownCase] = []
    while window := store.known_cases_after(found[-1][:3] if found else ALL, 4):
        found += window
    assert found == rows


def test_two_engines_that_note_the_same_cases_at_once_agree_on_the_newest_word(migrated: str) -> None:
    """Each writes the cases in another order: neither waits for the other for ever, and none is overwritten."""
    cases = list(range(20))

    def engine(step: int) -> None:
        with closing(open_store(migrated, role="engine")) as opened:
            for number in range(10):
                position = 2 * number + (step > 0)
                rows = [a_known_case(position, case_key=a_case(case), told_at=NOW + number) for case in cases[::step]]
                opened.write(Change(known_cases=rows))

    with ThreadPoolExecutor(2) as engines:
        list(engines.map(engine, (1, -1)))
    with closing(open_store(migrated, role="reader")) as reader:
        rows = reader.known_cases([a_case(case) for case in cases])
        assert {(row.told_at, row.position, row.value) for row in rows} == {(NOW + 9, 19, b"value 19")}
        assert len(rows) == len(cases)
    empty(migrated)


def test_what_is_known_is_the_engines_to_write(tmp_path: Path) -> None:
    new_store(f"sqlite:///{tmp_path}/casecart.db")
    with (
        closing(open_store(f"sqlite:///{tmp_path}/casecart.db", role="person")) as person,
        pytest.raises(RuntimeError, match="a person"),
    ):
        person.write(Change(known_cases=[NEW]))


def due(now: int) -> Due:
    spans = dict.fromkeys(("processed", "unrouted", "refused", "quarantined"), 30 * DAY)
    span = 400 * DAY
    return Due(now=now, bodies=spans, channels={}, documents=span, events=span, exceptions=span, again=True)


def expire(store: Store, now: int, limit: int = 2) -> list[tuple[str, int]]:
    freed = [each for step in store.expire(due(now), lambda: limit) for each in step]
    return [(each.kind, each.amount) for each in freed if each.kind == "cases"]


def put(store: Store, *rows: KnownCase) -> None:
    numbers = sorted({row.position for row in rows})
    messages = [a_message(number, recorded_at=NOW + number * DAY) for number in numbers]
    store.write(Change(messages=messages, runs=[a_run(number) for number in numbers], known_cases=[*rows]))


def test_what_is_known_goes_with_the_documents_of_the_message_that_told_it(store: Store) -> None:
    put(store, *(a_known_case(number, case_key=a_case(number)) for number in range(1, 6)))
    assert expire(store, NOW + 400 * DAY) == []
    told = expire(store, NOW + 404 * DAY)
    assert sum(amount for _, amount in told) == 3
    assert [row.position for row in store.known_cases_after(ALL, 10)] in ([4, 5], [5, 4])
    assert [each.amount for each in store.expiries() if each.kind == "cases"] == [3]


def test_what_a_newer_message_told_again_stays(store: Store) -> None:
    put(store, a_known_case(1), a_known_case(3, told_at=NOW + 1))
    assert expire(store, NOW + 402 * DAY) == []
    assert [row.position for row in store.known_cases([a_case(1)])] == [3]


@pytest.mark.parametrize(
    ("kind", "value"), [("message", "1"), ("facility", "NORTH"), ("case", "case-T")], ids=lambda value: value
)
def test_what_is_known_stays_under_a_legal_hold(store: Store, kind: str, value: str) -> None:
    put(store, a_known_case(1))
    hold = LegalHold(b"l" * 16, kind, value, "a lawsuit", "ann", NOW)  # type: ignore[arg-type]  # one of three words
    store.write(Change(legal_holds=[hold], lookups=[(lookup_key("token", "case-T"), 1)]))
    assert expire(store, NOW + 1000 * DAY) == []
    store.write(Change(releases=[(b"l" * 16,)]))
    assert expire(store, NOW + 1000 * DAY) == [("cases", 1)]
