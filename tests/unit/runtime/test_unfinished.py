"""What is held of unfinished messages, over all connections."""

from __future__ import annotations

from casecart.runtime.unfinished import Unfinished


class Holder:
    """Remembers whether it had to let go."""

    def __init__(self) -> None:
        self.gave_up = False

    def give_up(self) -> None:
        """Let go."""
        self.gave_up = True


def test_nobody_gives_up_as_long_as_there_is_room() -> None:
    unfinished, one, other = Unfinished(100), Holder(), Holder()
    unfinished.hold(one, 60)
    unfinished.hold(other, 40)
    assert (unfinished.total, one.gave_up, other.gave_up) == (100, False, False)


def test_the_largest_gives_up_and_no_other() -> None:
    unfinished, small, large = Unfinished(100), Holder(), Holder()
    unfinished.hold(large, 70)
    unfinished.hold(small, 31)
    assert (unfinished.total, small.gave_up, large.gave_up) == (31, False, True)


def test_what_was_let_go_counts_no_more() -> None:
    unfinished, one, other = Unfinished(100), Holder(), Holder()
    unfinished.hold(one, 70)
    unfinished.hold(one, 0)
    unfinished.hold(other, 90)
    assert (unfinished.total, one.gave_up, other.gave_up) == (90, False, False)


def test_as_many_give_up_as_it_takes() -> None:
    unfinished, holders = Unfinished(100), [Holder() for _ in range(10)]
    for holder in holders:
        unfinished.hold(holder, 10)
    last = Holder()
    unfinished.hold(last, 9)
    assert (unfinished.total, [holder.gave_up for holder in holders].count(True), last.gave_up) == (99, 1, False)


def test_the_largest_message_that_may_come_can_come() -> None:
    unfinished, one, other = Unfinished(100), Holder(), Holder()
    unfinished.make_room(90)
    unfinished.hold(one, 90)
    unfinished.hold(other, 90)
    assert not one.gave_up
