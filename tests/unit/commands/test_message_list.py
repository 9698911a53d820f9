"""The message list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.commands.message_list import ListMessages
from casecart.commands.moment import microseconds, moment
from casecart.commands.refusal import Refusal
from casecart.store import Change, Count
from support.log_row import BEGIN, SECOND, message

if TYPE_CHECKING:
    from casecart.commands.desk import Desk
    from casecart.store import Store


@pytest.fixture
def ten(store: Store) -> Store:
    odd = {"outcome": "unrouted", "notes": "charset-fallback control-id-reused"}
    messages = [message(number, **(odd if number % 2 else {})) for number in range(1, 11)]
    store.write(Change(messages=messages, counts=[Count("NORTH", "messages:or-mllp", "received", 10)]))
    return store


@pytest.mark.usefixtures("ten")
def test_pages_follow_one_another_until_there_are_no_older_ones(desk: Desk) -> None:
    pages = []
    before: int | None = None
    while True:
        page = desk.ask(ListMessages(before=before, limit=4))
        pages.append([line.position for line in page.messages])
        before = page.before
        if before is None:
            break
    assert pages == [[10, 9, 8, 7], [6, 5, 4, 3], [2, 1]]


@pytest.mark.usefixtures("ten")
def test_a_page_that_ends_with_the_oldest_has_no_next_one(desk: Desk) -> None:
    assert desk.ask(ListMessages(limit=10)).before is None


@pytest.mark.usefixtures("ten")
def test_a_line_says_what_the_list_shows(desk: Desk) -> None:
    line = desk.ask(ListMessages(limit=1, outcome="unrouted")).messages[0]
    assert (line.position, line.control_id, line.message_type) == (9, "MSG00009", "DFT^P03")
    assert line.notes == ["charset-fallback", "control-id-reused"]
    assert line.recorded_at == moment(BEGIN + 9 * SECOND)
    assert line.id == "00000000-0000-0000-0000-000000000009"


@pytest.mark.usefixtures("ten")
@pytest.mark.parametrize(
    ("wanted", "positions"),
    [
        (ListMessages(control_id="MSG00003"), [3]),
        (ListMessages(control_id="msg00003"), []),
        (ListMessages(listener="adt"), []),
        (ListMessages(listener="or-mllp", facility="SOUTH"), []),
        (ListMessages(listener="or-mllp", limit=1), [10]),
        (ListMessages(until=moment(BEGIN + 3 * SECOND)), [2, 1]),
        (ListMessages(facility="NORTH", message_type="DFT^P03", outcome="processed", limit=2), [10, 8]),
    ],
)
def test_filters_narrow_the_list(desk: Desk, wanted: ListMessages, positions: list[int]) -> None:
    assert [line.position for line in desk.ask(wanted).messages] == positions


@pytest.mark.parametrize("wanted", [ListMessages(limit=0), ListMessages(limit=1_001), ListMessages(before=0)])
def test_a_page_that_makes_no_sense_is_refused(desk: Desk, wanted: ListMessages) -> None:
    with pytest.raises(Refusal) as refused:
        desk.ask(wanted)
    assert refused.value.code == "bad-value"


@pytest.mark.parametrize("at", [0, 1, BEGIN + 1, 4_102_444_800_999_999])
def test_a_moment_is_exact_to_the_microsecond(at: int) -> None:
    assert microseconds(moment(at)) == at
