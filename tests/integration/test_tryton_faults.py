"""What can go wrong between a connector and a real Tryton beside a lost answer: never twice, never lost from sight."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from casecart.destinations.tryton.client import Refused
from casecart.runtime.destination import Answer, NotDelivered
from support.reactor import in_reactor
from support.tryton.cutting import cutting
from support.tryton.posting import codes, destination, look_up, lot_of, post, posting, refer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from twisted.internet.defer import Deferred

    from casecart.destinations.tryton import TrytonDestination
    from casecart.destinations.tryton.line import Line
    from casecart.runtime.destination import Posting
    from casecart.runtime.exchange import Response
    from support.tryton.server import Tryton

pytestmark = pytest.mark.timeout(120)

INTERNAL = "stock.shipment.internal"
JANUARY = dt.date(2026, 1, 31)


@pytest.fixture
def erp(tryton: Tryton, tmp_path: Path) -> Iterator[TrytonDestination]:
    made = destination(tryton.url, tmp_path, tryton.key)
    yield made
    in_reactor(made.stop)


def drafted(erp: TrytonDestination, monkeypatch: pytest.MonkeyPatch, *postings: Posting) -> None:
    """The engine ends when the draft is made."""
    refer(erp, *postings)

    async def stop(*_: object, **__: object) -> dict[str, Answer]:
        return {each.key: Answer("unknown") for each in postings}

    with monkeypatch.context() as patched:
        patched.setattr(erp._shipments, "finish", stop)
        in_reactor(erp.post, postings)


def states(tryton: Tryton, sent: Posting) -> list[str]:
    return [each["state"] for each in tryton.shipments(["reference", "=", sent.group])]


# --- Tryton would move something else than was posted
def put_into(tryton: Tryton, lot: str, place: str) -> None:
    """The stock of a lot goes from OR-CORE into a location in it."""
    (core,) = tryton.find("stock.location", [["code", "=", "OR-CORE"]], ["id"])
    values = {"name": place, "code": place, "type": "storage", "parent": core["id"]}
    (inner,) = tryton.call("stock.location", "create", [values])
    (found,) = tryton.find("stock.lot", [["number", "=", lot]], ["product"])
    day = {"__class__": "date", "year": 2026, "month": 2, "day": 3}
    ways = {"from_location": core["id"], "to_location": inner}
    move = {"product": found["product"], "unit": 1, "quantity": 20.0, "lot": found["id"], **ways}
    days = dict.fromkeys(("effective_date", "effective_start_date", "planned_date", "planned_start_date"), day)
    made = tryton.call(INTERNAL, "create", [{"reference": "OPENING", **ways, **days, "moves": [["create", [move]]]}])
    for step in ("wait", "assign_try", "do"):
        tryton.call(INTERNAL, step, made)


def test_what_lies_in_a_location_inside_is_not_taken_from_there_unasked(tryton: Tryton, erp: TrytonDestination) -> None:
    lot = lot_of(tryton)
    put_into(tryton, lot, "BIN-INSIDE")
    sent = posting(lot, "3")
    (answer,) = post(erp, sent)
    assert (codes([answer]), "BIN-INSIDE" in answer.words) == (["held moves-differ"], True)
    assert (states(tryton, sent), tryton.on_hand(lot, "BIN-INSIDE")) == (["cancelled"], 20)


def test_without_a_lot_none_is_chosen_where_tryton_needs_none(tryton: Tryton, erp: TrytonDestination) -> None:
    product = {
        "name": "Free of lots", "code": "FREE-1", "type": "goods", "default_uom": 1, "products": [["create", [{}]]],
    }  # fmt: skip
    tryton.call("product.template", "create", [product])
    lot = lot_of(tryton, item="FREE-1")
    assert (codes(post(erp, posting(None, "3", item="FREE-1"))), tryton.moves(lot)) == (["posted"], [])


def test_what_somebody_added_to_the_draft_is_not_moved(
    tryton: Tryton, erp: TrytonDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    lot, other = lot_of(tryton), lot_of(tryton)
    sent = posting(lot, "3")
    finish = erp._shipments.finish

    async def added(made: dict[str, Any], lines: Sequence[Line], *, whole: bool) -> dict[str, Answer]:
        number = made["id"]
        (shipment,) = tryton.find(INTERNAL, [["id", "=", number]], ["from_location", "to_location"])
        (found,) = tryton.find("stock.lot", [["number", "=", other]], ["product"])
        move = {
            "product": found["product"], "unit": 1, "quantity": 1.0, "lot": found["id"],
            "from_location": shipment["from_location"], "to_location": shipment["to_location"],
        }  # fmt: skip
        tryton.call(INTERNAL, "write", [number], {"moves": [["create", [move]]]})
        return await finish(made, lines, whole=whole)

    monkeypatch.setattr(erp._shipments, "finish", added)
    assert codes(post(erp, sent)) == ["held moves-differ"]
    assert (states(tryton, sent), tryton.on_hand(lot), tryton.on_hand(other)) == (["cancelled"], 20, 20)


# --- somebody else is at the shipment, too
def test_a_shipment_that_is_done_while_it_is_given_up_is_posted(
    tryton: Tryton, erp: TrytonDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `do` whose answer timed out goes on inside Tryton: what is read then can be older than what comes of it."""
    lot = lot_of(tryton)
    rest: Any = erp._shipments._rest
    act, read = rest.act, rest.read
    stale = [False]

    async def late(model: str, number: int, action: str, fields: list[str]) -> dict[str, Any]:
        done: dict[str, Any] = await act(model, number, action, fields)
        if action == "do":
            stale[0] = True
            raise Refused("Somebody else is at it.")
        return done

    async def older(model: str, number: int, fields: list[str]) -> dict[str, Any]:
        record: dict[str, Any] = await read(model, number, fields)
        if stale[0]:
            stale[0] = False
            return {**record, "state": "assigned"}
        return record

    monkeypatch.setattr(rest, "act", late)
    monkeypatch.setattr(rest, "read", older)
    assert codes(post(erp, posting(lot, "3"))) == ["posted"]
    assert tryton.on_hand(lot) == 17


@pytest.mark.parametrize("state", ["request", "packed", "shipped"])
def test_a_shipment_that_somebody_took_elsewhere_is_told_and_not_made_again(
    tryton: Tryton, erp: TrytonDestination, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    sent = posting(lot_of(tryton), "3")
    drafted(erp, monkeypatch, sent)
    (shipment,) = tryton.shipments(["reference", "=", sent.group])
    tryton.call(INTERNAL, "write", [shipment["id"]], {"state": state})
    (answer,) = look_up(erp, sent)
    assert (codes([answer]), state in answer.words) == (["held state-differs"], True)


def test_a_shipment_that_somebody_cancelled_is_sent_again(
    tryton: Tryton, erp: TrytonDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = posting(lot_of(tryton), "3")
    drafted(erp, monkeypatch, sent)
    (shipment,) = tryton.shipments(["reference", "=", sent.group])
    tryton.call(INTERNAL, "cancel", [shipment["id"]])
    assert codes(look_up(erp, sent)) == ["retry not-found"]


def test_an_engine_that_goes_on_after_another_one_cancelled_its_draft_moves_nothing(
    tryton: Tryton, erp: TrytonDestination
) -> None:
    lot = lot_of(tryton)
    sent = posting(lot, "3")
    refer(erp, sent)
    (answer,) = in_reactor(erp.post, [sent])
    sent.state, sent.reference = "sent", answer.reference
    tryton.call(INTERNAL, "cancel", [int(answer.reference)])
    assert codes(in_reactor(erp.carry_out, [sent])) == ["retry cancelled"]
    assert (states(tryton, sent), tryton.on_hand(lot, forecast=True)) == (["cancelled"], 20)


def test_two_engines_that_see_one_draft_to_its_end_move_it_once(tryton: Tryton, erp: TrytonDestination) -> None:
    lot = lot_of(tryton)
    sent = posting(lot, "3")
    refer(erp, sent)
    (answer,) = in_reactor(erp.post, [sent])
    sent.state, sent.reference = "sent", answer.reference
    assert codes(look_up(erp, sent)) == ["posted"]
    sent.state = "sent"  # as the one who was stopped has it
    assert codes(in_reactor(erp.carry_out, [sent])) == ["posted"]
    assert (tryton.on_hand(lot), len(tryton.moves(lot))) == (17, 1)


def test_a_shipment_that_somebody_did_by_hand_is_posted(
    tryton: Tryton, erp: TrytonDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    lot = lot_of(tryton)
    sent = posting(lot, "3")
    drafted(erp, monkeypatch, sent)
    (shipment,) = tryton.shipments(["reference", "=", sent.group])
    for step in ("wait", "assign_try", "do"):
        tryton.call(INTERNAL, step, [shipment["id"]])
    assert (codes(look_up(erp, sent)), tryton.on_hand(lot)) == (["posted"], 17)


# --- the settings were changed while the outcome was unknown
ELSEWHERE = 'used: {default: "{department}-USED"}\n'


def test_what_can_not_be_read_any_more_is_not_moved_unseen(
    tryton: Tryton, erp: TrytonDestination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lot = lot_of(tryton)
    sent = posting(lot, "3")
    drafted(erp, monkeypatch, sent)
    changed = destination(tryton.url, tmp_path, tryton.key, ELSEWHERE)
    assert codes(look_up(changed, sent)) == ["retry shipment-split"]
    assert (states(tryton, sent), tryton.on_hand(lot)) == (["cancelled"], 20)
    sent.attempts = 2
    assert codes(post(changed, sent)) == ["held location-missing"]
    in_reactor(changed.stop)


def test_what_can_not_be_read_any_more_and_was_moved_is_given_to_a_person(
    tryton: Tryton, erp: TrytonDestination, tmp_path: Path
) -> None:
    lot = lot_of(tryton)
    sent = posting(lot, "3")
    post(erp, sent)
    changed = destination(tryton.url, tmp_path, tryton.key, ELSEWHERE)
    assert (codes(look_up(changed, sent)), tryton.on_hand(lot)) == (["held payload-changed"], 17)
    in_reactor(changed.stop)


def test_what_goes_elsewhere_by_the_settings_of_today_is_made_anew(
    tryton: Tryton, erp: TrytonDestination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lot = lot_of(tryton)
    sent = posting(lot, "3")
    drafted(erp, monkeypatch, sent)
    changed = destination(tryton.url, tmp_path, tryton.key, 'used: {default: "{cost_center}-WASTED"}\n')
    assert codes(look_up(changed, sent)) == ["retry shipment-split"]
    sent.attempts = 2
    assert (codes(post(changed, sent)), tryton.on_hand(lot, "7100-WASTED")) == (["posted"], 3)
    assert len(tryton.moves(lot)) == 1
    in_reactor(changed.stop)


# --- a line that was left out of its shipment, and is asked for with it
@pytest.mark.parametrize("step", ["POST create", "POST do"])
def test_a_line_that_its_shipment_was_made_without_is_sent_again_to_hear_why(
    tryton: Tryton, tmp_path: Path, step: str
) -> None:
    lot = lot_of(tryton)
    good, bad = posting(lot, "3"), posting("NOBODY-HAS-THIS")
    with cutting(tryton.port, step) as (port, _):
        erp = destination(f"http://127.0.0.1:{port}/hosp", tmp_path, tryton.key)
        post(erp, good, bad)
        assert codes(look_up(erp, good, bad)) == ["posted", "retry not-in-shipment"]
        bad.attempts = 2
        assert codes(post(erp, bad)) == ["held lot-unknown"]
        in_reactor(erp.stop)
    assert len(tryton.moves(lot)) == 1


def test_of_a_lot_in_two_units_it_is_told_how_much_was_moved(tryton: Tryton, tmp_path: Path) -> None:
    lot = lot_of(tryton)
    each, box = posting(lot, "3"), posting(lot, "1", unit="BX")
    with cutting(tryton.port, "POST do") as (port, _):
        erp = destination(f"http://127.0.0.1:{port}/hosp", tmp_path, tryton.key)
        post(erp, each, box)
        answers = look_up(erp, each, box)
        in_reactor(erp.stop)
    assert codes(answers) == ["held read-back-differs"] * 2
    assert "moved 3 of" in answers[0].words


# --- a period that is closed between two steps
@pytest.fixture
def closing(own_tryton: Tryton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes a connector; January is closed when its draft is made."""
    own_tryton.reopen_period(JANUARY)
    made: list[TrytonDestination] = []

    def make(more: str = "") -> TrytonDestination:
        erp = destination(own_tryton.url, tmp_path, own_tryton.key, more)
        made.append(erp)
        finish = erp._shipments.finish

        async def close(found: dict[str, Any], lines: Sequence[Line], *, whole: bool) -> dict[str, Answer]:
            own_tryton.close_period(JANUARY)
            return await finish(found, lines, whole=whole)

        monkeypatch.setattr(erp._shipments, "finish", close)
        return erp

    yield make
    for each in made:
        in_reactor(each.stop)


def test_a_period_that_closes_under_a_draft_is_told_with_both_dates(
    own_tryton: Tryton, closing: Callable[..., TrytonDestination]
) -> None:
    """Nothing is moved; what Tryton does not let go of is told."""
    sent = posting("SC-88412", "3", used_on=dt.date(2026, 1, 15))
    (answer,) = post(closing(), sent)
    assert codes([answer]) == ["held period-closed"]
    assert "closed up to 2026-01-31. Its shipment could not be cancelled" in answer.words
    assert (states(own_tryton, sent), own_tryton.on_hand("SC-88412", forecast=True)) == (["draft"], 100)


LOGIN = "login: {user: casecart, password: {file: password}}\n"


def test_with_a_login_it_is_told_which_period_is_closed_where_the_key_may_not_see_periods(
    own_tryton: Tryton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closing: Callable[..., TrytonDestination]
) -> None:
    (tmp_path / "password").write_text("a password of a test")
    erp = closing(LOGIN)

    async def unseen() -> str:
        return ""

    monkeypatch.setattr(erp._shipments, "_closed_until", unseen)
    (answer,) = post(erp, posting("SC-88412", "3", used_on=dt.date(2026, 1, 15)))
    assert (answer.code, "reopen" in answer.words, "01/31/2026" in answer.words) == ("refused", True, True)


def test_with_a_login_a_decision_that_tryton_asks_for_is_told_as_one(tryton: Tryton, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a password of a test")
    lot = lot_of(tryton)
    erp = destination(tryton.url, tmp_path, tryton.key, LOGIN)
    sent = posting(lot, "3", used_on=dt.date(2031, 1, 1))
    (answer,) = post(erp, sent)
    assert (codes([answer]), "future" in answer.words) == (["held decision-needed"], True)
    assert (states(tryton, sent), tryton.on_hand(lot, forecast=True)) == (["cancelled"], 20)
    in_reactor(erp.stop)


def test_a_login_that_is_wrong_is_tried_once_and_costs_no_posting(
    tryton: Tryton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("wrong")
    erp = destination(tryton.url, tmp_path, tryton.key, LOGIN)
    paths = []
    sending = erp._client.send

    def watched(method: str, headers: dict[str, str], body: bytes, path: str = "") -> Deferred[Response]:
        paths.append(path)
        return sending(method, headers, body, path)

    monkeypatch.setattr(erp._client, "send", watched)
    assert codes(post(erp, posting(None), posting(None, used_on=dt.date(2026, 11, 4)))) == ["held refused"] * 2
    assert paths.count("/rpc/") == 1
    in_reactor(erp.stop)


def test_a_session_that_ended_is_begun_anew(tryton: Tryton, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a password of a test")
    erp = destination(tryton.url, tmp_path, tryton.key, LOGIN)
    assert erp._shipments._reasons is not None
    erp._shipments._reasons._session = "bm9ib2R5OjE6bm8="
    assert codes(post(erp, posting(lot_of(tryton), used_on=dt.date(2031, 1, 1)))) == ["held decision-needed"]
    in_reactor(erp.stop)


# --- rights
def test_a_user_who_may_not_move_stock_is_trouble_of_the_destination(own_tryton: Tryton, tmp_path: Path) -> None:
    (user,) = own_tryton.find("res.user", [["login", "=", "casecart"]], ["groups"])
    own_tryton.call("res.user", "write", [user["id"]], {"groups": [["remove", user["groups"]]]})
    erp = destination(own_tryton.url, tmp_path, own_tryton.key)
    with pytest.raises(NotDelivered) as caught:
        post(erp, posting("SC-88412"))
    assert caught.value.code == "not-permitted"
    in_reactor(erp.stop)
