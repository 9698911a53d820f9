"""Revisions of the workspace: kept whole, numbered once, wanted when they are due; and who runs which."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from casecart.store import (
    ONLY_ENGINE,
    Change,
    Member,
    RevisionHead,
    RevisionTaken,
    Running,
    SharedStore,
    Store,
    migrate,
    open_store,
)
from casecart.store.memory import MemoryStore
from support.postgresql import database
from support.store import NOW, a_message, a_revision, empty, new_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.store import Revision


@pytest.fixture(scope="module")
def migrated(postgresql_server: str) -> Iterator[str]:
    with database(postgresql_server) as url:
        migrate(url)
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


def test_a_revision_comes_back_as_it_was_written(store: Store) -> None:
    written = a_revision(1, note="more mesh", due_at=NOW + 5, origin=1, kind="rollback")
    store.write(Change(revisions=[written]))
    assert store.revision(1) == written
    assert store.revision(2) is None
    assert store.revision(1 << 70) is None


def test_revisions_are_listed_newest_first_in_windows_without_their_files(store: Store) -> None:
    rows = [a_revision(number) for number in range(1, 6)]
    store.write(Change(revisions=rows))
    heads = [RevisionHead._make(row[:-1]) for row in reversed(rows)]
    assert store.revisions(None, 2) == heads[:2]
    assert store.revisions(4, 10) == heads[2:]


def test_a_number_is_given_once_and_the_second_change_writes_nothing(store: Store) -> None:
    store.write(Change(revisions=[a_revision(1)]))
    with pytest.raises(RevisionTaken):
        store.write(Change(messages=[a_message(1)], revisions=[a_revision(1, note="another")]))
    assert store.message(1) is None
    store.write(Change(revisions=[a_revision(2)]))
    assert [head.note for head in store.revisions(None, 10)] == ["", ""]


LATER = NOW + 1_000_000


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([], None),
        ([a_revision(1, kind="start")], None),  # nobody applied it
        ([a_revision(1), a_revision(2)], 2),
        ([a_revision(1), a_revision(2, kind="start")], 1),  # the files were run for once
        ([a_revision(1), a_revision(2, kind="rollback", origin=1)], 2),
        ([a_revision(1), a_revision(2, due_at=LATER)], 1),  # not yet
        ([a_revision(1), a_revision(2, due_at=NOW)], 2),
        ([a_revision(1, due_at=NOW), a_revision(2)], 2),  # what came after it stands
        ([a_revision(1), a_revision(2, cancelled_at=NOW)], 1),
        ([a_revision(1, due_at=LATER)], None),
    ],
)
def test_the_newest_that_was_applied_and_is_due_is_wanted(
    store: Store, rows: list[Revision], wanted: int | None
) -> None:
    store.write(Change(revisions=rows))
    assert store.wanted_revision(NOW) == wanted


def test_one_that_is_cancelled_is_never_wanted_and_stays_cancelled(store: Store) -> None:
    store.write(Change(revisions=[a_revision(1, due_at=LATER)]))
    store.write(Change(cancellations=[(NOW, 1), (NOW + 1, 1), (NOW, 9)]))
    assert store.wanted_revision(LATER) is None
    assert [head.cancelled_at for head in store.revisions(None, 10)] == [NOW]


def test_of_what_an_engine_runs_the_last_word_stands(store: Store) -> None:
    store.write(Change(running=[Running(b"b" * 16, "two (2)", 1, NOW), Running(ONLY_ENGINE, "one (1)", 1, NOW)]))
    refused = Running(ONLY_ENGINE, "one (1)", 1, NOW, 2, "the port is taken")
    store.write(Change(running=[refused]))
    assert store.running() == [refused, Running(b"b" * 16, "two (2)", 1, NOW)]


def test_a_person_writes_revisions_and_not_what_engines_run(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/casecart.db"
    new_store(url)
    with closing(open_store(url, role="person")) as person:
        person.write(Change(revisions=[a_revision(1)], cancellations=[(NOW, 1)]))
        with pytest.raises(RuntimeError, match="a person"):
            person.write(Change(running=[Running(ONLY_ENGINE, "here", 1, NOW)]))


def test_what_an_engine_ran_is_forgotten_with_the_engine(migrated: str) -> None:
    with closing(open_store(migrated, role="engine")) as opened:
        store: SharedStore = opened  # type: ignore[assignment]  # it is one of PostgreSQL
        gone, there = (Member(name * 16, "work", "here (1)", NOW) for name in (b"g", b"t"))
        store.meet(gone)
        store.write(Change(running=[Running(each.id, each.place, 3, NOW) for each in (gone, there)]))
        store.part(gone.id)
        assert [row.member for row in store.running()] == [there.id]
    empty(migrated)
