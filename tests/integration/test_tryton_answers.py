"""What a real Tryton can't be made to answer: pages, silence, half answers, steps that do nothing, pleas for time."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from casecart.destinations.tryton.names import AT_ONCE
from casecart.runtime.destination import NotDelivered
from support.reactor import in_reactor
from support.tryton.posting import codes, destination, look_up, post, posting, refer
from support.tryton.pretended import Pretended, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from casecart.destinations.tryton import TrytonDestination
    from casecart.runtime.destination import Answer, Posting

BEFORE = ("GET product.product", "GET stock.location", "GET stock.lot", "GET stock.period")
"""Nothing is made yet."""

AFTER = ("GET read", "POST wait", "POST assign_try", "POST do")
"""The draft is there."""

HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE = Reply(b"<html>Please log in</html>", headers=HTML)


@pytest.fixture
def erp() -> Iterator[Pretended]:
    with Pretended() as server:
        yield server


@pytest.fixture
def connector(erp: Pretended, tmp_path: Path) -> Iterator[TrytonDestination]:
    made = destination(erp.url, tmp_path, "key", timeout="500ms")
    yield made
    in_reactor(made.stop)


def trouble(call: Callable[..., list[Answer]], connector: TrytonDestination, *sent: Posting) -> NotDelivered:
    """That the call as a whole comes to: nothing was done."""
    with pytest.raises(NotDelivered) as caught:
        call(connector, *sent)
    return caught.value


def done(erp: Pretended) -> int:
    """How many shipments were done."""
    return erp.states().count("done")


def test_the_server_that_pretends_is_posted_to_as_a_real_one(erp: Pretended, connector: TrytonDestination) -> None:
    assert (codes(post(connector, posting("L", "3"), posting("M"))), erp.states()) == (["posted"] * 2, ["done"])


def test_a_shipment_is_read_before_it_is_done_and_after(erp: Pretended, connector: TrytonDestination) -> None:
    post(connector, posting("L"))
    made = erp.kinds[erp.kinds.index("POST create") :]
    assert made == ["POST create", "POST wait", "POST assign_try", "GET read", "POST do", "GET read"]


@pytest.mark.parametrize(
    ("kind", "tells", "code"),
    [
        ("POST wait", "waiting", "nothing-done"),
        ("POST wait", "done", "nothing-done"),
        ("POST assign_try", "assigned", "not-enough-stock"),
        ("POST do", "done", "nothing-done"),
    ],
)
def test_the_answer_of_a_step_is_no_proof(
    erp: Pretended, connector: TrytonDestination, kind: str, tells: str, code: str
) -> None:
    """It says that the shipment is further than it is."""
    erp.script[kind] = Reply(json.dumps({"id": 1, "state": tells}).encode())
    assert (codes(post(connector, posting("L"))), erp.states()) == ([f"held {code}"], ["cancelled"])


# --- something answers in Tryton's place
JUNK = {
    "a page": PAGE,
    "a page that says it is JSON": Reply(b"<html>Please log in</html>"),
    "half of an answer": Reply(b'[{"id": 1', length=500),
    "nothing": Reply(b""),
    "null": Reply(b"null"),
    "a number": Reply(b"7"),
    "deep nesting": Reply(b"[" * 100_000),
    "more than is read": Reply(b'[{"id": 1, "code": "' + b"x" * 2_000_000 + b'"}]'),
    "no content": Reply(b"", status=204),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
@pytest.mark.parametrize("kind", BEFORE)
def test_junk_before_anything_is_made_is_trouble_of_the_destination(
    erp: Pretended, connector: TrytonDestination, kind: str, junk: Reply
) -> None:
    erp.script[kind] = junk
    trouble(post, connector, posting("L"))
    assert erp.shipments == []


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
@pytest.mark.parametrize("kind", ["POST create", *AFTER])
def test_junk_after_that_is_looked_up_and_is_one_movement(
    erp: Pretended, connector: TrytonDestination, kind: str, junk: Reply
) -> None:
    sent = posting("L")

    def carried_out(_: Pretended) -> Reply:
        if kind == "POST create" and not erp.shipments:
            erp.as_tryton("POST", ["stock.shipment.internal"], "", _made(connector, sent, erp))
        elif kind.startswith("POST "):
            erp.press(1, kind.removeprefix("POST "))
        return junk

    erp.script[kind] = carried_out
    assert [answer.state for answer in post(connector, sent)] == ["unknown"]
    erp.script.clear()
    assert (codes(look_up(connector, sent)), done(erp), len(erp.shipments)) == (["posted"], 1, 1)


def _made(connector: TrytonDestination, sent: Posting, erp: Pretended) -> bytes:
    """The body of the request that makes it."""
    numbers = {"product": "SCREW-65-30", "from_location": "OR-CORE", "to_location": "7100-USED", "lot": "L"}
    move: dict[str, Any] = {name: erp._number(code) for name, code in numbers.items()}
    return json.dumps({"reference": sent.group, "moves": [["create", [{**move, "quantity": 1}]]]}).encode()


def test_junk_while_it_is_looked_up_makes_nothing_anew(erp: Pretended, connector: TrytonDestination) -> None:
    erp.script["POST do"] = Reply(b"", status=500)
    sent = posting("L")
    post(connector, sent)
    erp.script = {"GET known": PAGE}
    trouble(look_up, connector, sent)  # to the dispatcher the outcome stays unknown
    erp.script.clear()
    assert (codes(look_up(connector, sent)), len(erp.shipments)) == (["posted"], 1)


# --- silence
@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("kind", ["POST wait", "POST assign_try", "POST do"])
def test_after_silence_it_goes_on_from_the_step_that_it_is_at(
    erp: Pretended, connector: TrytonDestination, kind: str, *, carried_out: bool
) -> None:
    waiting = threading.Event()

    def silent(server: Pretended) -> Reply:
        if carried_out:
            server.press(1, kind.removeprefix("POST "))
        waiting.wait(5)
        return Reply(status=0)

    erp.script[kind] = silent
    sent = posting("L")
    assert codes(post(connector, sent)) == ["unknown timeout"]
    waiting.set()
    erp.script.clear()
    assert (codes(look_up(connector, sent)), done(erp), len(erp.shipments)) == (["posted"], 1, 1)


@pytest.mark.parametrize("kind", BEFORE)
def test_silence_before_anything_is_made_is_without_effect(
    erp: Pretended, connector: TrytonDestination, kind: str
) -> None:
    waiting = threading.Event()
    erp.script[kind] = lambda _: (waiting.wait(5), Reply(status=0))[1]
    said = trouble(post, connector, posting("L"))
    waiting.set()
    assert (said.code, erp.shipments) == ("timeout", [])


def test_a_draft_that_comes_to_light_late_is_never_done(erp: Pretended, connector: TrytonDestination) -> None:
    """The request to make it was given up, looked up in vain, and carried out after all."""
    sent = posting("L")
    erp.script["POST create"] = Reply(b"", status=500)
    assert codes(post(connector, sent)) == ["unknown http-500"]
    assert codes(look_up(connector, sent)) == ["retry not-found"]
    erp.script.clear()
    erp.as_tryton("POST", ["stock.shipment.internal"], "", _made(connector, sent, erp))
    sent.attempts = 2
    assert (codes(post(connector, sent)), erp.states()) == (["posted"], ["draft", "done"])


# --- 200, and nothing done
@pytest.mark.parametrize(
    ("kind", "code"),
    [("POST wait", "nothing-done"), ("POST assign_try", "not-enough-stock"), ("POST do", "nothing-done")],
)
def test_a_step_that_does_nothing_is_held_and_cancelled(
    erp: Pretended, connector: TrytonDestination, kind: str, code: str
) -> None:
    erp.script[kind] = lambda server: Reply(json.dumps(server.shipments[0]).encode())
    assert (codes(post(connector, posting("L"))), erp.states()) == ([f"held {code}"], ["cancelled"])


def test_a_shipment_that_can_not_be_cancelled_is_told(erp: Pretended, connector: TrytonDestination) -> None:
    for kind in ("POST assign_try", "POST cancel"):
        erp.script[kind] = lambda server: Reply(json.dumps(server.shipments[0]).encode())
    (answer,) = post(connector, posting("L"))
    assert (codes([answer]), "by hand" in answer.words) == (["held not-cancelled"], True)


@pytest.mark.parametrize(
    "change", [{"quantity": 2}, {"lot": None}, {"lot": {"number": "M"}}, {"to_location": {"code": "7110-USED"}}]
)
def test_done_with_something_else_than_was_posted_is_held(
    erp: Pretended, connector: TrytonDestination, change: dict[str, Any]
) -> None:
    def changed(server: Pretended) -> None:
        server.shipments[0]["moves"][0].update(change)

    erp.script["POST do"] = changed
    (answer,) = post(connector, posting("L"))
    assert (codes([answer]), "shipment 1 is done" in answer.words) == (["held read-back-differs"], True)


def test_done_without_a_movement_is_held(erp: Pretended, connector: TrytonDestination) -> None:
    erp.script["POST do"] = lambda server: server.shipments[0]["moves"].clear()
    assert codes(post(connector, posting("L"))) == ["held read-back-differs"]


# --- a page with 400: Tryton failed inside, and nothing was done
FAILED = Reply(b"<!doctype html><p>Unable to get RPC method</p>", status=400, headers=HTML)
STEPS = ["POST wait", "POST assign_try", "POST do"]


@pytest.mark.parametrize("kind", STEPS)
def test_a_step_that_fails_for_a_lock_is_asked_for_again(
    erp: Pretended, connector: TrytonDestination, kind: str
) -> None:
    erp.script[kind] = lambda server: FAILED if server.kinds.count(kind) <= 4 else None
    assert (codes(post(connector, posting("L"), posting("M"))), erp.states()) == (["posted"] * 2, ["done"])


@pytest.mark.parametrize("kind", STEPS)
def test_a_step_that_fails_and_was_carried_out_is_posted_once(
    erp: Pretended, connector: TrytonDestination, kind: str
) -> None:
    def carried_out(server: Pretended) -> Reply:
        server.press(1, kind.removeprefix("POST "))
        return FAILED

    erp.script[kind] = carried_out
    assert (codes(post(connector, posting("L"))), erp.states()) == (["posted"], ["done"])


@pytest.mark.parametrize("kind", STEPS)
def test_a_step_that_fails_again_and_again_is_cancelled_and_tried_later(
    erp: Pretended, connector: TrytonDestination, kind: str
) -> None:
    erp.script[kind] = FAILED
    assert codes(post(connector, posting("L"))) == ["retry step-failed"]
    assert codes(post(connector, posting("L"), posting("M"))) == ["retry shipment-split"] * 2
    assert erp.states() == ["cancelled"] * 2


# --- Tryton is in trouble, or asks for patience
@pytest.mark.parametrize(
    ("busy", "seconds"),
    [
        (Reply(status=503, headers={"Retry-After": "17"}), 17.0),
        (Reply(status=429, headers={"Retry-After": "3"}), 3.0),
        (
            Reply(
                status=503,
                headers={"Date": "Sat, 21 Nov 2026 07:00:00 GMT", "Retry-After": "Sat, 21 Nov 2026 07:01:00 GMT"},
            ),
            60.0,
        ),
        (Reply(status=503, headers={"Retry-After": "9" * 400}), 999_999_999.0),
        (Reply(status=503, headers={"Retry-After": "soon"}), None),
        (Reply(status=429, headers={}), None),
    ],
)
@pytest.mark.parametrize("kind", ["GET product.product", "POST create"])
def test_patience_is_asked_for_and_given(
    erp: Pretended, connector: TrytonDestination, kind: str, busy: Reply, seconds: float | None
) -> None:
    erp.script[kind] = busy
    said = trouble(post, connector, posting("L"))
    assert (said.code, said.retry_after) == (f"http-{busy.status}", seconds)


def test_what_was_not_begun_when_patience_was_asked_for_was_not_tried(
    erp: Pretended, connector: TrytonDestination
) -> None:
    def second(server: Pretended) -> Reply | None:
        busy = Reply(b"", status=503, headers={"Retry-After": "17"})
        return busy if server.kinds.count("POST create") > 1 else None

    erp.script["POST create"] = second
    answers = post(connector, posting("L", case="a"), posting("L", case="b"), posting("L", case="c"))
    assert codes(answers) == ["posted", "retry http-503", "retry http-503"]
    assert [(answer.tried, answer.retry_after) for answer in answers[1:]] == [(False, 17.0)] * 2


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("kind", ["POST wait", "POST assign_try", "POST do", "GET read"])
def test_a_failure_of_tryton_is_looked_up(erp: Pretended, connector: TrytonDestination, kind: str, status: int) -> None:
    erp.script[kind] = Reply(b"", status=status, headers=HTML)
    sent = posting("L")
    assert codes(post(connector, sent)) == [f"unknown http-{status}"]
    erp.script.clear()
    assert (codes(look_up(connector, sent)), done(erp)) == (["posted"], 1)


def test_a_key_that_is_revoked_in_the_middle_is_looked_up(erp: Pretended, connector: TrytonDestination) -> None:
    erp.script["POST do"] = erp.script["GET known"] = Reply(b"", status=401, headers=HTML)
    sent = posting("L")
    assert codes(post(connector, sent)) == ["unknown key-refused"]
    assert trouble(look_up, connector, sent).code == "key-refused"
    erp.script.clear()
    assert codes(look_up(connector, sent)) == ["posted"]


@pytest.mark.parametrize("kind", ["GET product.product", "POST create"])
def test_a_redirect_is_not_followed(erp: Pretended, connector: TrytonDestination, kind: str) -> None:
    erp.script[kind] = Reply(b"", status=302, headers={"Location": f"{erp.url}/elsewhere"})
    said = trouble(post, connector, posting("L"))
    assert (said.code, "redirects are not followed" in said.words) == ("http-302", True)


# --- several shipments of one reference
@pytest.mark.parametrize(
    ("there", "then", "answer"),
    [
        (["draft", "waiting"], ["cancelled", "done"], "posted"),
        (["waiting", "assigned", "draft"], ["cancelled", "done", "cancelled"], "posted"),
        (["draft", "draft"], ["done", "cancelled"], "posted"),
        (["assigned", "done"], ["cancelled", "done"], "posted"),
        (["cancelled", "draft"], ["cancelled", "done"], "posted"),
        (["cancelled", "cancelled"], ["cancelled", "cancelled"], "retry not-found"),
    ],
)
def test_of_several_shipments_the_furthest_goes_on_and_the_others_are_cancelled(
    erp: Pretended, connector: TrytonDestination, there: list[str], then: list[str], answer: str
) -> None:
    sent = posting("L")
    refer(connector, sent)
    for number, state in enumerate(there, 1):
        erp.as_tryton("POST", ["stock.shipment.internal"], "", _made(connector, sent, erp))
        for step in {"cancelled": ["cancel"], "draft": []}.get(state, ["wait", "assign_try", "do"]):
            if erp.states()[number - 1] != state:
                erp.press(number, step)
    assert erp.states() == there
    assert (codes(look_up(connector, sent)), erp.states()) == ([answer], then)


def test_a_shipment_in_a_state_that_nobody_knows_is_there(erp: Pretended, connector: TrytonDestination) -> None:
    sent = posting("L")
    erp.script["POST wait"] = Reply(b"", status=500)
    post(connector, sent)
    erp.shipments[0]["state"] = "of a later Tryton"
    assert (codes(look_up(connector, sent)), len(erp.shipments)) == (["held state-differs"], 1)


# --- much at once
def test_a_large_case_is_asked_for_in_parts_that_fit_into_an_address(
    erp: Pretended, connector: TrytonDestination
) -> None:
    sent = [posting(f"A-LOT-WITH-A-LONG-NUMBER-{number:04}", item=f"ITEM-{number:04}") for number in range(3 * AT_ONCE)]
    assert codes(post(connector, *sent)) == ["posted"] * len(sent)
    assert erp.longest < 8000
