"""Master data in messages (MFN): what is late, what is lost on the way, and what is too much."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import pytest

from casecart.runtime.copy import encode_decision
from casecart.store import Change, Count, HoldChange, Replay, StoreUnavailable, open_store
from support.master_messages import again, bring, codes, item, record, versions
from support.shipped import Shipped, shipped, started

if TYPE_CHECKING:
    from pathlib import Path


def test_a_message_from_the_future_does_not_stand_over_all_that_come_after_it(line: Shipped) -> None:
    bring(line, record("M1", "MUP", "ITM|HIP-STEM-12|Of another century", at="29990101000000-0600"))
    bring(line, record("M2", "MUP", "ITM|HIP-STEM-12|New words", at="20261103090000-0600"))
    assert item(line, "HIP-STEM-12").description == "New words"


def code(number: str, event: str, charge: str, of: str, at: str) -> bytes:
    """A made-up MFN^M04 of one code."""
    head = f"MSH|^~\\&|MATERIALS|NORTH|CASECART|MERCY|{at}||MFN^M04^MFN_M04|{number}|P|2.8.2"
    segments = (head, "MFI|CDM||UPD", f"MFE|{event}|1||{charge}|CWE", f"CDM|{charge}||||||||{of}")
    return "".join(f"{each}\r" for each in segments).encode()


def test_a_code_that_was_removed_wherever_it_is_is_not_put_by_an_earlier_message(line: Shipped) -> None:
    before = item(line, "HIP-STEM-12").identifiers
    bring(line, code("C2", "MDL", "CH-NEW", "", "20260803090000-0600"))
    assert (codes(line, "C2"), line.filtered("C2"), line.counts()["no_change"]) == ([], [], 1)
    bring(line, code("C1", "MAD", "CH-NEW", "HIP-STEM-12", "20260803080000-0600"))
    assert item(line, "HIP-STEM-12").identifiers == before
    assert line.filtered("C1") == [("MSH[1]", "a later message said how this record is")]
    bring(line, code("C3", "MAD", "CH-NEW", "HIP-STEM-12", "20260803100000-0600"))
    assert len(item(line, "HIP-STEM-12").identifiers) == len(before) + 1


@pytest.mark.parametrize(
    ("segment", "units"),
    [
        ('PKG|1|BX||10||||""', 1),  # no GTIN
        ('VND|1|EXAMPLE-TRADE|Example Trading|""|""', 0),
        ("IVT|1|OR-CORE" + "|" * 14 + '""', 0),
    ],
)
def test_two_double_quotes_where_nothing_need_be_are_nothing(line: Shipped, segment: str, units: int) -> None:
    before = item(line, "HIP-STEM-12")
    bring(line, record("M1", "MUP", "ITM|HIP-STEM-12|New words", segment))
    assert codes(line, "M1") == []
    after = item(line, "HIP-STEM-12")
    assert (after.description, len(after.units)) == ("New words", units)
    assert (after.identifiers, after.stock) == (before.identifiers, before.stock)


@pytest.mark.parametrize(
    "segment", ['PKG|1|""||10', 'PKG|1|BX||10||||||""', 'VND|1|""|x|7', 'IVT|1|""' + "|" * 14 + "Y"]
)
def test_two_double_quotes_where_something_must_be_bring_nothing(line: Shipped, segment: str) -> None:
    before = item(line, "HIP-STEM-12")
    bring(line, record("M1", "MUP", "ITM|HIP-STEM-12|New words", segment))
    assert {each for each, _ in codes(line, "M1")} == {"missing"}
    assert item(line, "HIP-STEM-12") == before


def test_a_message_that_says_two_things_of_one_packaging_brings_nothing(line: Shipped) -> None:
    before = item(line, "HIP-STEM-12")
    bring(line, record("M1", "MUP", "ITM|HIP-STEM-12|New words", "PKG|1|BX||10", "PKG|2|BX||20"))
    words = "PKG[2]: it says another thing of what PKG[1] speaks of; one of the two must go."
    assert codes(line, "M1") == [("duplicate-row", words)]
    assert item(line, "HIP-STEM-12") == before
    bring(line, record("M2", "MUP", "ITM|HIP-STEM-12|New words", "PKG|1|BX||10", "PKG|2|BX||10"))
    assert [each.quantity for each in item(line, "HIP-STEM-12").units] == ["10"]


@pytest.mark.parametrize("cut", [b"MFE|", b"ITM|"])
def test_a_message_in_which_no_record_is_found_waits_for_a_person(line: Shipped, cut: bytes) -> None:
    whole = record("M1", "MUP", "ITM|HIP-STEM-12|New words")
    bring(line, b"".join(each for each in whole.splitlines(keepends=True) if not each.startswith((b"MFE|", cut))))
    assert [each for each, _ in codes(line, "M1")] == ["no-records"]
    assert (line.filtered("M1"), line.counts()["held"]) == ([], 1)


def test_a_message_with_more_records_than_can_be_brought_in_at_once_waits_for_a_person(
    line: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casecart.runtime.master_planner.MOST", 3)
    before = versions(line)
    bring(line, record("M1", "MUP", *["ITM|HIP-STEM-12|New words", "MFE|MUP|2||Y|CWE"] * 3, "ITM|HIP-CUP-54|x"))
    ((found, words),) = codes(line, "M1")
    assert (found, versions(line)) == ("too-large", before)
    assert "more than 3 lines" in words


def test_of_a_message_that_is_all_wrong_the_first_mistakes_are_told(line: Shipped) -> None:
    bring(line, record("M1", "MUP", "ITM|HIP-STEM-12|x", *["PKG|1|BX||0"] * 300))
    found = codes(line, "M1")
    assert len(found) == 101
    assert ("table-row", "200 more mistakes are not shown.") in found
    assert line.counts()["held"] == 1
    again(line, "M1")
    assert len(codes(line, "M1")) == 101


def test_a_message_that_another_system_owns_most_of_waits_as_one(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casecart.runtime.master_planner.MOST_CONFLICTS", 1)
    root = tmp_path / "ws"
    shipped(prepared, root).stop()
    rule = root / "config/ownership.yaml"
    rule.write_text(rule.read_text("utf-8").replace("description: [erp]", "description: [mdm]"), "utf-8")
    line = started(root)
    bring(line, record("M1", "MUP", "ITM|HIP-STEM-12|New words", "MFE|MUP|2||Y|CWE", "ITM|HIP-CUP-54|New words"))
    ((found, words),) = codes(line, "M1")
    assert found == "not-owner"
    assert "2 groups of fields belong to other systems than 'erp'" in words
    assert len(line.store.holds(code="not-owner")) == 1
    line.stop()


def test_what_a_message_costs_grows_with_its_records_and_no_faster(line: Shipped) -> None:
    def seconds(number: str, of: range) -> float:
        segments = [each for i in of for each in (f"MFE|MAD|{i}||X|CWE", f"ITM|NEW-{i}|x", "PKG|1|BX||10")]
        line.send(record(number, "MUP", "ITM|HIP-STEM-12|x", *segments))
        began = time.process_time()
        line.look()
        assert codes(line, number) == []
        return time.process_time() - began

    seconds("M1", range(10))
    assert seconds("M3", range(200, 1800)) < 24 * seconds("M2", range(10, 210))


def test_a_message_whose_channel_is_gone_before_it_was_brought_in_waits_for_a_person(
    prepared: Path, tmp_path: Path
) -> None:
    line = shipped(prepared, tmp_path / "ws")
    line.send(record("M1", "MUP", "ITM|HIP-STEM-12|New words"))
    line.crash()
    channel = tmp_path / "ws/channels/item-master.yaml"
    channel.rename(channel.with_suffix(".gone"))
    line = started(tmp_path / "ws")
    line.look()
    words = "There is no channel 'item-master' any more that could work this message."
    assert codes(line, "M1") == [("channel-gone", words)]
    line.stop()
    channel.with_suffix(".gone").rename(channel)
    line = started(tmp_path / "ws")
    again(line, "M1")
    assert item(line, "HIP-STEM-12").description == "New words"
    assert codes(line, "M1") == []
    counts = line.counts()
    assert (counts["produced"], counts["held"], counts["no_change"]) == (1, 0, 1)
    line.stop()


def test_a_message_that_was_rejected_and_is_worked_again_is_counted_once(line: Shipped) -> None:
    bring(line, record("M1", "MUP", "ITM|HIP-STEM-12|New words", "IVT|1|OR-NEW" + "|" * 14 + "N"))
    position = line.position("M1")
    (raised,) = line.store.holds(position=position, states=("new",))
    counts = [Count("NORTH", "lines:item-master", name, n) for name, n in (("held", -1), ("rejected", 1))]
    with closing(open_store(line.url, role="person")) as person:
        person.write(Change(hold_changes=[HoldChange("rejected", "kim", "no", 2, raised.id)], counts=counts))
        for number in range(1, 4):
            wish = Replay(bytes([number]) * 16, position, "item-master", "", 3, "kim", "", encode_decision({}))
            person.write(Change(replays=[wish]))
            line.look()
            counted = line.counts()
            assert (counted["produced"], counted["held"], counted["rejected"]) == (1, 1, 0)


@pytest.mark.parametrize("fails", ["looked_up", "message", "master_history"])
def test_a_store_that_is_away_for_a_moment_is_no_fault_of_the_message(
    line: Shipped, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    bring(line, record("M0", "MUP", "ITM|HIP-STEM-12|First words", at="20260803060000-0600"))
    line.send(record("M1", "MUP", "ITM|HIP-STEM-12|New words"))
    works, calls = getattr(line.store, fails), count()

    def lost(*given: object, **named: object) -> object:
        # What is asked first of `message` is the message itself.
        if next(calls) == (fails == "message"):
            raise StoreUnavailable("the connection was lost")
        return works(*given, **named)

    with monkeypatch.context() as broken:
        broken.setattr(line.store, fails, lost)
        line.look()
    assert codes(line, "M1") == []
    line.look()
    assert item(line, "HIP-STEM-12").description == "New words"
    assert line.counts()["no_change"] == 2


def test_two_engines_bring_in_what_both_were_sent(prepared: Path, tmp_path: Path, postgresql_dsn: str) -> None:
    first = shipped(prepared, tmp_path / "first", postgresql_dsn)
    shutil.copytree(prepared, tmp_path / "second")
    second = started(tmp_path / "second", postgresql_dsn)
    for number in range(6):
        segments = (f"ITM|HIP-STEM-12|Words {number}", f"PKG|1|BX||{number + 2}")
        (first, second)[number % 2].send(record(f"M{number}", "MUP", *segments, at=f"2026080{number + 1}000000-0600"))
    for engine in (first, second, first, second):
        engine.look()
    after = item(second, "HIP-STEM-12")
    assert (after.description, [each.quantity for each in after.units]) == ("Words 5", ["7"])
    assert first.counts()["no_change"] == 6
    for engine in (first, second):
        assert engine.broken == []
        assert engine.catalogue.position == engine.store.published_master()
        engine.stop()
