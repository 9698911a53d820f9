"""From a planned posting to its end: batches, order, back-off, unknown outcomes, restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from twisted.internet.defer import Deferred

from casecart.runtime.destination import Answer, Delivery, NotDelivered, OutcomeUnknown, Posting
from casecart.runtime.dispatcher import COMPANY, HISTORY, Limits
from support.line import Line, Script, dft, new_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def refused(_: Sequence[Posting]) -> NotDelivered:
    """Nothing was sent."""
    return NotDelivered("connection-refused", "Nobody listens there")


def lost(script: Script) -> Callable[[Sequence[Posting]], OutcomeUnknown]:
    """It had its effect, and the answer was lost."""

    def say(postings: Sequence[Posting]) -> OutcomeUnknown:
        script.take(postings)
        return OutcomeUnknown("time-out", "No answer in time")

    return say


def vanished(_: Sequence[Posting]) -> OutcomeUnknown:
    """It had no effect, and nobody can know."""
    return OutcomeUnknown("time-out", "No answer in time")


def states(line: Line) -> list[str]:
    return [posting.state for posting in line.postings()]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/casecart.db"


def test_a_posting_is_posted_with_its_proof_and_its_history(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    line.send(dft("M1"))
    (posting,) = line.postings()
    assert (posting.state, posting.proof, posting.attempts) == ("posted", "acknowledged", 1)
    assert [state for _, state in posting.history] == ["planned", "sent", "posted"]
    assert line.balance() == (0, 0)
    line.stop()


def test_lines_of_many_messages_share_a_batch(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    for number in range(10):
        line.take(dft(f"M{number}", f"V{number}", lines=["1|CG|A|1|OR", "2|CG|B|1|OR"]))
    line.settle()
    assert [len(keys) for _, keys in line.script.calls] == [20]
    line.stop()


def test_postings_wait_for_company_and_go_out_together(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.take(dft("M1", "V1"))
    line.clock.advance(0)
    line.clock.advance(COMPANY / 2)
    assert line.script.calls == []
    line.take(dft("M2", "V2"))
    line.clock.advance(0)
    line.clock.advance(COMPANY / 2)
    assert [len(keys) for _, keys in line.script.calls] == [2]
    line.stop()


def test_a_full_batch_waits_for_nothing(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, limits=Limits(batch=2))
    for number in range(2):
        line.take(dft(f"M{number}", f"V{number}"))
    line.clock.advance(0)
    assert [len(keys) for _, keys in line.script.calls] == [2]
    line.stop()


def test_a_destination_that_refuses_connections_is_tried_again_with_the_same_key(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.script.answers = [refused, refused]
    line.send(dft("M1"))
    assert states(line) == ["planned"]
    assert line.dispatcher.trouble == "Nobody listens there (connection-refused)"
    line.wait(10)
    assert states(line) == ["posted"]
    assert len({keys[0] for _, keys in line.script.calls}) == 1
    assert (line.dispatcher.trouble, line.balance()) == ("", (0, 0))
    line.stop()


def test_what_a_destination_asks_for_is_waited_for(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.script.answers = [lambda _: NotDelivered("busy", "Asked to wait", retry_after=30.0)]
    line.send(dft("M1"))
    line.wait(29)
    assert len(line.script.calls) == 1
    line.wait(2)
    assert states(line) == ["posted"]
    line.stop()


def test_the_next_attempt_outlives_a_restart(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.script.answers = [lambda _: NotDelivered("busy", "Asked to wait", retry_after=30.0)]
    line.send(dft("M1"))
    assert [(timer.owner, timer.key) for timer in line.store.timers()] == [("dispatcher", "erp")]
    line.crash()


def test_a_clock_that_is_set_back_while_no_engine_runs_holds_nothing_up(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.clock.advance(7200)
    line.script.answers = [lambda _: NotDelivered("busy", "Not now")]
    line.send(dft("M1"))
    line.crash()
    line = Line(tmp_path, url).start()  # by its clock the destination is to be tried in two hours
    assert line.script.calls == []
    line.wait(61)
    assert states(line) == ["posted"]
    line.stop()


@pytest.mark.parametrize("delivery", list(Delivery))
def test_an_answer_that_was_lost_is_not_a_second_effect_where_that_is_promised(
    tmp_path: Path, url: str, delivery: Delivery
) -> None:
    line = new_line(tmp_path, url, script=Script(delivery))
    line.script.answers = [lost(line.script)]
    line.send(dft("M1"))
    line.wait(5)
    assert states(line) == ["posted"]
    (effects,) = line.script.effects.values()
    assert effects == (2 if delivery is Delivery.BLIND else 1)  # blind promises at least once, and no more
    line.stop()


@pytest.mark.parametrize("delivery", list(Delivery))
def test_a_posting_that_vanished_arrives_in_the_end(tmp_path: Path, url: str, delivery: Delivery) -> None:
    line = new_line(tmp_path, url, script=Script(delivery))
    line.script.answers = [vanished]
    line.send(dft("M1"))
    line.wait(5)
    assert list(line.script.effects.values()) == [1]
    assert line.balance() == (0, 0)
    line.stop()


@pytest.mark.parametrize("delivery", [Delivery.TWO_STEP, Delivery.SEARCHABLE])
def test_sent_is_durable_before_a_destination_that_can_be_asked_is_called(
    tmp_path: Path, url: str, delivery: Delivery
) -> None:
    line = new_line(tmp_path, url, script=Script(delivery))
    seen: list[list[str]] = []
    line.script.seen = lambda _: seen.append(states(line))
    line.send(dft("M1"))
    assert seen == [["sent"]]
    line.stop()


@pytest.mark.parametrize("delivery", [Delivery.TWO_STEP, Delivery.SEARCHABLE])
def test_after_a_crash_what_was_sent_is_asked_for_before_it_is_sent_again(
    tmp_path: Path, url: str, delivery: Delivery
) -> None:
    line = new_line(tmp_path, url, script=Script(delivery))
    script = line.script
    script.answers = [lost(script)]
    line.send(dft("M1"))
    line.crash()
    line = Line(tmp_path, url, script=script).start()
    line.wait(5)
    assert [name for name, _ in script.calls] == ["post", "look up"]
    assert (states(line), list(script.effects.values())) == (["posted"], [1])
    line.stop()


def test_after_a_crash_open_work_is_taken_up_again(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    line.script.answers = [refused] * 100
    line.send(dft("M1"), dft("M2", "V2"))
    line.crash()
    line = Line(tmp_path, store_url).start()
    line.wait(5)
    assert states(line) == ["posted", "posted"]
    assert line.balance() == (0, 0)
    line.stop()


def test_a_rejected_posting_is_an_exception_and_the_others_are_posted(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)

    def one_bad(postings: Sequence[Posting]) -> Sequence[Answer]:
        return [Answer("rejected", code="http-422", words="No such item"), *line.script.take(postings[1:])]

    line.script.answers = [one_bad]
    line.send(dft("M1", lines=["1|CG|A|1|OR", "2|CG|B|1|OR"]))
    assert states(line) == ["rejected", "posted"]
    (held,) = line.store.holds()
    assert (held.code, held.cause, held.destination, held.place) == ("http-422", "No such item", "erp", "FT1[1]")
    assert line.balance() == (0, 0)
    line.stop()


def test_messages_of_a_case_go_out_one_after_the_other(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.script.answers = [refused]
    line.send(dft("M1", lines=["1|CG|A|1|OR"]), dft("M2", lines=["2|CG|B|1|OR"]))
    line.wait(5)
    first, second = (posting.key for posting in line.postings())
    order = [key for _, keys in line.script.calls for key in keys]
    assert order.index(first) < order.index(second)
    line.stop()


def test_a_posting_that_makes_the_destination_fail_is_held_and_the_others_are_posted(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, limits=Limits(tries=4))
    poison: list[str] = []

    def choke(postings: Sequence[Posting]) -> Sequence[Answer] | Exception:
        if any(b"POISON" in posting.payload for posting in postings):
            poison[:] = [posting.key for posting in postings if b"POISON" in posting.payload]
            return OutcomeUnknown("http-500", "The destination failed")
        return line.script.take(postings)

    line.script.answers = [choke] * 200
    for number in range(10):
        code = "POISON" if number == 4 else "SCREW"
        line.take(dft(f"M{number}", f"V{number}", lines=[f"1|CG|{code}|1|OR"]))
    for number in range(10, 60):  # others go on coming, and succeed
        line.wait(2)
        line.take(dft(f"M{number}", f"V{number}"))
    line.wait(120)
    by_key = {posting.key: posting.state for posting in line.postings()}
    assert [by_key[key] for key in poison] == ["held"]
    assert sorted(by_key.values()) == ["held"] + ["posted"] * 59
    assert line.balance() == (0, 0)
    line.stop()


def test_a_destination_that_is_down_for_long_gets_nobody_held(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, limits=Limits(tries=3))
    line.script.answers = [vanished] * 40
    line.send(dft("M1"), dft("M2", "V2"))
    line.wait(3000)
    assert states(line) == ["posted", "posted"]
    history = [state for _, state in line.postings()[0].history]
    assert (history[0], history[-1]) == ("planned", "posted")
    assert len(history) <= HISTORY + 2  # however long it was down
    line.stop()


def test_work_that_does_not_fit_into_memory_is_fetched_in_order(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url, limits=Limits(window=3, batch=2))
    line.script.answers = [refused] * 3
    for number in range(20):
        line.send(dft(f"M{number}", f"V{number % 4}", lines=[f"{number}|CG|A|1|OR"]))
    line.wait(60)
    assert states(line) == ["posted"] * 20
    sent = [key for name, keys in line.script.calls for key in keys]
    by_case: dict[str, list[int]] = {}
    for posting in line.postings():
        by_case.setdefault(posting.payload.split(b'"case":"')[1].split(b'"')[0].decode(), []).append(
            len(sent) - 1 - sent[::-1].index(posting.key)
        )
    assert all(order == sorted(order) for order in by_case.values())
    assert line.balance() == (0, 0)
    line.stop()


def test_a_paused_destination_gets_nothing_until_it_goes_on(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.dispatcher.pause(paused=True)
    line.send(dft("M1"))
    assert line.script.calls == []
    line.dispatcher.pause(paused=False)
    line.settle()
    assert states(line) == ["posted"]
    line.stop()


def test_while_the_breaker_is_open_one_posting_probes(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.script.answers = [refused] * 6
    line.take(dft("M1", "V1"))
    line.take(dft("M2", "V2"))
    line.wait(100)
    assert [len(keys) for _, keys in line.script.calls[:7]] == [2, 2, 2, 2, 2, 1, 1]
    assert states(line) == ["posted", "posted"]
    line.stop()


def test_a_fault_of_the_connector_is_taken_as_an_unknown_outcome(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.script.answers = [lambda _: ZeroDivisionError()]
    line.send(dft("M1"))
    assert "connector-fault" in line.dispatcher.trouble
    line.wait(5)
    assert states(line) == ["posted"]
    line.stop()


def test_a_held_route_makes_an_exception_and_no_posting(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.send(dft("M1", lines=["1|CG|A|1|HOLD", "2|CG|B|1|OR"]))
    assert [(held.place, held.cause) for held in line.store.holds()] == [("FT1[1]", "Somebody must look at it")]
    assert states(line) == ["posted"]
    assert line.balance() == (0, 0)
    line.stop()


def test_a_filtered_line_is_counted_with_its_reason(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.send(dft("M1", lines=["1|PY|A|1|OR", "2|CG|B|1|OR"]))
    assert (line.counts()["filtered"], line.counts()["posted"]) == (1, 1)
    assert line.balance() == (0, 0)
    line.stop()


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("1|CG|A||OR", "missing"),  # an empty quantity is not 1
        ("1|CG|A|two|OR", "not-a-number"),
        ("1|CG|A|2 EA|OR", "not-a-number"),
        ("1|CG|A|1,5|OR", "not-a-number"),
        ("1|XX|A|1|OR", "code-not-in-table"),
        ("1|CG|A|-1|OR", "quantity-sign"),
    ],
)
def test_a_line_that_can_not_be_mapped_is_an_exception_and_the_next_is_posted(
    tmp_path: Path, url: str, bad: str, code: str
) -> None:
    line = new_line(tmp_path, url)
    line.send(dft("M1", lines=[bad, "2|CG|B|1|OR"]))
    (held,) = line.store.holds()
    assert (held.place, held.code) == ("FT1[1]", code)
    assert states(line) == ["posted"]
    assert line.balance() == (0, 0)
    line.stop()


def test_no_patient_identifier_leaves_or_is_told(tmp_path: Path, url: str) -> None:
    line = new_line(tmp_path, url)
    line.send(dft("M1", "CANARY77", lines=["1|CG|A|1|OR", "2|CG|B|x|OR"]))
    (posting,) = line.postings()
    told = posting.payload + repr(line.store.holds()).encode() + repr(line.store.events(0, 100)).encode()
    assert b"CANARY77" not in told
    assert b"MRN0001" not in told
    line.stop()


class Silent(Script):
    """Never answers."""

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Nothing comes back, and nothing happened."""
        self.calls.append(("post", [posting.key for posting in postings]))
        return Deferred()


@pytest.mark.parametrize("delivery", [Delivery.TWO_STEP, Delivery.SEARCHABLE])
def test_what_a_crash_left_as_sent_is_asked_for_at_once_and_without_a_fault(
    tmp_path: Path, url: str, delivery: Delivery
) -> None:
    line = new_line(tmp_path, url, script=Silent(delivery))
    line.send(dft("M1"))
    assert states(line) == ["sent"]
    line.crash()
    script = Script(delivery)
    line = Line(tmp_path, url, script=script).start()
    assert [name for name, _ in script.calls] == ["look up"]
    assert line.dispatcher.trouble == ""
    line.wait(2)
    assert (states(line), list(script.effects.values())) == (["posted"], [1])
    line.stop()
