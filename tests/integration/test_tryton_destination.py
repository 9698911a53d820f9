"""Consumptions posted to a real Tryton: what it does, how it refuses, and what a lost answer comes to."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from casecart.runtime.destination import Answer, NotDelivered
from support.reactor import in_reactor
from support.tryton.cutting import STEPS, cutting
from support.tryton.posting import SCREW, STEM, codes, destination, look_up, lot_of, post, posting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.destinations.tryton import TrytonDestination
    from support.tryton.server import Tryton

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def erp(tryton: Tryton, tmp_path: Path) -> Iterator[TrytonDestination]:
    made = destination(tryton.url, tmp_path, tryton.key)
    yield made
    in_reactor(made.stop)


def test_a_lot_is_moved_and_read_back(tryton: Tryton, erp: TrytonDestination) -> None:
    lot = lot_of(tryton)
    (answer,) = post(erp, posting(lot, "3"))
    assert (answer.state, answer.proof, answer.reference != "") == ("posted", "read back", True)
    assert (tryton.on_hand(lot), tryton.on_hand(lot, "7100-USED")) == (17, 3)


def test_what_was_wasted_goes_where_the_waste_goes(tryton: Tryton, erp: TrytonDestination) -> None:
    lot = lot_of(tryton)
    post(erp, posting(lot, "3", disposition="wasted"))
    assert (tryton.on_hand(lot), tryton.on_hand(lot, "7100-WASTED")) == (17, 3)


def test_what_is_taken_back_goes_the_same_way_back(tryton: Tryton, erp: TrytonDestination) -> None:
    lot = lot_of(tryton)
    answers = [*post(erp, posting(lot, "3")), *post(erp, posting(lot, "1", action="reverse"))]
    assert (codes(answers), tryton.on_hand(lot)) == (["posted"] * 2, 18)


def test_a_serial_number_is_moved_by_its_number(tryton: Tryton, erp: TrytonDestination) -> None:
    serial = lot_of(tryton, "1", STEM)
    answers = post(erp, posting("21A11F4855", item=STEM, serial=serial))
    assert (codes(answers), tryton.on_hand(serial)) == (["posted"], 0)


def test_lines_of_a_case_and_day_are_one_shipment(tryton: Tryton, erp: TrytonDestination) -> None:
    one, other = lot_of(tryton), lot_of(tryton)
    first, second, third = posting(one), posting(other, "2"), posting(one, used_on=dt.date(2026, 11, 4))
    answers = post(erp, first, second, third)
    assert codes(answers) == ["posted"] * 3
    assert first.group == second.group != third.group
    assert answers[0].reference == answers[1].reference != answers[2].reference


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"lot": "NOBODY-HAS-THIS"}, "lot-unknown"),
        ({"lot": "SN-4712"}, "lot-unknown"),  # of another item: a lot is asked for with its item
        ({"item": "NO-SUCH-ITEM"}, "item-unknown"),
        ({"item": None}, "item-missing"),
        ({"location": "NO-SUCH-PLACE"}, "location-unknown"),
        ({"location": None}, "location-missing"),
        ({"cost_center": "9999"}, "location-unknown"),
        ({"cost_center": None}, "location-missing"),
        ({"unit": "BX"}, "unit-differs"),
        ({"lot": None}, "refused"),
        ({"used_on": dt.date(2026, 1, 15)}, "period-closed"),
        ({"used_on": dt.date(2031, 1, 1)}, "refused"),  # a decision is asked for: the day is in the future
        ({"quantity": "0.5"}, "refused"),
        ({"quantity": "500"}, "not-enough-stock"),
    ],
)
def test_what_can_not_be_posted_is_held_and_leaves_nothing_behind(
    tryton: Tryton, erp: TrytonDestination, fields: dict[str, Any], code: str
) -> None:
    lot = lot_of(tryton)
    bad = posting(**{"lot": lot, **fields})
    assert codes(post(erp, bad)) == [f"held {code}"]
    assert {each["state"] for each in tryton.shipments(["reference", "=", bad.group])} <= {"cancelled"}
    assert (tryton.on_hand(lot), tryton.on_hand(lot, forecast=True)) == (20, 20)


def test_after_a_shortage_nothing_stays_reserved_and_the_next_use_posts(tryton: Tryton, erp: TrytonDestination) -> None:
    lot = lot_of(tryton)
    (short,) = post(erp, posting(lot, "21"))
    assert f"There are 20 of item {SCREW}, lot or serial number {lot} in OR-CORE, and 21" in short.words
    assert (codes(post(erp, posting(lot, "20"))), tryton.on_hand(lot)) == (["posted"], 0)


def test_what_is_short_waits_and_what_went_with_it_is_sent_again(tryton: Tryton, erp: TrytonDestination) -> None:
    enough, short = lot_of(tryton), lot_of(tryton)
    good, bad = posting(enough), posting(short, "21")
    answers = post(erp, good, bad)
    assert codes(answers) == ["retry neighbour-short", "held not-enough-stock"]
    good.attempts, good.code = 2, answers[0].code
    before = good.group
    assert codes(post(erp, good)) == ["posted"]
    assert (good.group != before, tryton.on_hand(enough), tryton.on_hand(short)) == (True, 19, 20)


def test_what_is_refused_with_others_is_found_by_sending_each_on_its_own(
    tryton: Tryton, erp: TrytonDestination
) -> None:
    lot = lot_of(tryton)
    good, bad = posting(lot), posting(None)
    answers = post(erp, good, bad)
    assert codes(answers) == ["retry shipment-split"] * 2
    for each in (good, bad):
        each.attempts, each.code = 2, "shipment-split"
    assert codes(post(erp, good, bad)) == ["posted", "held refused"]
    assert tryton.on_hand(lot) == 19


def test_a_bad_line_does_not_keep_the_others_of_its_case(tryton: Tryton, erp: TrytonDestination) -> None:
    lot = lot_of(tryton)
    assert codes(post(erp, posting(lot), posting("NOBODY-HAS-THIS"))) == ["posted", "held lot-unknown"]
    assert tryton.on_hand(lot) == 19


def test_a_serial_number_can_not_be_used_twice(tryton: Tryton, erp: TrytonDestination) -> None:
    serial = lot_of(tryton, "1", STEM)
    post(erp, posting(item=STEM, serial=serial))
    assert codes(post(erp, posting(item=STEM, serial=serial))) == ["held not-enough-stock"]


def test_two_of_a_serial_number_can_not_be_used(tryton: Tryton, erp: TrytonDestination) -> None:
    serial = lot_of(tryton, "1", STEM)
    assert codes(post(erp, posting(quantity="2", item=STEM, serial=serial))) == ["held not-enough-stock"]
    assert tryton.on_hand(serial) == 1


def test_an_expired_lot_is_taken_since_it_was_used(tryton: Tryton, erp: TrytonDestination) -> None:
    lot = lot_of(tryton, expiry=dt.date(2026, 10, 31))
    assert codes(post(erp, posting(lot))) == ["posted"]


def test_a_closed_period_is_told_with_both_dates_and_posts_when_it_is_open(own_tryton: Tryton, tmp_path: Path) -> None:
    erp = destination(own_tryton.url, tmp_path, own_tryton.key)
    january = posting("SC-88412", used_on=dt.date(2026, 1, 15))
    (closed,) = post(erp, january)
    assert "used on 2026-01-15" in closed.words
    assert "closed up to 2026-01-31" in closed.words
    own_tryton.reopen_period(dt.date(2026, 1, 31))
    assert codes(post(erp, january)) == ["posted"]
    in_reactor(erp.stop)


def test_a_key_that_was_revoked_is_trouble_of_the_destination(own_tryton: Tryton, tmp_path: Path) -> None:
    erp = destination(own_tryton.url, tmp_path, own_tryton.key)
    own_tryton.revoke_key()
    with pytest.raises(NotDelivered) as caught:
        post(erp, posting("SC-88412"))
    assert caught.value.code == "key-refused"
    in_reactor(erp.stop)


def test_a_wrong_key_is_trouble_of_the_destination_and_of_no_posting(tryton: Tryton, tmp_path: Path) -> None:
    erp = destination(tryton.url, tmp_path, "not the key")
    with pytest.raises(NotDelivered) as caught:
        post(erp, posting())
    assert (caught.value.code, "not the key" in caught.value.words) == ("key-refused", False)
    in_reactor(erp.stop)


# --- what was done, and not answered
@pytest.mark.parametrize("step", STEPS)
def test_an_answer_that_was_lost_comes_to_one_movement(tryton: Tryton, tmp_path: Path, step: str) -> None:
    lot = lot_of(tryton)
    sent = [posting(lot, "3"), posting(lot, "2")]
    with cutting(tryton.port, step) as (port, cut):
        erp = destination(f"http://127.0.0.1:{port}/hosp", tmp_path, tryton.key)
        assert codes(post(erp, *sent)) == ["unknown connection-lost"] * 2
        assert cut.is_set()
        assert codes(look_up(erp, *sent)) == ["posted"] * 2
        in_reactor(erp.stop)
    assert (tryton.on_hand(lot), len(tryton.moves(lot))) == (15, 2)


def test_some_of_a_shipment_can_be_looked_up_without_the_rest(tryton: Tryton, erp: TrytonDestination) -> None:
    lot, other = lot_of(tryton), lot_of(tryton)
    sent = [posting(lot, "3"), posting(other, "2")]
    post(erp, *sent)
    assert [codes(look_up(erp, each)) for each in sent] == [["posted"]] * 2


def test_a_shipment_that_is_not_there_is_sent_again(erp: TrytonDestination) -> None:
    never = posting("L")
    never.group = "CC-never-1"
    assert codes(look_up(erp, never)) == ["retry not-found"]


def test_of_two_shipments_with_one_reference_one_is_done_and_the_other_cancelled(
    tryton: Tryton, erp: TrytonDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    lot = lot_of(tryton)
    sent = posting(lot, "3")
    (sent.group,) = erp.groups([sent])

    async def stop(*_: object, **__: object) -> dict[str, Answer]:
        return {sent.key: Answer("unknown")}

    monkeypatch.setattr(erp._shipments, "finish", stop)
    in_reactor(erp.post, [sent])
    in_reactor(erp.post, [sent])
    monkeypatch.undo()
    assert codes(look_up(erp, sent)) == ["posted"]
    states = sorted(each["state"] for each in tryton.shipments(["reference", "=", sent.group]))
    assert (states, tryton.on_hand(lot)) == (["cancelled", "done"], 17)


def test_nothing_listens_there(tmp_path: Path) -> None:
    erp = destination("http://127.0.0.1:9/hosp", tmp_path, "key")
    with pytest.raises(NotDelivered) as caught:
        post(erp, posting("L"))
    assert caught.value.code == "connection-refused"
