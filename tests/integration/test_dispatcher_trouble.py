"""A dispatcher under fire: classes of error, the breaker, rate limits, drains, and its own faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from twisted.internet.defer import Deferred

from casecart.runtime.destination import Answer, Delivery, NotDelivered, OutcomeUnknown, Posting
from casecart.runtime.dispatcher import Limits
from casecart.runtime.marks import DRAINED
from casecart.runtime.waiting import Waiting
from casecart.store import Switch
from support.line import Line, Script, dft, new_line
from support.simulated import Engine, Site

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def refused(_: Sequence[Posting]) -> NotDelivered:
    return NotDelivered("connection-refused", "Nobody listens there")


def vanished(_: Sequence[Posting]) -> OutcomeUnknown:
    return OutcomeUnknown("time-out", "No answer in time")


def states(line: Line) -> list[str]:
    return [posting.state for posting in line.postings()]


def noted(line: Line) -> list[Waiting]:
    return [Waiting.read(timer.data) for timer in line.store.timers()]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/casecart.db"


class Slow(Script):
    """Answers when the test says."""

    def __init__(self, delivery: Delivery = Delivery.KEYED) -> None:
        super().__init__(delivery)
        self.open: list[tuple[Deferred[Sequence[Answer]], Sequence[Posting]]] = []

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Wait."""
        self.calls.append(("post", [posting.key for posting in postings]))
        answer: Deferred[Sequence[Answer]] = Deferred()
        self.open.append((answer, postings))
        return answer

    def answer(self) -> None:
        """Take the oldest."""
        answer, postings = self.open.pop(0)
        answer.callback(self.take(postings))

    def fail(self, error: Exception) -> None:
        """The oldest fails."""
        self.open.pop(0)[0].errback(error)


# --- classes of error
def test_the_class_of_the_trouble_is_noted_with_the_next_try(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    line.script.answers = [refused, vanished, lambda _: NotDelivered("key-refused", "Wrong key", permanent=True)]
    line.send(dft("M1"))
    assert noted(line) == [Waiting("connection-refused", "transient", 1)]
    line.wait(0.6)
    assert noted(line) == [Waiting("time-out", "unknown", 2)]
    line.wait(1.2)
    assert noted(line) == [Waiting("key-refused", "permanent", 5)]
    line.wait(61)
    assert (states(line), noted(line)) == (["posted"], [])
    line.stop()


def test_what_only_a_person_can_mend_is_tried_by_one_posting_a_minute(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.script.answers = [lambda _: NotDelivered("key-refused", "Wrong key", permanent=True)] * 100
    line.take(dft("M1"))
    line.take(dft("M2", "V2"))
    line.wait(600)
    sizes = [len(keys) for _, keys in line.script.calls]
    assert sizes[0] == 2
    assert set(sizes[1:]) == {1}
    assert 10 <= len(sizes) <= 21
    assert states(line) == ["planned", "planned"]  # nobody is held for it
    line.stop()


# --- the breaker
def test_calls_that_were_under_way_together_fail_as_one(tmp_path: Path, url: str) -> None:
    script = Slow()
    line = new_line(tmp_path, url, script=script, limits=Limits(batch=1, concurrency=6))
    for number in range(6):
        line.take(dft(f"M{number}", f"V{number}"))
    line.settle()
    assert len(script.open) == 6
    for _ in range(6):
        script.fail(NotDelivered("connection-refused", "Nobody listens there"))
    assert (noted(line)[:1] or [Waiting("", None, 1)])[0].failures == 1
    assert not line.dispatcher.breaker_open
    assert (line.dispatcher.next_try or 0) < 1.0
    line.stop()


def test_an_open_breaker_outlives_a_restart(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.script.answers = [refused] * 100
    line.take(dft("M1"))
    line.take(dft("M2", "V2"))
    line.wait(20)
    (timer,) = line.store.timers()
    line.crash()
    line = Line(tmp_path, url)
    line.dispatcher.start(timer.due_at, timer.data)
    assert line.dispatcher.breaker_open
    line.wait(61)
    assert [len(keys) for _, keys in line.script.calls] == [1, 1]  # one probed, and then there was one left
    line.stop()


def test_half_open_one_posting_probes_however_many_calls_may_be_under_way(tmp_path: Path, url: str) -> None:
    script = Slow()
    line = new_line(tmp_path, url, script=script, limits=Limits(batch=10, concurrency=4))
    line.take(dft("M0", "V0"))
    line.settle()
    script.fail(NotDelivered("key-refused", "Wrong key", permanent=True))
    for number in range(1, 9):
        line.take(dft(f"M{number}", f"V{number}"))
    line.wait(61)
    assert [len(postings) for _, postings in script.open] == [1]
    script.answer()
    line.settle()
    assert sum(len(postings) for _, postings in script.open) == 8
    line.stop()


def test_a_destination_in_trouble_keeps_no_other_from_its_work() -> None:
    """Each has a dispatcher, a back-off and a breaker of its own."""
    ill, well = Site(Delivery.KEYED), Site(Delivery.KEYED)
    well.clock = ill.clock
    first, second = Engine(ill).take_over(), Engine(well).take_over()
    first.run(serving=0)
    first.connector.requests[0].time_out()
    second.run(1)
    assert (ill.posting.state, well.posting.state) == ("unknown", "posted")


# --- a rate
def test_no_more_goes_out_in_a_second_than_the_rate(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, limits=Limits(rate=10.0))
    sent: list[tuple[float, int]] = []
    line.script.seen = lambda postings: sent.append((line.clock.seconds(), len(postings)))
    for number in range(60):
        line.take(dft(f"M{number}", f"V{number}"))
    line.settle()
    begin = line.clock.seconds()
    line.wait(2.5)
    assert 30 <= sum(count for _, count in sent) <= 36  # ten at once, then ten a second
    line.wait(4)
    assert states(line) == ["posted"] * 60
    assert line.clock.seconds() - begin > 5.0 - 1.0
    line.stop()


def test_within_a_rate_calls_stay_as_large_as_it_allows(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, limits=Limits(rate=10.0))
    for number in range(40):
        line.take(dft(f"M{number}", f"V{number}"))
    line.wait(5)
    assert [len(keys) for _, keys in line.script.calls] == [10, 10, 10, 10]
    line.stop()


def test_one_posting_is_not_kept_waiting_by_a_rate(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, limits=Limits(rate=0.1))
    line.send(dft("M1"))
    assert states(line) == ["posted"]
    line.send(dft("M2", "V2"))
    assert states(line) == ["posted", "planned"]
    line.wait(10)
    assert states(line) == ["posted", "posted"]
    line.stop()


# --- draining
WISH = 1_790_000_000_000_001


def drain(line: Line, wish: int = WISH) -> None:
    line.dispatcher.obey(Switch("erp", "draining", "ann", "upgrade", wish))
    line.settle()


def told(line: Line) -> list[tuple[int, int]]:
    """(wish, how many may still have their effect) as people can read it."""
    return [(mark.position, mark.epoch) for mark in line.store.cursors() if mark.name == f"{DRAINED}erp"]


@pytest.mark.parametrize("delivery", list(Delivery))
def test_a_drain_sees_what_may_have_had_its_effect_to_its_end_and_sends_nothing_new(
    tmp_path: Path, url: str, delivery: Delivery
) -> None:
    line = new_line(tmp_path, url, script=Script(delivery))
    line.script.answers = [lambda postings: (line.script.take(postings), vanished(postings))[1]]
    line.send(dft("M1"))
    line.take(dft("M2", "V2"))
    drain(line)
    assert told(line) == [(WISH, 1)]
    line.wait(5)
    assert (states(line), told(line)) == (["posted", "planned"], [(WISH, 0)])
    assert line.balance() == (0, 0)
    line.stop()


def test_a_drain_waits_for_what_is_under_way(tmp_path: Path, url: str) -> None:
    script = Slow()
    line = new_line(tmp_path, url, script=script)
    line.send(dft("M1"))
    drain(line)
    assert told(line) == [(WISH, 1)]
    script.answer()
    line.settle()
    assert told(line) == [(WISH, 0)]
    line.stop()


def test_a_drain_of_what_was_surely_not_taken_has_ended(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.script.answers = [refused] * 100
    line.send(dft("M1"))
    drain(line)
    assert (states(line), told(line)) == (["planned"], [(WISH, 0)])
    line.wait(100)
    assert len(line.script.calls) == 1
    line.stop()


def test_a_drain_of_a_destination_that_does_not_answer_goes_on_until_it_does(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, script=Script(Delivery.TWO_STEP))
    line.script.answers = [vanished]
    line.script.look_ups = [refused] * 4
    line.send(dft("M1"))
    drain(line)
    line.wait(5)
    assert told(line) == [(WISH, 1)]
    line.wait(30)
    assert (states(line), told(line)) == (["planned"], [(WISH, 0)])
    line.stop()


@pytest.mark.parametrize("delivery", [Delivery.KEYED, Delivery.TWO_STEP])
def test_a_drain_outlives_a_restart(tmp_path: Path, url: str, delivery: Delivery) -> None:
    line = new_line(tmp_path, url, script=Script(delivery))
    line.script.answers = [vanished]
    line.send(dft("M1"))
    line.take(dft("M2", "V2"))
    line.dispatcher.pause(paused=True)
    line.settle()
    line.crash()
    line = Line(tmp_path, url, script=Script(delivery))
    line.dispatcher.obey(Switch("erp", "draining", "ann", "upgrade", WISH))
    line.start()
    line.wait(5)
    assert told(line) == [(WISH, 0)]
    assert [name for name, _ in line.script.calls] == ["post" if delivery is Delivery.KEYED else "look up"]
    line.stop()


def test_after_a_drain_it_goes_on_from_where_it_was(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.send(dft("M1"))
    drain(line)
    line.send(dft("M2", "V2"))
    assert states(line) == ["posted", "planned"]
    line.dispatcher.obey(Switch("erp", "running", "ann", "", WISH + 1))
    line.settle()
    assert states(line) == ["posted", "posted"]
    line.stop()


def test_a_second_wish_to_drain_is_told_of_too(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    drain(line)
    drain(line, WISH + 5)
    assert told(line) == [(WISH + 5, 0)]
    line.stop()


def test_what_comes_while_it_is_drained_waits_and_is_not_looked_through_each_time(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = new_line(tmp_path, url)
    drain(line)
    looks: list[int] = []
    window = line.dispatcher._outbox._window
    monkeypatch.setattr(window, "take_uncertain", looks.append)
    for number in range(20):
        line.send(dft(f"M{number}", f"V{number}"))
    assert (looks, len(states(line)), line.script.calls) == ([], 20, [])
    line.stop()


# --- faults
def test_a_fault_of_the_dispatcher_blocks_nothing_and_ends_at_a_person(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = new_line(tmp_path, url, limits=Limits(tries=3))
    outcomes = line.dispatcher._flights._outcomes
    hear = outcomes.hear

    def broken(posting: Posting, answer: Answer) -> None:
        if b"POISON" in posting.payload:
            raise ZeroDivisionError
        hear(posting, answer)

    monkeypatch.setattr(outcomes, "hear", broken)
    line.take(dft("M1", "V1"))
    line.take(dft("M2", "V2", lines=["1|CG|POISON|1|OR"]))
    line.take(dft("M3", "V3"))
    line.settle()
    line.wait(120)
    assert states(line) == ["posted", "held", "posted"]
    (held,) = line.store.holds()
    assert (held.code, held.subject) == ("dispatcher-fault", "posting:unknown")
    assert line.balance() == (0, 0)
    line.stop()


@pytest.mark.parametrize("answers", [[], [Answer("posted", "acknowledged")] * 2, [Answer("drafted", reference="1")]])
def test_answers_that_can_not_be_right_are_a_fault_of_the_connector(
    tmp_path: Path, url: str, answers: list[Answer]
) -> None:
    line = new_line(tmp_path, url)
    line.script.answers = [lambda _: answers]
    line.send(dft("M1"))
    assert "connector-fault" in line.dispatcher.trouble
    line.wait(5)
    assert states(line) == ["posted"]
    line.stop()


def test_a_connector_that_can_not_group_costs_its_postings_and_not_the_engine(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = new_line(tmp_path, url, script=Script(Delivery.TWO_STEP))

    def groups(_: Sequence[Posting]) -> list[str]:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(line.script, "groups", groups)
        line.send(dft("M1"))
        assert (line.broken, "connector-fault" in line.dispatcher.trouble) == ([], True)
    line.wait(5)
    assert states(line) == ["posted"]
    line.stop()


def test_what_has_to_settle_keeps_nobody_else(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, script=Script(Delivery.SEARCHABLE))
    line.script.settling = 30.0
    line.script.answers = [vanished]
    line.send(dft("M1"))
    line.send(dft("M2", "V2"))
    line.wait(5)
    assert states(line) == ["unknown", "posted"]
    line.wait(60)
    assert states(line) == ["posted", "posted"]
    assert [name for name, _ in line.script.calls] == ["post", "post", "look up", "post"]
    line.stop()
