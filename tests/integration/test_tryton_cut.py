"""A line to a real Tryton that breaks: no answer at all, a request that never arrives, and a second break after it."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from casecart.runtime.destination import NotDelivered, OutcomeUnknown
from support.reactor import in_reactor
from support.tryton.cutting import STEPS, cutting
from support.tryton.posting import codes, destination, look_up, lot_of, post, posting

if TYPE_CHECKING:
    from pathlib import Path

    from support.tryton.server import Tryton

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("step", STEPS)
def test_an_answer_that_never_comes_is_one_movement(tryton: Tryton, tmp_path: Path, step: str) -> None:
    lot = lot_of(tryton)
    sent = posting(lot, "3")
    with cutting(tryton.port, step, how="silence") as (port, _):
        erp = destination(f"http://127.0.0.1:{port}/hosp", tmp_path, tryton.key, timeout="2s")
        assert codes(post(erp, sent)) == ["unknown timeout"]
        assert codes(look_up(erp, sent)) == ["posted"]
        in_reactor(erp.stop)
    assert (tryton.on_hand(lot), len(tryton.moves(lot))) == (17, 1)


@pytest.mark.parametrize(("step", "then"), [(STEPS[0], "retry not-found"), *((step, "posted") for step in STEPS[1:])])
def test_a_request_that_never_arrives_is_one_movement(tryton: Tryton, tmp_path: Path, step: str, then: str) -> None:
    lot = lot_of(tryton)
    sent = posting(lot, "3")
    with cutting(tryton.port, step, how="lost") as (port, _):
        erp = destination(f"http://127.0.0.1:{port}/hosp", tmp_path, tryton.key)
        assert codes(post(erp, sent)) == ["unknown connection-lost"]
        assert codes(look_up(erp, sent)) == [then]
        if then != "posted":
            sent.attempts = 2
            assert codes(post(erp, sent)) == ["posted"]
        in_reactor(erp.stop)
    assert (tryton.on_hand(lot), len(tryton.moves(lot))) == (17, 1)


@pytest.mark.parametrize(("first", "second"), list(itertools.pairwise(STEPS)))
def test_an_answer_that_is_lost_twice_is_one_movement(tryton: Tryton, tmp_path: Path, first: str, second: str) -> None:
    lot = lot_of(tryton)
    sent = posting(lot, "3")
    with cutting(tryton.port, second) as (behind, _), cutting(behind, first) as (port, _):
        erp = destination(f"http://127.0.0.1:{port}/hosp", tmp_path, tryton.key)
        assert codes(post(erp, sent)) == ["unknown connection-lost"]
        with suppress(NotDelivered, OutcomeUnknown):  # where it was the look-up itself that broke
            assert codes(look_up(erp, sent)) == ["unknown connection-lost"]
        assert codes(look_up(erp, sent)) == ["posted"]
        in_reactor(erp.stop)
    assert (tryton.on_hand(lot), len(tryton.moves(lot))) == (17, 1)


def test_a_cancel_whose_answer_is_lost_leaves_nothing_reserved(tryton: Tryton, tmp_path: Path) -> None:
    lot = lot_of(tryton)
    sent = posting(lot, "21")
    with cutting(tryton.port, "POST cancel") as (port, _):
        erp = destination(f"http://127.0.0.1:{port}/hosp", tmp_path, tryton.key)
        assert codes(post(erp, sent)) == ["unknown connection-lost"]
        assert codes(look_up(erp, sent)) == ["retry not-found"]
        sent.attempts = 2
        assert codes(post(erp, sent)) == ["held not-enough-stock"]
        in_reactor(erp.stop)
    assert tryton.on_hand(lot, forecast=True) == 20
