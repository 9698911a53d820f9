"""What a receipt says came of a message: at once, later, of a resend, and when the store can't tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.runtime.destination import Answer
from casecart.runtime.listener import Arrival, Completion, HeldLine, Receipt
from casecart.runtime.pipeline import Pipeline
from casecart.store import Change, HoldChange, Replay, StoreBroken, StoreUnavailable
from support.line import CHANNEL, Line, dft, new_line, write_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.runtime.pipeline import Taken
    from casecart.store import Message

LINES = (
    "1|CG|SCREW|1|OR",
    "2|CG|SCREW|x|OR",
    *(f"{number}|PY|SCREW|1|OR" for number in range(3, 12)),
    "12|CG|SCREW|1|HOLD",
)
HELD = (HeldLine("FT1[2]", "not-a-number"), HeldLine("FT1[12]", "held-by-route"))
"""In the message's order, which is not the order in which they are raised."""


class Asking:
    """A sender whose listener asks what came of its messages, and is told twice."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.told: list[tuple[str, str | Receipt]] = []

    def take(self, body: bytes, *, message_type: str = "DFT^P03", refused: bool = False) -> None:
        """A message arrives."""
        control_id = body.split(b"|")[9].decode()
        self.line.journal.take(
            Arrival(
                listener="or-mllp", facility="NORTH", organisation="MERCY", peer="orsys", schema="hl7v2/2.5.1",
                message_type=message_type, sender="ORSYS|NORTH", control_id=control_id, occurred_at=None, partition=0,
                notes=None, source="127.0.0.1:1", charset=None, body=body,
                reply=lambda receipt: self.told.append((control_id, receipt)),
                stored=lambda: self.told.append((control_id, "stored")),
                complete_within=3.0, tell=True, refused=refused,
            )
        )  # fmt: skip

    @property
    def receipts(self) -> list[tuple[str, Completion | None]]:
        """Value and completion of each."""
        return [(told.value, told.completion) for _, told in self.told if isinstance(told, Receipt)]


class Faulty(Pipeline):
    """Has a fault of the engine for one message."""

    def _map(self, message: Message) -> Taken:
        if message.control_id == "BAD":
            raise ZeroDivisionError
        return super()._map(message)


@pytest.mark.parametrize("budget", [1.0, 0.0])
def test_the_receipt_says_what_came_of_the_message_whenever_it_was_worked(
    tmp_path: Path, store_url: str, budget: float
) -> None:
    line = new_line(tmp_path, store_url, budget=budget, pipeline_class=Faulty)
    sender = Asking(line)
    sender.take(dft("FINE"))
    sender.take(dft("HELD", "V2", lines=LINES))
    sender.take(dft("OTHER", "V3"), message_type="ADT^A01")
    sender.take(dft("BAD", "V4"))
    line.wait(1)
    assert [what for name, what in sender.told if what == "stored"] == ["stored"] * 4
    assert dict(zip(["FINE", "HELD", "OTHER", "BAD"], sender.receipts, strict=True)) == {
        "FINE": ("stored", Completion("processed")),
        "HELD": ("stored", Completion("processed", HELD)),
        "OTHER": ("stored", Completion("unrouted")),
        "BAD": ("stored", Completion("quarantined", (HeldLine("", "engine-fault"),))),
    }
    line.stop()


def test_a_resend_is_told_what_the_first_was_told_and_nothing_happens_twice(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    sender = Asking(line)
    for _ in range(3):
        sender.take(dft("M1", lines=LINES))
        line.settle()
    assert sender.receipts == [(value, Completion("processed", HELD)) for value in ("stored", "duplicate", "duplicate")]
    assert len(line.postings()) == 1
    assert line.balance() == (0, 0)
    line.stop()


@pytest.mark.parametrize("budget", [1.0, 0.0])
def test_a_resend_in_the_same_turn_waits_for_the_message_that_it_repeats(
    tmp_path: Path, store_url: str, budget: float
) -> None:
    line = new_line(tmp_path, store_url, budget=budget)
    sender = Asking(line)
    sender.take(dft("M0", "V0"))
    sender.take(dft("M1", lines=LINES))
    sender.take(dft("M1", lines=LINES))
    line.wait(1)
    receipts = [told for name, told in sender.told if name == "M1" and isinstance(told, Receipt)]
    assert sorted(each.value for each in receipts) == ["duplicate", "stored"]
    assert [each.completion for each in receipts] == [Completion("processed", HELD)] * 2
    assert line.balance() == (0, 0)
    line.stop()


def test_a_resend_of_what_was_answered_late_is_told_what_came_of_it(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    line.crash()
    line = Line(tmp_path, store_url).start()  # careful after the unclean stop: messages are stored first
    line.backlog.end()  # and nobody maps them now
    sender = Asking(line)
    sender.take(dft("M1", lines=LINES))
    line.wait(1)
    sender.take(dft("M1", lines=LINES))  # impatient
    line.wait(4)
    assert sender.receipts == [("late", None), ("late", None)]
    line.crash()
    line = Line(tmp_path, store_url).start()
    line.wait(1)
    sender = Asking(line)
    sender.take(dft("M1", lines=LINES))
    line.settle()
    assert sender.receipts == [("duplicate", Completion("processed", HELD))]
    line.stop()


@pytest.mark.parametrize(("state", "left"), [("fixed", HELD[1:]), ("rejected", HELD), ("parked", HELD)])
def test_what_a_person_has_fixed_is_not_told_to_a_resend(
    tmp_path: Path, store_url: str, state: str, left: tuple[HeldLine, ...]
) -> None:
    line = new_line(tmp_path, store_url)
    line.send(dft("M1", lines=LINES))
    (raised,) = line.store.holds(code="not-a-number")
    line.store.write(Change(hold_changes=[HoldChange(state, "", "", line.now(), raised.id)]))
    sender = Asking(line)
    sender.take(dft("M1", lines=LINES))
    line.settle()
    assert sender.receipts == [("duplicate", Completion("processed", left))]
    line.crash()


def test_what_a_destination_refused_is_no_part_of_the_completion(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    line.script.answers = [lambda postings: [Answer("rejected", code="http-400", words="no") for _ in postings]]
    sender = Asking(line)
    for _ in range(2):
        sender.take(dft("M1"))
        line.wait(1)
    assert line.store.held_count() == 1
    assert sender.receipts == [("stored", Completion("processed")), ("duplicate", Completion("processed"))]
    line.stop()


@pytest.mark.parametrize("trouble", [StoreUnavailable("away"), StoreBroken("for good")])
def test_where_the_store_cant_tell_the_message_is_answered_as_stored_and_once(
    tmp_path: Path, trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db")

    def fail(*_: object, **__: object) -> None:
        raise trouble

    monkeypatch.setattr(line.store, "messages", fail)
    sender = Asking(line)
    sender.take(dft("M1", lines=LINES))
    line.settle()
    monkeypatch.undo()
    assert sender.told[0] == ("M1", "stored")
    assert sender.receipts == [("late", None)]
    assert line.outcomes() == {"M1": "processed"}
    assert not line.broken
    line.stop()


def test_what_could_not_be_stored_is_told_nothing_but_that(tmp_path: Path) -> None:
    line = new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db")
    pages = line.store._connection.execute("pragma page_count").fetchone()[0]  # type: ignore[attr-defined]  # SQLite's own way to a full disk
    line.store._connection.execute(f"pragma max_page_count = {pages}")  # type: ignore[attr-defined]  # as above
    sender = Asking(line)
    sender.take(dft("M1", lines=["1|CG|" + "A" * 400_000 + "|1|OR"]))
    line.settle()
    assert sender.told == [("M1", Receipt.NOT_STORED)]
    line.store._connection.execute("pragma max_page_count = 1000000")  # type: ignore[attr-defined]  # as above
    line.wait(2)
    line.stop()


def test_what_is_refused_is_answered_when_it_is_stored(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    sender = Asking(line)
    sender.take(dft("M1"), refused=True)
    line.settle()
    assert sender.told == [("M1", Receipt.STORED)]
    line.stop()


def _worked_again(line: Line, root: Path, url: str, *, whole: bool) -> Line:
    """The engine is started anew with what was mended, and what was held is worked again as a person wished."""
    fixed = [hold._replace(channel="", place="") if whole else hold for hold in line.store.holds()]
    line.crash()
    mended = Line(root, url).start()
    mended.store.write(
        Change(
            hold_changes=[HoldChange("fixed", "", "mended", mended.now(), hold.id) for hold in fixed],
            replays=[
                Replay(hold.id, hold.position, hold.channel, hold.place, mended.now(), "tester", "", "{}")
                for hold in fixed
            ],
        )
    )
    mended.look()
    mended.wait(1)
    return mended


def test_a_resend_is_told_that_all_is_well_once_the_held_line_was_mended_and_worked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/casecart.db"
    line = new_line(tmp_path, url)
    sender = Asking(line)
    sender.take(dft("M1", lines=["1|CG|SCREW|1|HOLD", "2|CG|SCREW|1|OR"]))
    line.settle()
    assert sender.receipts == [("stored", Completion("processed", (HeldLine("FT1[1]", "held-by-route"),)))]
    write_workspace(tmp_path, channel=CHANNEL.replace("'HOLD'", "'NOBODY'"))
    line = _worked_again(line, tmp_path, url, whole=False)
    sender = Asking(line)
    sender.take(dft("M1", lines=["1|CG|SCREW|1|HOLD", "2|CG|SCREW|1|OR"]))
    line.settle()
    assert sender.receipts == [("duplicate", Completion("processed"))]
    assert sorted(posting.line for posting in line.postings()) == ["1", "2"]
    assert line.balance() == (0, 0)
    line.stop()


def test_a_resend_is_told_that_all_is_well_once_the_message_that_was_put_aside_was_worked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/casecart.db"
    line = new_line(tmp_path, url, pipeline_class=Faulty)
    sender = Asking(line)
    sender.take(dft("BAD"))
    line.settle()
    assert sender.receipts == [("stored", Completion("quarantined", (HeldLine("", "engine-fault"),)))]
    line = _worked_again(line, tmp_path, url, whole=True)
    sender = Asking(line)
    sender.take(dft("BAD"))
    line.settle()
    assert sender.receipts == [("duplicate", Completion("processed"))]
    assert len(line.postings()) == 1
    assert line.balance() == (0, 0)
    line.stop()
