"""The numbers of a subscription's events: nothing is missed, and nothing is asked without need."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from casecart.formats.fhir.notification import Event, Kind, Notification, classic
from casecart.formats.fhir.series import AskChanges, AskEvents, AskStatus, Series

SECOND = 1_000_000
GRACE = 30 * SECOND
PERIOD = 60 * SECOND


def events(*numbers: int, kind: Kind = "event-notification", counted: int | None = None) -> Notification:
    """These events, each with something it happened to."""
    told = tuple(Event(number, f"Procedure/{number}") for number in numbers)
    return Notification("R5", "5.0.0", kind, events=told, counted=counted or max(numbers, default=0))


def sign(kind: Kind, counted: int | None) -> Notification:
    """One without events."""
    return Notification("R5", "5.0.0", kind, counted=counted)


def begun(known: int | None = 0, *, heartbeat: int | None = None) -> Series:
    """A series of which so much is known."""
    return Series(0, known=known, grace=GRACE, heartbeat=heartbeat)


def test_what_comes_in_its_order_leaves_nothing_to_ask() -> None:
    series = begun()
    for number in range(1, 6):
        assert series.heard(events(number), number).fresh == (number,)
    assert (series.known, series.missing, series.next(10 * GRACE)) == (5, None, None)


def test_a_handshake_says_where_to_begin() -> None:
    series = begun(None)
    series.heard(sign("handshake", 0), 0)
    series.heard(events(2), 1)
    assert series.missing == (1, 1)


def test_without_a_handshake_the_first_event_says_where_to_begin() -> None:
    series = begun(None)
    series.heard(events(41, 42), 0)
    assert (series.known, series.missing) == (42, None)


def test_a_gap_is_asked_about_when_its_grace_is_over_and_not_before() -> None:
    series = begun(3)
    series.heard(events(6), 0)
    assert series.next(GRACE - 1) is None
    assert series.next(GRACE) == AskEvents(4, 5)


def test_what_closes_the_gap_in_time_leaves_nothing_to_ask() -> None:
    series = begun(3)
    series.heard(events(6), 0)
    series.heard(events(5), 1)
    series.heard(events(4), 2)
    assert (series.known, series.next(10 * GRACE)) == (6, None)


def test_a_gap_behind_another_is_asked_about_after_it() -> None:
    series = begun(0)
    series.heard(events(2), 0)
    series.heard(events(5), 1)
    assert series.next(GRACE) == AskEvents(1, 1)
    series.heard(events(1, kind="query-event", counted=5), GRACE + 1)
    assert (series.known, series.missing) == (2, (3, 4))
    assert series.next(2 * GRACE) == AskEvents(3, 4)


def test_the_servers_count_shows_what_never_came() -> None:
    series = begun(3)
    series.heard(sign("heartbeat", 5), 0)
    assert series.next(GRACE) == AskEvents(4, 5)


def test_a_question_that_brings_nothing_is_put_again_at_growing_intervals() -> None:
    series = begun(3)
    series.heard(events(6), 0)
    asked = [second for second in range(3600) if series.next(second * SECOND)]
    pauses = [after - before for before, after in pairwise(asked)]
    assert asked[0] == 30
    assert pauses[:4] == [30, 60, 120, 240]
    assert max(pauses) == 600


def test_a_server_without_events_is_asked_for_changes_since_all_was_here() -> None:
    series = begun(2)
    series.heard(events(3), 7)
    series.heard(events(6), 10)
    assert series.next(10 + GRACE) == AskEvents(4, 5)
    series.not_given(10 + GRACE)
    assert series.next(10 + GRACE) == AskChanges(7, 6)
    series.recovered(6, 10 + GRACE)
    assert (series.known, series.missing, series.next(100 * GRACE)) == (6, None, None)


def test_events_that_come_while_changes_are_fetched_are_not_lost() -> None:
    series = begun(2)
    series.heard(events(5), 0)
    series.not_given(GRACE)
    assert series.next(GRACE) == AskChanges(None, 5)
    series.heard(events(8), GRACE + 1)
    series.recovered(5, GRACE)
    assert (series.known, series.missing) == (5, (6, 7))


def test_what_comes_twice_changes_nothing_and_is_told_as_such() -> None:
    series = begun(5)
    series.heard(events(7), 0)
    assert series.heard(events(4, 7), 1).again == (4, 7)
    assert (series.known, series.missing) == (5, (6, 6))


def test_a_late_resend_has_the_status_asked_and_counts_nothing_anew() -> None:
    series = begun(5)
    series.heard(events(4), 0)
    assert series.next(1) == AskStatus()
    assert series.heard(sign("query-status", 5), 2).anew is False
    assert (series.known, series.number, series.next(3)) == (5, 0, None)


@pytest.mark.parametrize("kind", ["handshake", "query-status"])
def test_a_lower_count_that_is_surely_of_now_begins_a_new_series(kind: Kind) -> None:
    series = begun(100)
    assert series.heard(sign(kind, 2), 0).anew
    assert (series.number, series.known, series.missing) == (1, 0, (1, 2))
    assert series.heard(events(1), 1).fresh == (1,)


@pytest.mark.parametrize("notification", [sign("heartbeat", 3), events(1), sign("handshake", None)])
def test_a_lower_count_that_may_be_late_is_only_a_doubt(notification: Notification) -> None:
    series = begun(100)
    if notification.kind == "handshake":
        notification = Notification("R5", "5.0.0", "handshake")
    assert not series.heard(notification, 0).anew
    assert (series.known, series.next(1)) == (100, AskStatus())


def test_a_handshake_that_repeats_the_count_begins_nothing_anew() -> None:
    series = begun(100)
    assert not series.heard(sign("handshake", 100), 0).anew
    assert (series.number, series.next(10 * GRACE)) == (0, None)


def test_a_server_that_was_off_and_went_on_counting_is_asked_for_the_rest() -> None:
    series = begun(100)
    series.heard(sign("handshake", 103), 0)
    assert series.next(GRACE) == AskEvents(101, 103)


def test_silence_has_the_status_asked_after_the_heartbeats_period_and_half_of_it() -> None:
    series = begun(3, heartbeat=PERIOD)
    series.heard(sign("heartbeat", 3), 0)
    assert series.next(PERIOD + PERIOD // 2) is None
    assert series.next(PERIOD + PERIOD // 2 + 1) == AskStatus()


def test_any_sign_of_life_ends_the_silence() -> None:
    series = begun(3, heartbeat=PERIOD)
    series.heard(events(4), PERIOD)
    assert series.next(2 * PERIOD) is None


def test_without_a_heartbeat_silence_means_nothing() -> None:
    assert begun(3).next(10**15) is None


@pytest.mark.parametrize(
    "notification",
    [Notification("backport", "4.0.1", "event-notification", counted=4, events=(Event(4),)), classic(None)],
)
def test_an_event_that_names_nothing_is_looked_for(notification: Notification) -> None:
    series = begun(3)
    series.heard(events(3), 5)
    series.heard(notification, 9)
    ask = series.next(9)
    assert isinstance(ask, AskChanges)
    assert ask.since == 5
    series.recovered(ask.through, 10)
    assert series.next(10 * GRACE) is None


def test_what_happens_after_the_question_was_put_is_looked_for_again() -> None:
    series = begun(None)
    series.heard(classic(None), 1)
    assert series.next(2) == AskChanges(None, 0)
    series.heard(classic(None), 3)
    series.recovered(0, 2)
    assert isinstance(series.next(GRACE * 2), AskChanges)


def test_a_flood_of_numbers_takes_bounded_memory_and_misses_nothing() -> None:
    series = begun(0)
    for number in range(2, 30_000):
        series.heard(events(number), 0)
    assert len(series._ahead) <= 10_000
    series.heard(events(1), 1)
    assert series.known is not None
    assert series.missing == (series.known + 1, 29_999)


@pytest.mark.parametrize("seed", range(20))
def test_in_any_order_and_with_any_losses_all_is_known_in_the_end(seed: int) -> None:
    chance = random.Random(seed)
    numbers = list(range(1, 60))
    sent = [number for number in numbers if chance.random() > 0.2] + chance.choices(numbers, k=10)
    chance.shuffle(sent)
    series, seen, now = begun(0), set[int](), 0
    for number in sent:
        now += SECOND
        seen.update(series.heard(events(number), now).fresh)
    series.heard(sign("heartbeat", 59), now)
    while (ask := series.next(now := now + SECOND)) is not None or series.missing:
        if isinstance(ask, AskEvents):
            asked = tuple(range(ask.first, ask.last + 1))
            seen.update(series.heard(events(*asked, kind="query-event", counted=59), now).fresh)
        elif isinstance(ask, AskStatus):
            series.heard(sign("query-status", 59), now)
    assert (series.known, seen) == (59, set(numbers))


def test_after_a_restart_the_status_is_asked_and_once_only_where_there_is_none() -> None:
    series = begun(3)
    series.doubt()
    assert series.next(1) == AskStatus()
    series.not_told(2)
    assert series.next(100 * GRACE) is None


def test_when_all_was_here_is_kept_over_a_restart() -> None:
    series = begun(3)
    series.heard(events(4), 7)
    assert series.whole == 7
    again = Series(100, known=4, whole=series.whole, grace=GRACE)
    again.heard(events(6), 200)
    again.not_given(200)
    assert again.next(200) == AskChanges(7, 6)


def test_what_is_worked_late_says_that_nothing_was_missing_when_it_came() -> None:
    series = begun(3)
    series.heard(events(4), 100 * GRACE, came=7)
    assert series.whole == 7


@pytest.mark.parametrize("again", [events(2), sign("heartbeat", 2)], ids=["sent again", "late"])
def test_what_is_of_an_earlier_time_does_not_say_that_nothing_is_missing_now(again: Notification) -> None:
    series = begun(3)
    series.heard(events(4), 7)
    series.heard(again, 9)
    assert series.whole == 7


def test_after_a_restart_all_is_known_to_be_here_when_the_server_has_said_how_far_it_is() -> None:
    series = Series(100, known=3, whole=7, grace=GRACE)
    series.doubt()
    series.heard(events(4), 200)
    assert series.whole == 7
    series.heard(sign("query-status", 4), 300)
    assert series.whole == 300
