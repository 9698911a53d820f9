"""From an arrival to its answer: the group commit, duplicates, what happens when the store can't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.runtime.destination import Answer
from casecart.runtime.listener import Arrival, Receipt
from casecart.runtime.pipeline import Pipeline
from casecart.store import Change, Message, MessageFilter
from support.line import Line, dft, new_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from casecart.runtime.pipeline import Result, Taken


@pytest.fixture
def line(tmp_path: Path, store_url: str) -> Iterator[Line]:
    made = new_line(tmp_path, store_url)
    yield made
    made.stop()
    assert not made.broken


def test_an_arrival_is_answered_only_after_its_commit(line: Line) -> None:
    line.take(dft("M1"))
    assert line.replies == []
    line.settle()
    assert line.replies == [("M1", Receipt.STORED)]


def test_the_bytes_are_stored_as_they_came(line: Line) -> None:
    body = dft("M1")
    line.send(body)
    row = line.store.messages(MessageFilter(), None, 1)[0]
    message = line.store.message(row.position)
    assert message is not None
    assert (message.body, message.outcome, message.control_id) == (body, "processed", "M1")


def test_what_arrives_in_one_turn_is_stored_in_the_order_of_its_coming(line: Line) -> None:
    for number in range(5):
        line.take(dft(f"M{number}"))
    line.settle()
    rows = line.store.messages(MessageFilter(), None, 10)
    assert [row.control_id for row in reversed(rows)] == [f"M{number}" for number in range(5)]


def test_a_resend_is_acknowledged_again_and_does_nothing_else(line: Line) -> None:
    line.send(dft("M1"), dft("M1"))
    assert line.replies == [("M1", Receipt.STORED), ("M1", Receipt.DUPLICATE)]
    assert len(line.store.messages(MessageFilter(), None, 10)) == 1
    assert sum(line.script.effects.values()) == 1
    assert line.balance() == (0, 0)


def test_a_resend_in_the_same_turn_is_found_too(line: Line) -> None:
    line.take(dft("M1"))
    line.take(dft("M1"))
    line.settle()
    assert sorted(receipt.value for _, receipt in line.replies) == ["duplicate", "stored"]
    assert line.balance() == (0, 0)


def test_a_resend_among_new_messages_does_not_disturb_them(line: Line) -> None:
    line.send(dft("M1"))
    for body in (dft("M2", "V2"), dft("M1"), dft("M3", "V3")):
        line.take(body)
    line.settle()
    assert line.replies[1:] == [("M2", Receipt.STORED), ("M1", Receipt.DUPLICATE), ("M3", Receipt.STORED)]
    assert sum(line.script.effects.values()) == 3
    assert line.balance() == (0, 0)


def test_a_control_id_used_again_for_other_bytes_is_a_new_message_with_a_flag(line: Line) -> None:
    line.send(dft("M1"), dft("M1", "V2"), dft("M1", "V3"))
    rows = line.store.messages(MessageFilter(), None, 10)
    assert [row.notes for row in reversed(rows)] == [None, "control-id-reused", "control-id-reused"]
    assert [receipt for _, receipt in line.replies] == [Receipt.STORED] * 3


def test_a_refused_arrival_is_a_visible_record_that_nothing_is_made_of(line: Line) -> None:
    line.take(dft("M1"), refused=True)
    line.take(dft("M1"), refused=True)
    line.settle()
    assert line.outcomes() == {"M1": "refused"}
    assert len(line.store.messages(MessageFilter(), None, 10)) == 2
    assert line.script.calls == []
    assert line.balance() == (0, 0)


def test_a_message_that_no_channel_accepts_is_stored_as_unrouted(line: Line) -> None:
    body = dft("M1").replace(b"DFT^P03", b"ADT^A01")
    line.journal.take(_arrival(line, body, "ADT^A01"))
    line.settle()
    assert line.outcomes() == {"M1": "unrouted"}
    assert line.balance() == (0, 0)


def _arrival(line: Line, body: bytes, message_type: str) -> Arrival:
    line.take(body)
    arrival = line.journal._arrivals.pop()
    arrival.message_type = message_type
    return arrival


def test_messages_beyond_the_time_budget_are_mapped_afterwards(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url, budget=0.0)
    line.take(dft("M1"))
    line.settle()
    assert line.at_reply == {"M1": "waiting"}
    assert line.outcomes() == {"M1": "processed"}
    assert sum(line.script.effects.values()) == 1
    assert line.balance() == (0, 0)
    line.stop()


def test_what_does_not_fit_in_the_budget_is_mapped_in_order_and_before_anything_newer(
    tmp_path: Path, store_url: str
) -> None:
    line = new_line(tmp_path, store_url, budget=0.0)
    for number in range(10):
        line.take(dft(f"M{number}", "V1", lines=[f"{number}|CG|A|1|OR"]))
    line.journal.flush()
    line.take(dft("M10", "V1", lines=["10|CG|A|1|OR"]))
    line.settle()
    assert [posting.line for posting in line.postings()] == [str(number) for number in range(11)]
    sequences = [entry.sequence for number in range(1, 12) for entry in line.store.entries(number)]
    assert sequences == sorted(sequences)
    assert line.balance() == (0, 0)
    line.stop()


def test_more_than_memory_should_hold_is_left_to_the_backlog(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casecart.runtime.journal.MOST_BEHIND", 3)
    line = new_line(tmp_path, store_url, budget=0.0)
    for number in range(20):
        line.take(dft(f"M{number}", f"V{number}"))
    line.wait(1)
    assert set(line.outcomes().values()) == {"processed"}
    assert sum(line.script.effects.values()) == 20
    assert line.balance() == (0, 0)
    line.take(dft("LAST", "V99"))  # and the journal maps by itself again
    line.settle()
    assert line.outcomes()["LAST"] == "processed"
    line.stop()


def test_what_waited_in_memory_when_the_store_failed_is_found_in_the_store(tmp_path: Path) -> None:
    line = new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db", budget=0.0)
    line.take(dft("M1", lines=[f"{number}|CG|{'A' * 5000}|1|OR" for number in range(40)]))
    line.journal.flush()
    assert line.outcomes() == {"M1": "waiting"}
    pages = line.store._connection.execute("pragma page_count").fetchone()[0]  # type: ignore[attr-defined]  # SQLite's own way to a full disk
    line.store._connection.execute(f"pragma max_page_count = {pages}")  # type: ignore[attr-defined]  # as above
    line.settle()
    assert line.outcomes() == {"M1": "waiting"}
    line.store._connection.execute("pragma max_page_count = 1000000")  # type: ignore[attr-defined]  # as above
    line.wait(5)
    assert line.outcomes() == {"M1": "processed"}
    assert sum(line.script.effects.values()) == 40
    assert line.balance() == (0, 0)
    line.stop()


def test_on_complete_is_answered_when_the_work_is_committed(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url, budget=0.0)
    line.take(dft("M1"), complete_within=30.0)
    line.settle()
    assert line.replies == [("M1", Receipt.STORED)]
    assert line.at_reply == {"M1": "processed"}
    line.stop()


def test_on_complete_is_answered_as_stored_when_its_time_is_up(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    line.crash()
    line = Line(tmp_path, store_url).start()  # careful after the unclean stop: messages are stored first
    line.backlog.end()  # and nobody maps them now
    line.take(dft("M1"), complete_within=3.0)
    line.wait(2)
    assert line.replies == []
    line.wait(2)
    assert line.replies == [("M1", Receipt.LATE)]
    line.store.close()


def test_a_full_disk_is_not_acknowledged_and_everything_goes_on_when_there_is_room(tmp_path: Path) -> None:
    line = new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db")
    line.send(dft("M0", "V0"))
    pages = line.store._connection.execute("pragma page_count").fetchone()[0]  # type: ignore[attr-defined]  # SQLite's own way to a full disk
    line.store._connection.execute(f"pragma max_page_count = {pages}")  # type: ignore[attr-defined]  # SQLite's own way to a full disk
    line.take(dft("M1", "V1", lines=["1|CG|" + "A" * 400_000 + "|1|OR"]))
    line.settle()
    assert line.replies[-1] == ("M1", Receipt.NOT_STORED)
    assert [line.journal.open] == [False]
    line.store._connection.execute("pragma max_page_count = 1000000")  # type: ignore[attr-defined]  # SQLite's own way to a full disk
    line.wait(2)
    assert [line.journal.open] == [True]
    line.send(dft("M2", "V2"))
    assert line.replies[-1] == ("M2", Receipt.STORED)
    assert line.outcomes() == {"M0": "processed", "M2": "processed"}
    assert line.balance() == (0, 0)
    line.stop()


class Faulty(Pipeline):
    """Has a fault of the engine for one message."""

    def _map(self, message: Message) -> Taken:
        if message.control_id == "BAD":
            raise ZeroDivisionError
        return super()._map(message)


def test_a_fault_of_the_engine_puts_one_message_aside_and_no_other(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url, pipeline_class=Faulty)
    for body in (dft("M1", "V1"), dft("BAD", "V2"), dft("M2", "V3")):
        line.take(body)
    line.settle()
    assert line.outcomes() == {"M1": "processed", "BAD": "quarantined", "M2": "processed"}
    assert [held.code for held in line.store.holds()] == ["engine-fault"]
    assert line.balance() == (0, 0)
    line.stop()


class DiedError(BaseException):
    """Stands for the death of the process."""


class Deadly(Pipeline):
    """Dies of one message."""

    def process(
        self, messages: Sequence[Message], change: Change, until: float | None = None, *, least: int = 0
    ) -> list[Result]:
        if any(message.control_id == "DEADLY" for message in messages):
            raise DiedError
        return super().process(messages, change, until, least=least)


def test_a_message_that_kills_the_engine_is_put_aside_after_three_deaths(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url, pipeline_class=Deadly)
    line.take(dft("DEADLY", "V9"))
    with pytest.raises(DiedError):
        line.settle()
    assert line.outcomes() == {}  # it was never stored, so never acknowledged: the sender sends it again
    line.crash()
    deaths = 0
    while True:
        line = Line(tmp_path, store_url, pipeline_class=Deadly)
        try:
            line.start()
            if not deaths:
                line.take(dft("M1", "V1"))
                line.take(dft("DEADLY", "V9"))
                line.take(dft("M2", "V2"))
            line.wait(1)
            break
        except DiedError:
            deaths += 1
            line.crash()
            assert deaths < 10
    assert deaths == 3
    assert line.outcomes() == {"M1": "processed", "DEADLY": "quarantined", "M2": "processed"}
    assert line.balance() == (0, 0)
    line.stop()


def test_after_an_unclean_stop_messages_are_stored_before_they_are_mapped(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    line.crash()
    line = Line(tmp_path, store_url).start()
    line.take(dft("M1"))
    line.wait(1)
    assert line.at_reply == {"M1": "waiting"}
    assert line.outcomes() == {"M1": "processed"}
    line.stop()


def test_after_a_clean_stop_messages_are_mapped_with_the_commit_again(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    line.stop()
    line = Line(tmp_path, store_url).start()
    line.take(dft("M1"))
    line.settle()
    assert line.at_reply == {"M1": "processed"}
    line.stop()


class Broken(Pipeline):
    """Has a fault of the engine for a whole group."""

    def process(
        self, messages: Sequence[Message], change: Change, until: float | None = None, *, least: int = 0
    ) -> list[Result]:
        raise ZeroDivisionError(len(messages), change, until, least)


def test_a_fault_of_the_engine_in_a_commit_acknowledges_nobody_and_stops_it(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url, pipeline_class=Broken)
    line.take(dft("M1"))
    line.settle()
    assert line.replies == [("M1", Receipt.NOT_STORED)]
    assert [type(fault) for fault in line.broken] == [ZeroDivisionError]
    line.crash()


@pytest.mark.parametrize("within", [None, 5.0])
@pytest.mark.parametrize("method", ["reply", "stored"])
def test_an_answer_that_cannot_be_given_stops_neither_the_engine_nor_the_answers_of_others(
    line: Line, method: str, within: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    for control_id in ("M1", "M2", "M3"):
        arrival = line.arrival(dft(control_id, control_id), complete_within=within)
        if control_id == "M2":
            setattr(arrival, method, lambda *_: 1 // 0)
        line.journal.take(arrival)
    line.settle()
    line.send(dft("M2", "M2"))
    answered = ["M1", "M3"] if method == "reply" else ["M1", "M2", "M3"]
    assert [control_id for control_id, _ in line.replies[:-1]] == answered
    assert line.replies[-1] == ("M2", Receipt.DUPLICATE)
    assert line.outcomes() == {"M1": "processed", "M2": "processed", "M3": "processed"}
    failed = method == "reply" or within is not None
    assert [record.getMessage().split(": ")[0] for record in caplog.records] == (
        ["a sender could not be answered (stored)"] if failed else []
    )
    assert line.balance() == (0, 0)


def test_what_came_of_a_message_and_cannot_be_read_is_told_as_late(
    line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("casecart.runtime.awaited.completion_of", lambda *_: 1 // 0)
    for control_id, tell in (("M1", False), ("M2", True), ("M3", False)):
        arrival = line.arrival(dft(control_id, control_id), complete_within=5.0)
        arrival.tell = tell
        line.journal.take(arrival)
    line.settle()
    assert line.replies == [("M1", Receipt.STORED), ("M2", Receipt.LATE), ("M3", Receipt.STORED)]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["what came of a message can't be told"]


def test_a_fault_of_the_engine_in_the_backlog_stops_it(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    line.journal.store_first = True
    line.take(dft("M1"))
    line.journal.flush()
    assert line.outcomes() == {"M1": "waiting"}
    line.crash()
    line = Line(tmp_path, store_url, pipeline_class=Broken).start()
    assert [type(fault) for fault in line.broken] == [ZeroDivisionError]
    line.crash()


@pytest.mark.parametrize(
    "lines",
    [
        ["1\\X00\\|CG|A|1|HOLD"],  # held by the route, under its line's id
        ["1\\X00\\|CG|A|1|OR"],
        ["1\0|CG|A|1|HOLD"],
    ],
)
def test_a_nul_in_a_message_harms_nobody(tmp_path: Path, store_url: str, lines: list[str]) -> None:
    line = new_line(tmp_path, store_url)
    line.script.answers = [lambda postings: [Answer("rejected", code="http-400", words="no\0") for _ in postings]]
    line.send(dft("M1", "V\\X00\\1", lines=lines), dft("M2", "V2"))
    assert line.outcomes() == {"M1": "processed", "M2": "processed"}
    assert not line.broken
    assert line.balance() == (0, 0)
    line.stop()


def test_a_message_without_any_line_says_so(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    line.send(dft("M1", lines=[]))
    (row,) = line.store.messages(MessageFilter(), None, 1)
    assert (row.outcome, row.notes) == ("processed", "no-lines")
    line.stop()
