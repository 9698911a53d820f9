"""A store of an earlier version with all kinds of unfinished work in it: brought up to date, and seen through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic import command

from casecart.runtime.destination import NotDelivered, Posting
from casecart.store import StoreUnavailable, backup_file, migrate, open_store
from casecart.store.migration import configuration, connected, kept
from casecart.store.schema import REVISION
from support.line import Line, Script, dft, new_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def refused(_: Sequence[Posting]) -> NotDelivered:
    return NotDelivered("connection-refused", "Nobody listens there", retry_after=30.0)


def in_flight(root: Path, url: str, script: Script) -> None:
    """What an engine leaves that was killed: waiting messages, open postings, an exception, a timer."""
    line = new_line(root, url, script=script)
    script.answers = [refused] * 100
    line.send(dft("M1", lines=["1|CG|A|3|OR", "2|CG|B|1|HOLD"]), dft("M2", "V2"))
    assert [timer.owner for timer in line.store.timers()] == ["dispatcher"]
    line.backlog.end()
    line.journal.store_first = True
    line.send(dft("M3", "V3"))
    assert line.outcomes() == {"M1": "processed", "M2": "processed", "M3": "waiting"}
    line.crash()
    script.answers = []


def brought_back_down(url: str) -> None:
    """The tables as an earlier version had them."""
    with connected(url) as connection:
        command.downgrade(configuration(connection), "0001")


def test_work_that_was_in_flight_goes_on_after_the_store_is_brought_up(tmp_path: Path, store_url: str) -> None:
    script = Script()
    in_flight(tmp_path, store_url, script)
    brought_back_down(store_url)
    migrate(store_url)
    line = Line(tmp_path, store_url, script=script).start()
    line.wait(60)
    assert line.outcomes() == {"M1": "processed", "M2": "processed", "M3": "processed"}
    assert [posting.state for posting in line.postings()] == ["posted"] * 3
    assert sorted(script.effects.values()) == [1, 1, 1]
    assert [hold.state for hold in line.store.holds()] == ["new"]
    line.send(dft("M4", lines=["1|CD|A|1|OR"]))  # a credit on a line of before
    line.wait(2)
    assert [posting.revision for posting in line.postings() if posting.line == "1"] == [1, 1, 1, 2]
    line.send(dft("M1", lines=["1|CG|A|3|OR", "2|CG|B|1|HOLD"]))  # and a message of before comes again
    assert line.counts()["duplicate"] == 1
    assert line.balance() == (0, 0)
    line.stop()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A SQLite file of an earlier version, with work in flight."""
    path = tmp_path / "casecart.db"
    in_flight(tmp_path, f"sqlite:///{path}", Script())
    brought_back_down(f"sqlite:///{path}")
    return path


def revision(path: Path) -> object:
    with connected(f"sqlite:///{path}") as connection:
        return connection.exec_driver_sql("select version_num from alembic_version").scalar()


def test_a_copy_is_kept_of_a_file_before_it_is_brought_up(old: Path, tmp_path: Path) -> None:
    migrate(f"sqlite:///{old}")
    copy = kept(old, "0001")
    assert (revision(old), revision(copy)) == (REVISION, "0001")
    migrate(f"sqlite:///{copy}", keep=False)  # as whole as the other one
    store = open_store(f"sqlite:///{copy}", role="reader")
    assert len(store.waiting(0, 10)) == 1
    store.close()
    assert [path.name for path in tmp_path.glob("*.part*")] == []


def test_one_that_is_up_is_not_copied_again(old: Path, tmp_path: Path) -> None:
    migrate(f"sqlite:///{old}")
    before = sorted(tmp_path.iterdir())
    migrate(f"sqlite:///{old}")
    assert sorted(tmp_path.iterdir()) == before


def test_without_room_for_the_copy_the_store_stays_as_it_is_and_the_words_say_what_to_do(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_file, "SPARE", 1 << 60)
    with pytest.raises(StoreUnavailable, match=r"MB free.*casecart migrate --without-copy"):
        migrate(f"sqlite:///{old}")
    assert (revision(old), kept(old, "0001").exists()) == ("0001", False)
    migrate(f"sqlite:///{old}", keep=False)
    assert revision(old) == REVISION
