"""When the store fails in the middle: nothing acknowledged is lost, nothing is done twice, and all goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.runtime.destination import Answer, Delivery, NotDelivered, Posting
from casecart.runtime.dispatcher import Limits
from casecart.runtime.listener import Receipt
from casecart.runtime.pipeline import Pipeline
from casecart.store import Change, Cursor, MessageFilter, OutcomeUnknown, StoreBroken, StoreUnavailable
from support.line import Line, Script, dft, new_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from casecart.runtime.pipeline import Result, Taken
    from casecart.runtime.serials import Serials
    from casecart.runtime.statements import Statements
    from casecart.runtime.usual import Usual
    from casecart.store import Message


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/casecart.db"


def states(line: Line) -> list[str]:
    return [posting.state for posting in line.postings()]


class Fails:
    """A method of the store that fails once, before or after it has done its work."""

    def __init__(self, fault: Exception, *, when: Callable[..., bool] = lambda *_: True, after: bool = False) -> None:
        self.fault, self.when, self.after, self.failed = fault, when, after, False

    def put(self, line: Line, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        real = getattr(line.store, name)

        def method(*given: object) -> object:
            if self.failed or not self.when(*given):
                return real(*given)
            self.failed = True
            if self.after:
                real(*given)
            raise self.fault

        monkeypatch.setattr(line.store, name, method)


LOST = StoreUnavailable("the connection is lost")
MADE = OutcomeUnknown("the connection was lost in the commit")


@pytest.mark.parametrize("delivery", [Delivery.BLIND, Delivery.TWO_STEP, Delivery.KEYED])
def test_what_was_to_be_written_when_the_store_failed_before_the_commit_is_written_later(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, delivery: Delivery
) -> None:
    line = new_line(tmp_path, url, script=Script(delivery))
    seen: list[list[str]] = []
    line.script.seen = lambda _: seen.append(states(line))
    line.take(dft("M1", "V1"))
    line.journal.flush()
    Fails(LOST).put(line, "case_rows", monkeypatch)
    line.take(dft("M2", "V2"))  # asked for its case in the turn that makes M1's state durable
    line.settle()
    line.wait(5)
    if delivery is Delivery.TWO_STEP:
        assert seen[0][0] == "sent"  # durable before the call
    assert states(line)[0] == "posted"
    line.crash()
    line = Line(tmp_path, url, script=line.script).start()
    line.wait(5)
    assert set(line.script.effects.values()) == {1}
    assert line.balance() == (0, 0)
    line.stop()


def test_a_backlog_commit_that_was_made_after_all_is_not_overtaken(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_line(tmp_path, url).crash()
    line = Line(tmp_path, url).start()  # unclean: stored first
    Fails(MADE, when=lambda change: bool(change.outcomes), after=True).put(line, "write", monkeypatch)
    line.send(dft("A", lines=["1|CG|A|1|OR"]))
    line.wait(5)
    line.send(dft("B", lines=["2|CG|B|1|OR"]))
    line.wait(60)
    assert states(line) == ["posted", "posted"]
    sent = [key for _, keys in line.script.calls for key in keys]
    assert sent == [posting.key for posting in line.postings()]
    line.stop()


def test_a_journal_commit_that_was_made_after_all_is_not_overtaken_by_the_backlog(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = new_line(tmp_path, url, budget=0.0)
    for number in range(4):
        line.take(dft(f"M{number}", lines=[f"{number}|CG|A|1|OR"]))
    line.journal.flush()
    real = line.pipeline.process

    def one(messages: Sequence[Message], change: Change, until: float | None = None, *, least: int = 0) -> list[Result]:
        return real(messages if until is None else messages[:1], change, until, least=least)  # a slow mapping

    Fails(MADE, when=lambda change: bool(change.outcomes), after=True).put(line, "write", monkeypatch)
    with monkeypatch.context() as slow:
        slow.setattr(line.pipeline, "process", one)
        line.clock.advance(0)
    line.wait(60)
    assert states(line) == ["posted"] * 4
    sent = [key for _, keys in line.script.calls for key in keys]
    assert sent == [posting.key for posting in line.postings()]
    assert line.balance() == (0, 0)
    line.stop()


@pytest.mark.parametrize("name", ["reserve", "case_rows"])
def test_a_store_that_fails_while_a_message_is_processed_is_not_that_messages_fault(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    line = new_line(tmp_path, url)
    Fails(LOST, when=lambda kind, *_: kind != "message").put(line, name, monkeypatch)
    line.send(dft("M1"))
    assert line.replies == [("M1", Receipt.NOT_STORED)]
    line.wait(2)
    line.send(dft("M1"))
    assert line.outcomes() == {"M1": "processed"}
    assert line.store.holds() == []
    line.stop()


def test_a_store_that_is_lost_for_good_while_it_is_waited_for_ends_the_engine(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = new_line(tmp_path, url)
    Fails(LOST).put(line, "write", monkeypatch)
    line.take(dft("M1"))
    line.settle()
    Fails(StoreBroken("another engine took over")).put(line, "cursors", monkeypatch)
    line.wait(2)
    assert [type(fault) for fault in line.broken] == [StoreBroken]
    line.crash()


def test_a_clean_stop_while_the_store_is_waited_for_loses_no_settlement(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = new_line(tmp_path, url, script=Script(Delivery.BLIND))
    Fails(LOST, when=lambda change: bool(change.settlements)).put(line, "write", monkeypatch)
    line.send(dft("M1"))
    assert [line.journal.open] == [False]
    line.stop()
    line = Line(tmp_path, url, script=line.script).start()
    line.wait(5)
    assert list(line.script.effects.values()) == [1]
    line.stop()


def test_a_look_for_work_that_failed_is_taken_again(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = new_line(tmp_path, url)
    line.dispatcher.pause(paused=True)
    line.send(dft("M1"))
    line.crash()
    line = Line(tmp_path, url)
    Fails(LOST).put(line, "open_entries", monkeypatch)
    line.start()
    line.wait(3)
    assert states(line) == ["posted"]
    line.stop()


def test_a_pause_of_the_machine_leaves_nothing_waiting(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = new_line(tmp_path, url, budget=0.0)
    line.take(dft("M1"))
    line.journal.flush()
    late = line.clock.seconds
    monkeypatch.setattr(line.pipeline, "_clock", lambda: late() + 1000.0)  # the budget is always used up
    line.settle()
    assert line.outcomes() == {"M1": "processed"}
    line.stop()


def test_the_deaths_of_a_suspect_are_not_forgotten_when_the_store_fails_at_its_mark(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = new_line(tmp_path, url)
    line.journal.store_first = True
    line.take(dft("M1"))
    line.journal.flush()
    (message,) = line.store.waiting(0, 9)
    line.store.write(
        Change(
            cursors=[Cursor("backlog:trying", 0, message.position, 1), Cursor("backlog:until", 0, message.position, 0)]
        )
    )
    line.crash()
    line = Line(tmp_path, url)
    marks: list[int] = []
    real = line.store.write

    def write(change: Change) -> None:
        real(change)
        marks.extend(cursor.epoch for cursor in change.cursors if cursor.name == "backlog:trying" and cursor.position)

    monkeypatch.setattr(line.store, "write", write)
    Fails(LOST, when=lambda change: any(cursor.epoch for cursor in change.cursors)).put(line, "write", monkeypatch)
    line.start()
    line.wait(2)
    assert marks == [2]
    line.stop()


def test_a_resend_of_what_is_processed_is_answered_at_once_though_messages_are_stored_first(
    tmp_path: Path, url: str
) -> None:
    line = new_line(tmp_path, url)
    line.send(dft("M1"))
    line.journal.store_first = True
    line.take(dft("M1"), complete_within=30.0)
    line.settle()
    assert line.replies[1:] == [("M1", Receipt.DUPLICATE)]
    line.stop()


def test_a_resend_of_what_still_waits_is_answered_when_that_is_complete(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.journal.store_first = True
    line.send(dft("M1"))
    line.journal.store_first = False
    line.take(dft("M1"), complete_within=30.0)
    line.settle()
    assert line.replies[1:] == []
    line.backlog._start()  # what waits is worked off
    line.settle()
    assert line.replies[1:] == [("M1", Receipt.DUPLICATE)]
    line.stop()


def test_a_large_message_is_not_held_for_one_failure_after_many_successes(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, limits=Limits(batch=1))
    down = NotDelivered("http-503", "The service answered 503")
    line.script.answers = [*[line.script.take] * 10, *[lambda _: down] * 5]
    line.send(dft("M1", lines=[f"{number}|CG|A|1|OR" for number in range(15)]))
    line.wait(120)
    assert states(line) == ["posted"] * 15
    line.stop()


def test_a_large_message_that_gets_on_is_not_held_for_one_failure_a_line(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, limits=Limits(batch=1, tries=5))
    down = NotDelivered("http-503", "The service answered 503")
    line.script.answers = [lambda _: down, line.script.take] * 15
    line.send(dft("M1", lines=[f"{number}|CG|A|1|OR" for number in range(15)]))
    line.wait(60)
    assert states(line) == ["posted"] * 15
    line.stop()


def test_what_was_not_even_sent_is_never_held_for_it(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, limits=Limits(tries=3))

    def busy(postings: Sequence[Posting]) -> Sequence[Answer]:
        return [Answer("retry", code="http-429", words="Not sent yet", tried=False, retry_after=7.0) for _ in postings]

    line.script.answers = [busy] * 20
    line.send(dft("M1", lines=["1|CG|A|1|OR", "2|CG|B|1|OR"]))
    line.wait(6)
    assert len(line.script.calls) == 1  # it asked for seven seconds
    line.wait(1000)
    assert states(line) == ["posted", "posted"]
    line.stop()


def test_a_timer_of_an_earlier_run_goes_when_the_destination_answers(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.script.answers = [lambda _: NotDelivered("busy", "Asked to wait", retry_after=2.0)]
    line.send(dft("M1"))
    line.crash()
    line = Line(tmp_path, url)
    line.dispatcher.start(line.store.timers()[0].due_at)
    line.wait(5)
    assert (states(line), line.store.timers()) == (["posted"], [])
    line.stop()


class Late(Pipeline):
    """Has a fault of the engine for one message, after its effect was added to the change."""

    def _effect(
        self,
        message: Message,
        mapped: Taken,
        usual: Usual,
        about: tuple[Statements, Serials],
        change: Change,
    ) -> Result:
        result = super()._effect(message, mapped, usual, about, change)
        if message.control_id == "BAD":
            raise ZeroDivisionError
        return result


def test_a_message_that_was_put_aside_leaves_no_trace_for_the_others(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, pipeline_class=Late)
    line.take(dft("BAD", "V1", lines=["1|CG|A|1|OR"]))
    line.take(dft("GOOD", "V1", lines=["1|CG|A|1|OR"]))
    line.settle()
    assert line.outcomes() == {"BAD": "quarantined", "GOOD": "processed"}
    (posting,) = line.postings()
    assert posting.state == "posted"
    token = posting.payload.split(b'"case":"')[1].split(b'"')[0].decode()
    assert line.store.token(token) is not None
    assert line.balance() == (0, 0)
    line.stop()


def test_large_bodies_do_not_pile_up_in_memory(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casecart.runtime.journal.MOST_BYTES_BEHIND", 1000)
    line = new_line(tmp_path, url, budget=0.0)
    for number in range(10):
        line.take(dft(f"M{number}", f"V{number}"))
    line.journal.flush()
    assert line.journal._behind == []
    line.wait(1)
    assert set(line.outcomes().values()) == {"processed"}
    assert len(line.store.messages(MessageFilter(), None, 20)) == 10
    line.stop()
