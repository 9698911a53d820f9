"""What the simulation found: a store that breaks, or does not answer, where that was not thought of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.runtime.destination import NotDelivered
from casecart.store import Change, OutcomeUnknown, StoreBroken, StoreUnavailable
from support.line import Line, dft, new_line
from support.simulation.world import fair_world

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db")


def fail(fault: Exception, line: Line, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on that method of the store fails."""

    def method(*_: object) -> None:
        raise fault

    monkeypatch.setattr(line.store, name, method)


def test_an_engine_whose_store_breaks_while_nothing_happens_ends_at_its_next_look() -> None:
    with fair_world() as world:
        world.clock.advance(2.0)
        life = world.life
        assert not life.over
        life.break_store()
        world.clock.advance(2.0)
        assert life.over


def test_a_look_for_work_in_a_broken_store_ends_no_call_of_the_reactor(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(StoreBroken("another engine took over"), line, "open_entries", monkeypatch)
    line.dispatcher.resync()
    assert line.dispatcher.next_try is not None
    line.crash()


def test_a_resend_is_not_told_complete_because_the_store_can_not_be_asked(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.journal.store_first = True
    line.send(dft("M1"))
    assert line.outcomes() == {"M1": "waiting"}
    with monkeypatch.context() as patched:
        fail(StoreUnavailable("the connection is lost"), line, "message", patched)
        line.take(dft("M1"), complete_within=5.0)
        line.settle()
    assert [receipt.value for _, receipt in line.replies] == ["stored"]
    line.backlog._start()
    line.settle()
    assert [receipt.value for _, receipt in line.replies] == ["stored", "duplicate"]
    line.stop()


def test_who_was_told_late_is_told_complete_when_a_commit_that_seemed_to_fail_was_made(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.journal.store_first = True
    line.take(dft("M1"), complete_within=5.0)
    line.settle()
    real = line.store.write

    def write(change: Change) -> None:
        real(change)
        if change.outcomes:
            raise OutcomeUnknown("the connection was lost in the commit")

    with monkeypatch.context() as patched:
        patched.setattr(line.store, "write", write)
        line.backlog._start()
        line.wait(6)
    line.take(dft("M1"), complete_within=5.0)
    line.settle()
    assert [receipt.value for _, receipt in line.replies] == ["late", "duplicate"]
    line.stop()


def test_a_clock_set_back_while_the_engine_was_down_makes_a_wait_no_longer_than_a_minute(line: Line) -> None:
    line.script.answers = [lambda _: NotDelivered("busy", "Asked to wait", retry_after=2.0)]
    line.send(dft("M1"))
    (timer,) = line.store.timers()
    line.crash()
    line = Line(line.root, line.url)
    two_hours = 7_200_000_000  # the due time as a clock sees it that was set back by so much
    line.dispatcher.start(timer.due_at + two_hours, timer.data)
    waits = line.dispatcher.next_try
    line.crash()
    assert waits is not None
    assert waits <= 60
