"""Who may ask a FHIR server, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from casecart.listeners.fhir_gate import PATIENCE, FhirGate
from casecart.runtime.fhir_server import FhirTrouble

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Time as the test wants it; in the end nothing is left to be called."""
    made = Clock()
    yield made
    assert made.getDelayedCalls() == []


def entering(gate: FhirGate) -> Deferred[int]:
    return Deferred.fromCoroutine(gate.enter())


def refusal(entered: Deferred[int]) -> Any:  # noqa: ANN401 - the exception
    """Why a call was not let in."""
    found: list[Any] = []
    entered.addErrback(lambda failure: found.append(failure.value))
    assert found, "it was let in, or waits"
    return found[0]


SERVER_ERROR = FhirTrouble("server-error", "It failed.", status=500, passing=True)


def throttled(seconds: float | None) -> FhirTrouble:
    return FhirTrouble("throttled", "Not now.", status=429, passing=True, retry_after=seconds)


def test_so_many_are_let_in_at_once_and_the_others_in_their_order(clock: Clock) -> None:
    gate = FhirGate(clock, 2, lambda: 0.0)
    calls = [entering(gate) for _ in range(4)]
    assert [call.called for call in calls] == [True, True, False, False]
    gate.leave()
    assert [call.called for call in calls] == [True, True, True, False]
    gate.leave()
    assert all(call.called for call in calls)


def test_who_gives_up_waiting_takes_no_place(clock: Clock) -> None:
    gate = FhirGate(clock, 1, lambda: 0.0)
    _, second, third = (entering(gate) for _ in range(3))
    second.cancel()
    assert isinstance(refusal(second), CancelledError)
    gate.leave()
    assert third.called


def test_while_the_server_wants_to_be_left_alone_calls_fail_at_once_and_say_for_how_long(clock: Clock) -> None:
    gate = FhirGate(clock, 2, lambda: 0.0)
    entering(gate)
    gate.failed(throttled(120.0), 0)
    gate.leave()
    clock.advance(20.0)
    refused = refusal(entering(gate))
    assert (refused.code, refused.status, refused.passing, refused.retry_after) == ("throttled", 429, True, 100.0)
    assert not refused.asked
    clock.advance(100.0)
    assert entering(gate).called


def test_who_waits_already_is_told_too(clock: Clock) -> None:
    gate = FhirGate(clock, 1, lambda: 0.0)
    entering(gate)
    waiting = entering(gate)
    gate.failed(throttled(120.0), 0)
    gate.leave()
    assert refusal(waiting).code == "throttled"


def test_a_short_wait_is_waited_out(clock: Clock) -> None:
    gate = FhirGate(clock, 2, lambda: 0.0)
    entering(gate)
    gate.failed(throttled(PATIENCE), 0)
    gate.leave()
    calls = [entering(gate), entering(gate)]
    clock.advance(PATIENCE - 0.1)
    assert not any(call.called for call in calls)
    clock.advance(0.1)
    assert all(call.called for call in calls)


def test_no_server_is_left_alone_for_longer_than_an_hour(clock: Clock) -> None:
    gate = FhirGate(clock, 1, lambda: 0.0)
    entering(gate)
    gate.failed(throttled(1e9), 0)
    gate.leave()
    assert refusal(entering(gate)).retry_after == 3600.0


def test_after_failures_in_a_row_the_waits_grow_until_calls_fail_at_once(clock: Clock) -> None:
    gate, waited = FhirGate(clock, 1, lambda: 0.0), []
    for _ in range(6):
        call, began = entering(gate), clock.seconds()
        while not call.called:
            clock.advance(1 / 64)
        waited.append(clock.seconds() - began)
        gate.failed(SERVER_ERROR, gate._backoff.round)
        gate.leave()
    assert waited == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0]
    assert refusal(entering(gate)).retry_after == 8.0


def test_an_outage_that_several_calls_met_together_counts_once(clock: Clock) -> None:
    gate = FhirGate(clock, 4, lambda: 0.0)
    for _ in range(4):
        entering(gate)
    for _ in range(4):
        gate.failed(SERVER_ERROR, 0)
        gate.leave()
    late = entering(gate)
    clock.advance(0.25)
    assert late.called


@pytest.mark.parametrize(
    "trouble",
    [
        FhirTrouble("unauthorised", "The password is wrong.", status=401),
        FhirTrouble("no-token", "The client is not known."),
        FhirTrouble("tls-failed", "The certificate is another host's."),
    ],
)
def test_what_a_person_must_mend_is_not_tried_again_and_again(trouble: FhirTrouble, clock: Clock) -> None:
    gate = FhirGate(clock, 1, lambda: 0.0)
    entering(gate)
    gate.failed(trouble, 0)
    gate.leave()
    refused = refusal(entering(gate))
    assert (refused.code, refused.words, refused.retry_after) == (trouble.code, trouble.words, 30.0)


@pytest.mark.parametrize(
    "trouble",
    [
        FhirTrouble("not-found", "No.", status=404),
        FhirTrouble("unauthorised", "Not this one.", status=403),
        FhirTrouble("too-large", "No.", status=200),
        FhirTrouble("not-ours", "No."),
    ],
)
def test_what_is_about_one_request_keeps_no_other_waiting(trouble: FhirTrouble, clock: Clock) -> None:
    gate = FhirGate(clock, 1, lambda: 0.0)
    entering(gate)
    gate.failed(trouble, 0)
    gate.leave()
    assert entering(gate).called


def test_after_the_end_nobody_is_let_in_and_who_waits_is_told(clock: Clock) -> None:
    gate = FhirGate(clock, 1, lambda: 0.0)
    entering(gate)
    gate.failed(throttled(1.0), 0)
    gate.leave()
    waiting = entering(gate)
    gate.stop()
    assert [refusal(call).code for call in (waiting, entering(gate))] == ["stopped", "stopped"]
