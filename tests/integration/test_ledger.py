"""What is stated about a line comes to the stock that it should, in whatever order it is told, with a real store."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest

from casecart.canonical.consumption import Consumption
from casecart.runtime.destination import Answer, Delivery, NotDelivered, OutcomeUnknown
from casecart.runtime.dispatcher import Limits
from casecart.runtime.made import decode_postings
from casecart.store import Change, Count, HoldChange, Replay
from support.line import CHANNEL, MAPPING, Line, Script, dft, new_line, write_workspace
from support.store import new_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from casecart.runtime.destination import Posting
    from casecart.store import Hold

FIELDS = """\
  item: {path: FT1-7.1, optional: true}
  lot: {path: FT1-7.2, optional: true}
  serial: {path: FT1-7.3, optional: true}
"""


def ledger(tmp_path: Path, *, says: str = "transactions", repeat: str = "", script: Script | None = None) -> Line:
    """A line whose mapping says what it says; items, lots and serial numbers are told as components of the code."""
    mapping = MAPPING.replace("  item: {path: FT1-7.1, optional: true}\n", FIELDS)
    mapping = mapping.replace("says: transactions\n", f"says: {says}\n" + (f"repeat: {repeat}\n" if repeat else ""))
    return new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db", mapping=mapping, script=script or Script())


def moved(line: Line) -> Mapping[str, object]:
    """What the destination confirmed, by item, lot and serial number."""
    totals: dict[str, Decimal] = {}
    for posting in line.postings():
        document = msgspec.json.decode(posting.payload, type=Consumption)
        if posting.state == "posted":
            name = "/".join(filter(None, (document.item, document.lot, document.serial)))
            signed = document.quantity if document.action == "use" else -document.quantity
            totals[name] = totals.get(name, Decimal(0)) + signed
    return {name: total for name, total in totals.items() if total}


def codes(line: Line) -> list[str]:
    """Of the exceptions that wait for a person."""
    return sorted(hold.code for hold in open_holds(line))


def open_holds(line: Line) -> list[Hold]:
    return line.store.holds(states=("new", "assigned", "parked"))


def tell(line: Line, *told: str) -> None:
    """Messages of one line each, each in a turn of its own, and time for what waits."""
    for text in told:
        line.send(dft(f"M{len(line.outcomes()) + 1}", lines=text.split(" + ")))
    line.look()


def wish(line: Line, hold: Hold, outcome: str = "again") -> None:
    """A person says what is to become of a posting that its destination did not take."""
    decision = json.dumps({"outcome": outcome})
    replay = Replay(hold.id, hold.position, hold.channel, hold.place, line.now(), "tester", "", decision)
    changed = HoldChange("fixed", "", "the stock has been counted", line.now(), hold.id)
    line.store.write(Change(hold_changes=[changed], replays=[replay]))
    line.look()


def held(code: str) -> Answer:
    return Answer("held", code=code, words="There is not enough.")


@pytest.mark.parametrize(
    ("told", "stock", "exceptions"),
    [
        (["1|CG|A|3|OR"], {"A": 3}, []),
        (["1|CG|A|3|OR", "1|CD|A|1|OR"], {"A": 2}, []),
        (["1|CG|A|3|OR", "1|CD|A|3|OR"], {}, []),
        (["1|CG|A|3|OR", "1|CD|A|-3|OR"], {}, []),  # a negative credit is no second charge
        (["1|CG|A|3|OR", "1|CD|A|3|OR", "1|CG|A|2|OR"], {"A": 2}, []),
        (["1|CG|A|3|OR", "1|CD|A|3|OR", "1|CD|A|1|OR"], {}, ["credit-without-charge"]),
        (["1|CG|A|3|OR", "1|CD|A|4|OR"], {"A": 3}, ["credit-exceeds"]),
        (["1|CG|A|3|OR", "1|CD|B|3|OR"], {"A": 3}, ["credit-differs"]),
        (["1|CG|A|3|OR", "1|CG|A|3|OR"], {"A": 3}, ["repeated-charge"]),
        (["1|CG|A|0|OR"], {}, []),
        # a credit with an id of its own
        (["1|CG|A|3|OR", "9|CD|A|3|OR"], {}, []),
        (["1|CG|A^L1|3|OR", "2|CG|A^L2|1|OR", "9|CD|A^L2|1|OR"], {"A/L1": 3}, []),
        (["1|CG|A^^S1|1|OR", "2|CG|A^^S2|1|OR", "9|CD|A^^S1|1|OR"], {"A/S2": 1}, []),
        (["1|CG|A|1|OR", "2|CG|A|1|OR", "9|CD|A|1|OR"], {"A": 2}, ["credit-ambiguous"]),
        (["1|CG|A|1|OR", "2|CG|A|3|OR", "9|CD|A|2|OR"], {"A": 2}, []),  # only one of them has as many
        (["1|CG|A|3|OR", "9|CD|A|1|OR", "8|CD|A|1|OR"], {"A": 1}, []),
        (["1|CG|A^L1|3|OR", "9|CD|A^L2|1|OR"], {"A/L1": 3}, ["credit-without-charge"]),
        (["1|CG|A^L1|3|OR", "9|CD|A|1|OR"], {"A/L1": 2}, []),  # a credit needn't tell the lot
        (["1|CG|A|1|OR + 2|CG|A|1|OR", "9|CD|A|1|OR + 3|CG|B|1|OR"], {"A": 2, "B": 1}, ["credit-ambiguous"]),
        # before its charge
        (["1|CD|A|1|OR"], {}, ["credit-without-charge"]),
        (["1|CD|A|1|OR", "1|CG|A|3|OR"], {"A": 2}, []),
        (["1|CD|A|3|OR", "1|CG|A|3|OR"], {}, []),
        (["9|CD|A^L1|1|OR", "1|CG|A^L1|3|OR"], {"A/L1": 2}, []),
        (["9|CD|A|1|OR", "1|CG|A|3|OR"], {"A": 3}, ["credit-without-charge"]),  # it may be another one's
        (["9|CD|A^L1|1|OR", "1|CG|A^L1|3|OR", "2|CG|A^L1|3|OR"], {"A/L1": 5}, []),  # and taken off once
    ],
)
def test_charges_and_credits_come_to(
    tmp_path: Path, told: list[str], stock: dict[str, int], exceptions: list[str]
) -> None:
    line = ledger(tmp_path)
    tell(line, *told)
    assert (moved(line), codes(line)) == (stock, exceptions)
    assert line.balance() == (0, 0)


@pytest.mark.parametrize(("repeat", "stock"), [("add", {"A": 6}), ("duplicate", {"A": 3})])
def test_a_second_charge_is_what_the_mapping_says(tmp_path: Path, repeat: str, stock: dict[str, int]) -> None:
    line = ledger(tmp_path, repeat=repeat)
    tell(line, "1|CG|A|3|OR", "1|CG|A|3|OR")
    assert (moved(line), codes(line)) == (stock, [])
    assert line.balance() == (0, 0)


@pytest.mark.parametrize(
    ("told", "stock"),
    [
        (["1|CG|A|3|OR", "1|CG|A|2|OR"], {"A": 2}),
        (["1|CG|A|3|OR", "1|CG|A|3|OR"], {"A": 3}),
        (["1|CG|A|3|OR", "1|CG|A|0|OR"], {}),
        (["1|CG|A|3|OR", "1|CD|A|3|OR"], {}),  # entered in error
        (["1|CG|A|3|OR", "1|CG|B|3|OR"], {"B": 3}),
        (["1|CG|A^L1|3|OR", "1|CG|A^L2|3|OR", "1|CG|A^L1|1|OR"], {"A/L1": 1}),
    ],
)
def test_a_state_replaces_what_was_said_before(tmp_path: Path, told: list[str], stock: dict[str, int]) -> None:
    line = ledger(tmp_path, says="state")
    for text in told:
        tell(line, text)
    assert (moved(line), codes(line)) == (stock, [])
    assert line.balance() == (0, 0)


def test_what_is_taken_back_names_the_posting_that_it_takes_back(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|OR", "1|CD|A|1|OR")
    charge, credit = line.postings()
    assert json.loads(credit.payload)["reverses"] == charge.key


def test_a_correction_waits_until_the_destination_has_answered_what_it_corrects(tmp_path: Path) -> None:
    script = Script()
    line = ledger(tmp_path, script=script)
    line.dispatcher.pause(paused=True)
    tell(line, "1|CG|A|3|OR", "1|CD|A|1|OR")
    before = (len(line.postings()), line.balance())
    line.dispatcher.pause(paused=False)
    line.settle()
    line.look()
    assert (before, moved(line), line.balance()) == ((1, (0, 0)), {"A": 2}, (0, 0))


def test_several_corrections_that_waited_are_posted_as_one(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    line.dispatcher.pause(paused=True)
    tell(line, "1|CG|A|5|OR", "1|CD|A|1|OR", "1|CD|A|2|OR")
    line.dispatcher.pause(paused=False)
    line.settle()
    line.look()
    line.look()
    assert ([posting.revision for posting in line.postings()], moved(line)) == ([1, 2], {"A": 2})
    assert line.balance() == (0, 0)


def test_a_correction_of_what_was_not_taken_is_posted_in_its_place(tmp_path: Path) -> None:
    script = Script()
    script.answers = [lambda postings: [held("not-enough-stock") for _ in postings]]
    line = ledger(tmp_path, script=script)
    tell(line, "1|CG|A|3|OR", "1|CD|A|1|OR")
    assert (moved(line), codes(line), line.balance()) == ({"A": 2}, [], (0, 0))


def test_a_credit_of_what_was_not_taken_moves_nothing(tmp_path: Path) -> None:
    script = Script()
    script.answers = [lambda postings: [held("not-enough-stock") for _ in postings]]
    line = ledger(tmp_path, script=script)
    tell(line, "1|CG|A|3|OR", "1|CD|A|3|OR")
    assert (moved(line), codes(line), line.balance()) == ({}, [], (0, 0))
    assert sum(script.effects.values()) == 0


def test_what_was_not_taken_is_posted_again_when_a_person_wishes_it(tmp_path: Path) -> None:
    script = Script()
    script.answers = [lambda postings: [held("not-enough-stock") for _ in postings]]
    line = ledger(tmp_path, script=script)
    tell(line, "1|CG|A|3|OR")
    (hold,) = open_holds(line)
    wish(line, hold)
    assert (moved(line), codes(line), line.balance()) == ({"A": 3}, [], (0, 0))


def test_what_was_rejected_is_posted_again_when_a_person_wishes_it(tmp_path: Path) -> None:
    script = Script()
    script.answers = [lambda postings: [Answer("rejected", code="no", words="No.") for _ in postings]]
    line = ledger(tmp_path, script=script)
    tell(line, "1|CG|A|3|OR")
    (hold,) = open_holds(line)
    wish(line, hold)
    assert (moved(line), codes(line), line.balance()) == ({"A": 3}, [], (0, 0))


def test_a_wish_that_comes_twice_posts_once(tmp_path: Path) -> None:
    script = Script()
    script.answers = [lambda postings: [held("not-enough-stock") for _ in postings]]
    line = ledger(tmp_path, script=script)
    tell(line, "1|CG|A|3|OR")
    (hold,) = open_holds(line)
    wish(line, hold)
    wish(line, hold)
    assert moved(line) == {"A": 3}


def given_up(tmp_path: Path) -> tuple[Line, Hold]:
    """A posting of which nobody knows what became of it, while the destination answers others."""
    script = Script(Delivery.BLIND)

    def lost(postings: Sequence[Posting]) -> Sequence[Answer] | Exception:
        if any(b'"item":"A"' in posting.payload for posting in postings):
            return OutcomeUnknown("time-out", "No answer came in time.")
        return [Answer("posted", "acknowledged") for _ in postings]

    script.answers = [lost] * 200
    line = new_line(
        tmp_path,
        f"sqlite:///{tmp_path}/casecart.db",
        mapping=MAPPING,
        script=script,
        limits=Limits(tries=2),
    )
    line.send(dft("M1", lines=["1|CG|A|3|OR"]))
    for number in range(2, 6):
        line.send(dft(f"M{number}", f"V{number}", lines=["1|CG|B|1|OR"]))
        line.wait(120)
    (hold,) = open_holds(line)
    return line, hold


def test_nothing_more_is_posted_for_a_line_while_nobody_knows_what_became_of_a_posting(tmp_path: Path) -> None:
    line, hold = given_up(tmp_path)
    line.send(dft("M9", lines=["1|CD|A|1|OR"]))
    line.look()
    assert codes(line) == sorted([hold.code, "earlier-outcome-unknown"])
    assert line.balance() == (0, 0)


@pytest.mark.parametrize(("outcome", "stock"), [("posted", {"B": 4}), ("not posted", {"A": 3, "B": 4})])
def test_a_person_says_what_became_of_a_posting_that_was_given_up(
    tmp_path: Path, outcome: str, stock: dict[str, int]
) -> None:
    line, hold = given_up(tmp_path)
    line.script.answers = []
    wish(line, hold, outcome)
    assert (moved(line), codes(line), line.balance()) == (stock, [], (0, 0))


def test_a_credit_of_what_a_person_found_posted_takes_it_back(tmp_path: Path) -> None:
    line, hold = given_up(tmp_path)
    line.script.answers = []
    wish(line, hold, "posted")
    line.send(dft("M9", lines=["1|CD|A|1|OR"]))
    line.look()
    assert (moved(line), line.balance()) == ({"A": -1, "B": 4}, (0, 0))


def test_an_outage_loses_no_statement_and_posts_none_twice(tmp_path: Path) -> None:
    script = Script()
    script.answers = [lambda _: NotDelivered("refused", "Nobody is there.")] * 3
    line = ledger(tmp_path, script=script)
    tell(line, "1|CG|A|3|OR", "1|CD|A|1|OR", "2|CG|B|1|OR", "2|CD|B|1|OR")
    line.wait(60)
    line.look()
    line.look()
    assert (moved(line), codes(line), line.balance()) == ({"A": 2}, [], (0, 0))


def test_what_waits_is_found_after_a_restart(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    line.dispatcher.pause(paused=True)
    tell(line, "1|CG|A|3|OR", "1|CD|A|1|OR")
    line.stop()
    again = Line(tmp_path, f"sqlite:///{tmp_path}/casecart.db").start()
    again.look()
    assert (moved(again), again.balance()) == ({"A": 2}, (0, 0))


def test_a_line_waits_in_the_balance_until_it_is_known_what_is_due(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    line.dispatcher.pause(paused=True)
    tell(line, "1|CG|A|3|OR", "1|CD|A|1|OR")
    assert Count("NORTH", "lines:usage", "waiting", 1) in line.store.counts()


def test_a_credit_that_waits_in_another_channel_is_taken_off_once(tmp_path: Path) -> None:
    mapping = MAPPING.replace("  item: {path: FT1-7.1, optional: true}\n", FIELDS)
    write_workspace(tmp_path, mapping=mapping.replace("in ['use', 'reverse']", "== 'use'"))
    credits_only = mapping.replace("in ['use', 'reverse']", "== 'reverse'").replace(
        "mapping: usage", "mapping: credits"
    )
    (tmp_path / "mappings" / "credits.yaml").write_text(credits_only)
    channel = CHANNEL.replace("channel: usage", "channel: credits").replace("map: usage", "map: credits")
    (tmp_path / "channels" / "credits.yaml").write_text(channel)
    url = f"sqlite:///{tmp_path}/casecart.db"
    new_store(url)
    line = Line(tmp_path, url).start()
    tell(line, "9|CD|A^L1|1|OR", "1|CG|A^L1|3|OR", "2|CG|A^L1|3|OR")
    assert (moved(line), codes(line), line.balance()) == ({"A/L1": 5}, [], (0, 0))


def test_a_message_with_very_many_lines_is_several_rows_and_its_corrections_find_them(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    line.send(dft("MANY", lines=[f"{number}|CG|SCREW|1|OR" for number in range(1100)]))
    line.wait(1)
    assert [len(decode_postings(entry.postings)) for entry in line.store.entries(1)] == [500, 500, 100]
    line.send(dft("BACK", lines=["7|CD|SCREW|1|OR", "1099|CD|SCREW|1|OR"]))
    line.wait(1)
    assert moved(line) == {"SCREW": Decimal(1098)}
    assert line.balance() == (0, 0)
    line.stop()
