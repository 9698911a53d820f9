"""The watch over the time that a message takes."""

from __future__ import annotations

import pytest

from casecart.mapping.mapped import MANY
from casecart.runtime.watch import NotNow, Overran, Watch


class Ticking:
    """A clock that goes on by a second each time it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return float(self.asked)


def go(watch: Watch, lines: int) -> int:
    """So many lines are gone over; gives how many there were."""
    return sum(1 for _ in watch.over(range(lines)))


def test_a_usual_message_costs_no_look_at_the_clock() -> None:
    clock = Ticking()
    watch = Watch(clock, 0.1)
    watch.begin(1)
    assert go(watch, MANY - 1) == MANY - 1
    assert clock.asked == 0


def test_many_lines_within_the_limit_are_gone_over_in_order() -> None:
    watch = Watch(Ticking(), 1000.0)
    watch.begin(1)
    assert list(watch.over(range(MANY))) == list(range(MANY))


def test_a_message_over_its_limit_is_stopped_with_words_for_a_person() -> None:
    watch = Watch(Ticking(), 5.0)
    watch.begin(1)
    with pytest.raises(Overran) as stopped:
        go(watch, 10_000)
    assert stopped.value.trouble.code == "overran"
    assert "the 5 s that one may" in stopped.value.trouble.words


def test_what_a_message_took_in_one_loop_counts_in_the_next() -> None:
    watch = Watch(Ticking(), 200.0)
    watch.begin(1)
    assert go(watch, MANY) == MANY
    watch.begin(2)
    assert go(watch, MANY) == MANY  # another message has its own time
    watch.begin(1)
    with pytest.raises(Overran):
        go(watch, MANY)


def test_what_is_forgotten_counts_no_more() -> None:
    watch = Watch(Ticking(), 200.0)
    watch.begin(1)
    go(watch, MANY)
    watch.forget()
    assert go(watch, MANY) == MANY


def test_a_message_that_there_is_no_time_for_now_is_not_over_its_limit() -> None:
    watch = Watch(Ticking(), 1000.0)
    watch.begin(1, until=4.0)
    with pytest.raises(NotNow):
        go(watch, 10_000)
