"""Our own control ids."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from casecart.listeners.control_id import ControlIds


@given(times=st.lists(st.integers(1_700_000_000_000_000, 1_700_000_000_000_100)))
def test_they_are_different_and_in_order_whatever_the_clock_does(times: list[int]) -> None:
    ids = ControlIds("or-mllp 1 2")
    made = [ids.next(time) for time in times]
    assert made == sorted(set(made))
    assert all(re.fullmatch(rb"[0-9]{16}[A-Z2-7]{4}", each) for each in made)


def test_another_start_makes_others_at_the_same_time() -> None:
    assert ControlIds("or-mllp 1 2").next(5) != ControlIds("or-mllp 1 3").next(5)
