"""When to try again."""

from __future__ import annotations

import pytest

from casecart.runtime.backoff import BREAKER, LONGEST, Backoff


def waits(count: int, random: float = 0.5) -> list[float]:
    backoff = Backoff(lambda: random)
    return [backoff.failed() for _ in range(count)]


def test_each_wait_is_longer_until_the_longest() -> None:
    delays = waits(20)
    assert delays == sorted(delays)
    assert delays[0] < 1.0
    assert delays[-1] <= LONGEST


def test_waits_are_spread_by_jitter() -> None:
    assert waits(3, random=0.0) != waits(3, random=0.9)


def test_what_the_destination_asked_for_is_the_least() -> None:
    assert Backoff(lambda: 0.5).failed(retry_after=30.0) == 30.0


def test_a_destination_cannot_ask_for_more_than_an_hour() -> None:
    assert Backoff(lambda: 0.5).failed(retry_after=1e9) == 3600.0


def test_the_breaker_opens_after_failures_in_a_row_and_closes_with_an_answer() -> None:
    backoff = Backoff(lambda: 0.5)
    for _ in range(BREAKER):
        assert not backoff.open
        backoff.failed()
    assert backoff.open
    backoff.succeeded()
    assert not backoff.open


def test_calls_that_failed_together_are_one_failure() -> None:
    backoff = Backoff(lambda: 0.5)
    began = [backoff.round] * 8
    assert [backoff.failed(each) > 0 for each in began] == [True] + [False] * 7
    assert (backoff.failures, backoff.open) == (1, False)


def test_what_one_of_them_asks_for_is_waited_for_all_the_same() -> None:
    backoff = Backoff(lambda: 0.5)
    began = backoff.round
    backoff.failed(began)
    assert backoff.failed(began, retry_after=30.0) == 30.0


@pytest.mark.parametrize("random", [0.0, 0.999])
def test_what_does_not_get_well_by_itself_opens_the_breaker_and_is_tried_once_a_minute(random: float) -> None:
    backoff = Backoff(lambda: random)
    assert LONGEST / 2 <= backoff.failed(permanent=True) <= LONGEST
    assert backoff.open


def test_a_date_that_is_past_is_waited_for_no_longer_than_any_other_failure() -> None:
    assert Backoff(lambda: 0.5).failed(retry_after=-5.0) < 1.0
