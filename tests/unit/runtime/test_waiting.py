"""Why a destination is waited for, as its timer's row has it."""

from __future__ import annotations

import pytest

from casecart.runtime.waiting import Waiting


def test_what_was_written_is_read() -> None:
    waiting = Waiting("http-503", "transient", 7)
    assert Waiting.read(waiting.written()) == waiting


@pytest.mark.parametrize("data", ["http-503", "http-503 strange", "http-503 strange x"])
def test_a_row_of_another_version_still_has_its_code(data: str) -> None:
    assert Waiting.read(data) == Waiting("http-503")


def test_five_failures_in_a_row_are_an_open_breaker() -> None:
    assert [Waiting("x", "transient", count).breaker_open for count in (4, 5)] == [False, True]
