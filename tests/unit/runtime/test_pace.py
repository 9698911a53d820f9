"""How fast a destination may be asked."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from casecart.runtime.pace import Pace


@pytest.mark.parametrize(("rate", "most"), [(10.0, 10), (2.5, 2), (0.1, 1)])
def test_at_once_goes_a_seconds_worth_and_at_least_one(rate: float, most: int) -> None:
    assert Pace(rate, Clock().seconds).allowed == most


def test_what_went_comes_back_with_time() -> None:
    clock = Clock()
    pace = Pace(10.0, clock.seconds)
    pace.took(10)
    assert pace.allowed == 0
    assert pace.wait(4) == pytest.approx(0.4)
    clock.advance(0.4)
    assert (pace.allowed, pace.wait(4)) == (4, 0.0)


def test_a_rest_saves_up_no_more_than_a_seconds_worth() -> None:
    clock = Clock()
    pace = Pace(10.0, clock.seconds)
    clock.advance(3600)
    assert pace.allowed == 10


def test_more_than_a_seconds_worth_is_not_waited_for() -> None:
    assert Pace(10.0, Clock().seconds).wait(500) == 0.0


def test_after_the_wait_it_may_go_however_large_the_clock_is() -> None:
    """The clock of a machine that is long up has no room for the last bits of a short wait."""
    clock = Clock()
    clock.advance(3e8)
    pace = Pace(3.0, clock.seconds)
    pace.took(3)
    clock.advance(pace.wait(1))
    assert pace.wait(1) == 0.0
