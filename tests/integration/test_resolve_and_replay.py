"""From a number in a message to an item, and from an exception that a person fixed to a posting, with a real store."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, NoReturn

import pytest

from casecart.canonical.master import Assignment, Department, Identifier, Item, Location
from casecart.runtime import follower
from casecart.runtime.made import decode_made
from casecart.runtime.pipeline import Pipeline
from casecart.store import Change, Count, HoldChange, Replay
from support.line import CHANNEL, MAPPING, Line, dft, new_line
from support.master import publish, remove

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from casecart.canonical import Usage
    from casecart.runtime.copy import Decision
    from casecart.runtime.window import Work
    from casecart.store import Hold, Message

STEPS = """\
  - map: usage
  - resolve: {item: {order: [di, charge_code]}, location: {from: [department]}}
  - verify: [lot, serial, expiry]
"""
FIELDS = """\
  charge_code: {path: FT1-7.1, optional: true}
  di: {path: FT1-7.4, optional: true}
  serial: {path: FT1-7.2, optional: true}
  used_on: {path: FT1-4, type: date, optional: true}
  expiry: {path: FT1-7.5, type: date, optional: true}
"""
SCREW = Item(
    number="SCREW",
    unit="EA",
    identifiers=(
        Identifier(system="charge", value="C-1"),
        Identifier(system="GS1", value="04012345000016"),
        Identifier(system="GS1", value="14012345000013", quantity="10", unit="BX"),
    ),
)
ROOM = Department(number="OR", assignments=(Assignment(dimension="location", value="CORE"),))
CORE = Location(number="CORE")


@pytest.fixture
def line(tmp_path: Path) -> Line:
    channel = CHANNEL.replace("  - map: usage\n", STEPS)
    mapping = MAPPING.replace("  item: {path: FT1-7.1, optional: true}\n", FIELDS)
    made = new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db", channel=channel, mapping=mapping)
    publish(made.store, ROOM, CORE)
    made.look()
    return made


def wish(line: Line, hold: Hold, *, revision: str = "", **decided: object) -> None:
    """A person has fixed an exception and wishes the line to be worked again."""
    replay = Replay(
        hold.id, hold.position, hold.channel, hold.place, line.now(), "tester", revision, json.dumps(decided)
    )
    changed = HoldChange("fixed", "", "it is the screw", line.now(), hold.id)
    line.store.write(Change(hold_changes=[changed], replays=[replay]))
    line.look()


def open_holds(line: Line) -> list[Hold]:
    return line.store.holds(states=("new", "assigned", "parked"))


def documents(line: Line, position: int = 1) -> list[Usage]:
    runs = line.store.runs(position)
    return [usage for _, _, usage in decode_made(runs[-1].documents).documents]


def posted(line: Line) -> list[dict[str, object]]:
    return [json.loads(posting.payload) for posting in line.postings()]


def test_a_line_is_posted_with_the_item_the_quantity_and_the_location_that_the_master_data_know(line: Line) -> None:
    publish(line.store, SCREW)
    line.look()
    line.send(dft("A1", lines=["1|CG|C-1^^^14012345000013|2|OR"]))
    (posting,) = posted(line)
    assert {name: posting[name] for name in ("item", "quantity", "unit", "location")} == {
        "item": "SCREW",
        "quantity": "20",
        "unit": "EA",
        "location": "CORE",
    }


def test_a_line_whose_item_nobody_knows_is_held_and_the_others_go_on(line: Line) -> None:
    publish(line.store, SCREW)
    line.look()
    line.send(dft("A1", lines=["1|CG|C-1|1|OR", "2|CG|C-2|1|OR"]))
    assert [(hold.place, hold.code, hold.subject) for hold in open_holds(line)] == [
        ("FT1[2]", "item-unknown", "charge_code:C-2")
    ]
    assert [each["line"] for each in posted(line)] == ["1"]
    assert line.balance() == (0, 0)


def test_a_line_that_was_fixed_is_posted_once(line: Line) -> None:
    line.send(dft("A1", lines=["1|CG|C-1|1|OR"]))
    (hold,) = open_holds(line)
    publish(line.store, SCREW)
    wish(line, hold)
    assert [each["item"] for each in posted(line)] == ["SCREW"]
    assert open_holds(line) == []
    assert line.counts()["held"] == 0
    assert line.balance() == (0, 0)


def test_a_wish_that_comes_again_does_nothing_more(line: Line) -> None:
    line.send(dft("A1", lines=["1|CG|C-1|1|OR"]))
    (hold,) = open_holds(line)
    publish(line.store, SCREW)
    wish(line, hold)
    wish(line, hold)
    assert len(line.postings()) == 1
    assert len(line.store.runs(1)) == 2
    assert line.balance() == (0, 0)


def test_only_the_line_that_was_fixed_is_worked_again(line: Line) -> None:
    line.send(dft("A1", lines=["1|CG|C-1|1|OR", "2|CG|C-2|1|OR", "3|PY||1|OR"]))
    first = next(hold for hold in open_holds(line) if hold.place == "FT1[1]")
    publish(line.store, SCREW)
    wish(line, first)
    assert [each["line"] for each in posted(line)] == ["1"]
    assert [hold.place for hold in open_holds(line)] == ["FT1[2]"]
    assert line.balance() == (0, 0)


def test_a_line_that_is_held_again_is_a_new_exception(line: Line) -> None:
    line.send(dft("A1", lines=["1|CG|C-1|1|OR"]))
    (hold,) = open_holds(line)
    wish(line, hold)
    (again,) = open_holds(line)
    assert (again.id != hold.id, again.code) == (True, "item-unknown")
    assert line.counts()["held"] == 1
    assert line.balance() == (0, 0)


def test_a_line_is_the_item_that_a_person_says(line: Line) -> None:
    publish(line.store, SCREW)
    line.look()
    line.send(dft("A1", lines=["1|CG|C-2|3|OR"]))
    (hold,) = open_holds(line)
    wish(line, hold, item="SCREW")
    assert [(each["item"], each["quantity"]) for each in posted(line)] == [("SCREW", "3")]
    assert documents(line)[0].found_by == "person"


def test_other_exceptions_of_the_line_are_done_with_it(line: Line) -> None:
    line.send(dft("A1", lines=["1|CG|C-1|1|NOWHERE"]))
    item, place = sorted(open_holds(line), key=lambda hold: hold.code, reverse=True)
    assert {item.code, place.code} == {"item-unknown", "department-unknown"}
    publish(line.store, SCREW, Department(number="NOWHERE", assignments=ROOM.assignments))
    wish(line, item)
    assert open_holds(line) == []
    assert len(line.postings()) == 1
    assert line.balance() == (0, 0)


def test_a_wish_waits_for_another_revision_of_its_channel(line: Line, tmp_path: Path) -> None:
    line.send(dft("A1", lines=["1|??|C-1|1|OR"]))
    publish(line.store, SCREW)
    (hold,) = open_holds(line)
    wish(line, hold, revision=line.store.runs(1)[0].revision)
    assert line.postings() == []
    line.stop()
    table = tmp_path / "mappings/tables/action.csv"
    table.write_text(table.read_text(encoding="utf-8") + "??,use\n", encoding="utf-8")
    again = Line(line.root, line.url, script=line.script).start()
    again.look()
    assert [each["item"] for each in posted(again)] == ["SCREW"]
    assert again.balance() == (0, 0)


def test_a_line_that_the_mapping_leaves_out_by_now_is_filtered(line: Line, tmp_path: Path) -> None:
    line.send(dft("A1", lines=["1|CG|C-1|1|OR"]))
    (hold,) = open_holds(line)
    line.stop()
    table = tmp_path / "mappings/tables/action.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("CG,use", "CG,none"), encoding="utf-8")
    again = Line(line.root, line.url, script=line.script).start()
    wish(again, hold)
    assert (again.counts()["filtered"], again.counts()["held"]) == (1, 0)
    assert again.balance() == (0, 0)


def test_a_line_that_a_person_rejected_is_not_worked_again(line: Line) -> None:
    line.send(dft("A1", lines=["1|CG|C-1|1|OR"]))
    (hold,) = open_holds(line)
    counts = [Count("NORTH", "lines:usage", "held", -1), Count("NORTH", "lines:usage", "rejected", 1)]
    line.store.write(Change(hold_changes=[HoldChange("rejected", "", "no", line.now(), hold.id)], counts=counts))
    publish(line.store, SCREW)
    line.store.write(Change(replays=[Replay(hold.id, 1, "usage", "FT1[1]", line.now(), "tester", "", "{}")]))
    line.look()
    assert line.postings() == []
    assert line.store.replays(10) == []
    assert line.balance() == (0, 0)


def test_a_serial_number_that_was_used_is_not_used_again(line: Line) -> None:
    publish(line.store, SCREW)
    line.look()
    line.send(dft("A1", lines=["1|CG|C-1^S1|1|OR"]), dft("A2", case="V2", lines=["9|CG|C-1^S1|1|OR"]))
    assert [(hold.position, hold.code) for hold in open_holds(line)] == [(2, "serial-used")]
    assert len(line.postings()) == 1


def test_a_serial_number_whose_use_was_taken_back_is_free_again(line: Line) -> None:
    publish(line.store, SCREW)
    line.look()
    line.send(
        dft("A1", lines=["1|CG|C-1^S1|1|OR"]),
        dft("A2", lines=["2|CD|C-1^S1|-1|OR"]),
        dft("A3", case="V2", lines=["9|CG|C-1^S1|1|OR"]),
    )
    assert open_holds(line) == []


def test_a_serial_number_is_used_once_within_a_message(line: Line) -> None:
    publish(line.store, SCREW)
    line.look()
    line.send(dft("A1", lines=["1|CG|C-1^S1|1|OR", "2|CG|C-1^S1|1|OR"]))
    assert [(hold.place, hold.code) for hold in open_holds(line)] == [("FT1[2]", "serial-used")]


def test_a_credit_and_a_new_charge_in_one_message_are_one_use_whatever_their_order(line: Line) -> None:
    publish(line.store, SCREW)
    line.look()
    line.send(dft("A1", lines=["1|CG|C-1^S1|1|OR"]), dft("A2", lines=["2|CG|C-1^S1|1|OR", "3|CD|C-1^S1|-1|OR"]))
    assert open_holds(line) == []


def test_a_use_that_a_person_rejected_was_none(line: Line) -> None:
    line.send(dft("A1", lines=["1|CG|C-2^S1|1|OR"]))
    publish(line.store, SCREW)
    (hold,) = open_holds(line)
    wish(line, hold, item="SCREW", accept=[])
    line.send(dft("A2", case="V2", lines=["9|CG|C-1^S1|1|OR"]))
    (used,) = open_holds(line)
    line.store.write(Change(hold_changes=[HoldChange("rejected", "", "a wrong scan", line.now(), used.id)]))
    line.send(dft("A3", lines=["4|CD|C-1^S1|-1|OR"]), dft("A4", case="V3", lines=["8|CG|C-1^S1|1|OR"]))
    assert open_holds(line) == []


def test_an_expired_thing_is_posted_and_a_person_is_told(line: Line) -> None:
    publish(line.store, SCREW)
    line.look()
    line.send(dft("A1", lines=["1|CG|C-1^^^^20200101|1|OR"]))
    (flag,) = open_holds(line)
    assert (flag.kind, flag.code) == ("flagged", "expired")
    assert [each["flags"] for each in posted(line)] == ["expired"]
    assert line.counts()["held"] == 0
    assert line.balance() == (0, 0)


def test_what_a_person_accepts_is_posted_with_its_flag_and_not_raised_again(line: Line) -> None:
    publish(line.store, SCREW)
    line.look()
    line.send(dft("A1", lines=["1|CG|C-1^S1|2|OR"]))
    (hold,) = open_holds(line)
    assert hold.code == "serial-quantity"
    wish(line, hold, accept=["serial-quantity"])
    assert [each["flags"] for each in posted(line)] == ["serial-quantity"]
    assert open_holds(line) == []


class FailsAgain(Pipeline):
    """A fault of the engine that shows only when a line is worked again."""

    def replay(
        self, message: Message, channel: str, decisions: Mapping[str, Decision], attempt: int, change: Change
    ) -> list[Work]:
        super().replay(message, channel, decisions, attempt, change)
        raise LookupError("a fault")


def test_a_fault_in_a_replay_leaves_the_line_held(line: Line) -> None:
    line.send(dft("A1", lines=["1|CG|C-1|1|OR"]))
    (hold,) = open_holds(line)
    line.stop()
    again = Line(line.root, line.url, pipeline_class=FailsAgain).start()
    wish(again, hold)
    (fault,) = open_holds(again)
    assert (fault.code, fault.place, again.postings()) == ("engine-fault", "FT1[1]", [])
    assert again.balance() == (0, 0)


class Fails(Pipeline):
    """A fault of the engine in every message."""

    def _map(self, message: Message) -> NoReturn:
        raise LookupError(message.position)


def test_a_message_that_was_put_aside_can_be_worked_again(line: Line) -> None:
    publish(line.store, SCREW)
    line.stop()
    failing = Line(line.root, line.url, pipeline_class=Fails).start()
    failing.send(dft("A1", lines=["1|CG|C-1|1|OR"]))
    assert failing.outcomes() == {"A1": "quarantined"}
    failing.stop()
    again = Line(line.root, line.url).start()
    (hold,) = open_holds(again)
    wish(again, hold)
    again.settle()
    assert again.outcomes() == {"A1": "processed"}
    assert len(again.postings()) == 1
    assert again.balance() == (0, 0)


def test_a_wish_for_a_channel_that_is_gone_is_told_of(line: Line, tmp_path: Path) -> None:
    line.send(dft("A1", lines=["1|CG|C-1|1|OR"]))
    (hold,) = open_holds(line)
    line.stop()
    channel = (tmp_path / "channels/usage.yaml").read_text(encoding="utf-8")
    (tmp_path / "channels/usage.yaml").unlink()
    (tmp_path / "channels/other.yaml").write_text(channel.replace("channel: usage", "channel: other"), encoding="utf-8")
    again = Line(line.root, line.url).start()
    wish(again, hold)
    assert [each.code for each in open_holds(again)] == ["channel-gone"]
    assert again.balance() == (0, 0)


# --- how the catalogue follows
def test_what_is_removed_is_not_found_any_more(line: Line) -> None:
    publish(line.store, SCREW)
    line.look()
    remove(line.store, "item", "SCREW")
    line.look()
    line.send(dft("A1", lines=["1|CG|C-1|1|OR"]))
    assert [hold.code for hold in open_holds(line)] == ["item-unknown"]


def many() -> list[Item]:
    items = [
        Item(number=f"I{number}", unit="EA", identifiers=(Identifier(system="charge", value=f"X-{number}"),))
        for number in range(7)
    ]
    return [*items, SCREW]


def test_nothing_is_resolved_by_half_of_an_import(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SLICE", 2)
    publish(line.store, *many())
    wishes = line.replayer.wishes()
    line.follower.look()
    line.take(dft("A1", lines=["1|CG|C-1|1|OR"]))
    line.clock.advance(0)
    assert (wishes, line.replies[-1][0], line.at_reply["A1"]) == ([], "A1", "waiting")
    line.wait(0.5)
    assert [each["item"] for each in posted(line)] == ["SCREW"]
    assert line.outcomes() == {"A1": "processed"}


def test_a_start_answers_before_the_master_data_are_read(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "SLICE", 1)
    publish(line.store, *many())
    line.stop()
    again = Line(line.root, line.url)
    again.dispatcher.start()
    again.backlog.begin()
    again.follower.start()
    again.take(dft("A1", lines=["1|CG|C-1|1|OR"]))
    again.clock.advance(0)
    assert again.at_reply == {"A1": "waiting"}
    again.wait(0.5)
    assert [each["item"] for each in posted(again)] == ["SCREW"]


def test_what_changes_while_the_first_reading_goes_on_is_not_missed(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "SLICE", 2)
    publish(line.store, *many())
    line.stop()
    again = Line(line.root, line.url)
    again.dispatcher.start()
    again.backlog.begin()
    again.follower.start()
    remove(again.store, "item", "I0")
    publish(again.store, Item(number="I1", unit="EA", identifiers=(Identifier(system="charge", value="X-9"),)))
    while again.store.tidy_master(100):
        pass
    again.wait(0.5)
    again.send(dft("A1", lines=["1|CG|X-0|1|OR", "2|CG|X-9|1|OR", "3|CG|X-1|1|OR", "4|CG|X-6|1|OR"]))
    assert [hold.place for hold in sorted(open_holds(again), key=lambda hold: hold.place)] == ["FT1[1]", "FT1[3]"]
    assert [each["item"] for each in posted(again)] == ["I1", "I6"]


def test_an_item_is_found_by_its_numbers_of_the_day_of_use(line: Line) -> None:
    old = Identifier(system="charge", value="C-1", valid_to=date(2026, 10, 31))
    publish(line.store, Item(number="OLD", unit="EA", identifiers=(old,)))
    line.look()
    line.send(dft("A1", lines=["1|CG|C-1|1|OR"]))
    assert [hold.code for hold in open_holds(line)] == ["item-not-valid"]
