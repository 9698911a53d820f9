"""The two balances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.commands.balance import LINES_OUT, MESSAGES_OUT, READINGS, Reading, ShowBalances, balances, read_counters
from casecart.store import Count, OpenCount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.commands.desk import Desk
    from casecart.store import Store

amounts = st.integers(0, 10**6)


def counts(scope: str, **terms: int) -> list[Count]:
    return [Count("NORTH", scope, name, amount) for name, amount in terms.items()]


@given(st.fixed_dictionaries(dict.fromkeys(MESSAGES_OUT, amounts)), amounts)
@settings(deadline=None)
def test_messages_are_exact_when_all_that_came_is_somewhere(there: dict[str, int], copied: int) -> None:
    waiting = there.pop("waiting")
    received = sum(there.values()) + waiting - copied
    both = balances(
        Reading(counts("messages:a", received=received, copied=copied, **there), {"a": waiting}, [], steady=True)
    )
    assert both.messages[0].difference == 0
    assert both.exact


@given(st.fixed_dictionaries(dict.fromkeys(LINES_OUT, amounts)))
@settings(deadline=None)
def test_lines_are_exact_when_all_that_was_produced_is_somewhere(there: dict[str, int]) -> None:
    flying = there.pop("in_flight")
    terms = counts("lines:c", produced=sum(there.values()) + flying, **there)
    both = balances(Reading(terms, {}, [OpenCount("erp", 1, flying, 0)], steady=True))
    assert both.lines.difference == 0
    assert both.exact


def test_a_lost_message_and_a_line_that_is_there_twice_are_told() -> None:
    terms = counts("messages:a", received=5, processed=4) + counts("lines:c", produced=3, posted=4)
    both = balances(Reading(terms, {}, [], steady=True))
    assert (both.messages[0].difference, both.lines.difference) == (1, -1)
    assert both.exact is False


def test_facilities_are_added_up_and_channels_told_apart() -> None:
    terms = [
        *counts("messages:a", received=1, processed=1),
        *(count._replace(facility="SOUTH") for count in counts("messages:a", received=2, unrouted=2)),
        *counts("lines:c", produced=1, posted=1),
        *counts("lines:d", produced=2, held=2),
    ]
    both = balances(Reading(terms, {}, [], steady=True))
    assert both.messages[0].came_in == {"received": 3, "copied": 0, "assembled": 0}
    assert {line.channel: line.terms["produced"] for line in both.channels} == {"c": 1, "d": 2}
    assert both.lines.came_in == {"produced": 3}


def test_what_a_channel_sent_to_one_destination_is_not_counted_twice() -> None:
    terms = counts("lines:c", produced=1, posted=1) + counts("lines:c:erp", posted=1)
    assert balances(Reading(terms, {}, [], steady=True)).exact


def test_a_listener_without_messages_is_shown() -> None:
    both = balances(Reading([], {}, [], steady=True), ["b", "a"])
    assert [balance.of for balance in both.messages] == ["a", "b"]
    assert both.exact


def test_a_store_at_rest_is_read_at_one_moment(worked: Store, desk: Desk) -> None:
    both = desk.ask(ShowBalances())
    assert both.exact is True
    assert both.lines.is_in["in_flight"] == 1
    assert read_counters(worked).steady


class Moving:
    """A store whose engine writes between any two reads."""

    def __init__(self, store: Store) -> None:
        self.store, self.reads = store, 0

    def counts(self) -> list[Count]:
        self.reads += 1
        return [*self.store.counts(), Count("NORTH", "messages:or-mllp", "received", self.reads)]

    def waiting_counts(self) -> Mapping[str, int]:
        return self.store.waiting_counts()

    def open_counts(self) -> list[OpenCount]:
        return self.store.open_counts()


def test_while_the_engine_moves_on_nothing_is_claimed(worked: Store) -> None:
    moving = Moving(worked)
    reading = read_counters(moving)  # type: ignore[arg-type]  # it has what is asked of it
    assert moving.reads == READINGS + 1
    assert balances(reading).exact is None
