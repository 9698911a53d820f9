"""When to try again."""

from __future__ import annotations

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
