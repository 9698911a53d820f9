"""Pausing and resuming."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from casecart.commands.actor import Actor
from casecart.commands.refusal import Refusal
from casecart.commands.switch import PauseDestination, ResumeDestination

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.commands.desk import Desk
    from casecart.store import Store


def test_a_pause_is_a_switch_and_an_audit_record(store: Store, desk: Desk) -> None:
    done = desk.do(PauseDestination(destination="erp", reason=" closing "), key="k1")
    (switch,), (record,) = store.switches(), store.audit(10)
    assert (switch.destination, switch.state, switch.actor, switch.reason) == ("erp", "paused", "alice", "closing")
    assert (record.actor, record.command, record.subject) == ("alice", "destination.pause", "destination:erp")
    assert json.loads(record.detail) == {"key": "k1", "reason": "closing"}
    assert "erp is paused" in done.words


def test_the_same_key_again_does_nothing(store: Store, desk: Desk) -> None:
    desk.do(PauseDestination(destination="erp", reason="closing"), key="k1")
    desk.do(ResumeDestination(destination="erp"), key="k2")
    again = desk.do(PauseDestination(destination="erp", reason="closing"), key="k1")
    assert again.repeated
    assert [switch.state for switch in store.switches()] == ["running"]
    assert len(store.audit(10)) == 2


def test_a_key_belongs_to_its_command(store: Store, desk: Desk) -> None:
    desk.do(PauseDestination(destination="erp", reason="closing"), key="k")
    assert not desk.do(ResumeDestination(destination="erp"), key="k").repeated
    assert [switch.state for switch in store.switches()] == ["running"]


@pytest.mark.usefixtures("worked")
def test_resuming_says_what_will_go_out(desk: Desk) -> None:
    desk.do(PauseDestination(destination="erp", reason="closing"), key="k1")
    assert "1 posting on the way" in desk.do(ResumeDestination(destination="erp"), key="k2").words
    assert "was not paused" in desk.do(ResumeDestination(destination="inventory"), key="k3").words


def test_a_destination_that_is_not_there_is_refused_with_the_one_that_was_meant(store: Store, desk: Desk) -> None:
    with pytest.raises(Refusal, match="Did you mean 'inventory'") as refused:
        desk.do(PauseDestination(destination="inventry", reason="closing"), key="k")
    assert refused.value.code == "not-found"
    assert store.switches() == []
    assert store.audit(10) == []


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_a_pause_needs_a_reason_that_can_be_read(desk: Desk, reason: str) -> None:
    with pytest.raises(Refusal, match="reason"):
        desk.do(PauseDestination(destination="erp", reason=reason), key="k")


def test_who_may_only_see_changes_nothing(store: Store, desk_of: Callable[[Actor], Desk]) -> None:
    with pytest.raises(Refusal, match="operate"):
        desk_of(Actor("bob", frozenset({"see"}))).do(PauseDestination(destination="erp", reason="x"), key="k")
    assert store.switches() == []
