"""A listener that reads at a FHIR server: what it asks and when, and in which order things become durable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from casecart.listeners.fhir_whole import MOST_REFERENCES
from casecart.runtime.fhir_server import FhirTrouble
from casecart.runtime.listener import Receipt
from casecart.runtime.marks import subscription_mark
from support.fhir_memory import AWAY, FAILS, NOT_FOUND, Reader
from support.fhir_reading import device, procedure, told

HOUR = 3600.0


def reader(settings: str = "hears: ehr-http/ehr\nsearches: Procedure") -> Reader:
    """One at a server with a device and five procedures."""
    made = Reader(settings)
    made.server.put(device("d1"), *(procedure(f"p{number}", "d1") for number in range(1, 6)))
    return made


def entries(body: bytes) -> list[str]:
    """The full URLs in a message."""
    return [entry["fullUrl"].rpartition("/fhir/r4/")[2] for entry in json.loads(body)["entry"]]


def test_while_nothing_can_be_stored_nothing_is_asked() -> None:
    made = reader("hears: ehr-http/ehr\nsearches: Procedure\nevery: 1s")
    made.intake.open = False
    made.event(1)
    made.wait(60)
    assert (sum(made.server.asked.values()), len(made.notes.left)) == (0, 1)
    made.intake.open = True
    made.wait(2)
    assert (made.notes.left, made.intake.control_ids) == ({}, ["Procedure/p1/_history/1"])


def test_while_another_engine_reads_nothing_is_asked() -> None:
    made = reader("hears: ehr-http/ehr\nsearches: Procedure\nevery: 1s")
    made.notes.ours = False
    made.event(1)
    made.wait(60)
    assert sum(made.server.asked.values()) == 0


def test_what_is_under_way_is_left_when_another_engine_reads() -> None:
    made = reader()
    made.server.held_up = []
    made.event(1)
    made.wait()
    made.notes.ours = False
    made.wait()
    for each in made.server.held_up:
        if not each.called:
            each.callback(None)
    assert (made.intake.arrivals, len(made.notes.left)) == ([], 1)


def test_nothing_is_done_or_known_before_it_is_stored() -> None:
    made = reader()
    made.intake.receipt = None
    made.event(1)
    made.wait(5)
    assert (len(made.intake.arrivals), len(made.notes.left), made.known()) == (1, 1, None)
    made.intake.last.reply(Receipt.STORED)
    made.wait()
    assert (len(made.intake.arrivals), made.notes.left, made.known()) == (1, {}, 1)


def test_what_could_not_be_stored_is_handed_in_again() -> None:
    made = reader()
    made.intake.receipt = Receipt.NOT_STORED
    made.event(1)
    made.wait(1)
    assert (len(made.notes.left), made.known()) == (1, None)
    made.intake.receipt = Receipt.STORED
    made.wait(2)
    assert (made.notes.left, made.known()) == ({}, 1)
    assert len({(each.control_id, each.body) for each in made.intake.arrivals}) == 1


def test_the_number_that_is_known_waits_for_the_slowest() -> None:
    made = reader()
    made.intake.receipt = None
    made.event(1, 2, 3)
    made.wait(2)
    slow, *others = made.intake.arrivals
    for each in others:
        each.reply(Receipt.STORED)
    made.wait(2)
    assert made.known() == 0
    slow.reply(Receipt.STORED)
    made.wait(2)
    assert made.known() == 3


def test_a_stop_waits_for_what_was_handed_in_and_for_nothing_else() -> None:
    made = reader()
    made.intake.receipt = None
    made.event(1)
    made.wait()
    stopped = made.listener.stop()
    assert (stopped.called, made.server.stopped) == (False, True)
    made.intake.last.reply(Receipt.STORED)
    assert stopped.called
    assert (len(made.notes.left), made.clock.getDelayedCalls()) == (1, [])


def test_a_stop_gives_up_what_is_asked() -> None:
    made = reader()
    made.server.held_up = []
    made.event(1)
    made.wait()
    assert made.listener.stop().called
    assert made.intake.arrivals == []


def test_what_is_not_found_yet_is_looked_for_again() -> None:
    made = reader()
    made.server.troubles["Procedure/p1"] = NOT_FOUND
    made.event(1)
    made.wait(10)
    assert (len(made.notes.left), made.codes) == (1, [])
    del made.server.troubles["Procedure/p1"]
    made.wait(70)
    assert (made.notes.left, made.codes, made.known()) == ({}, [], 1)


def test_what_is_not_found_for_long_waits_for_a_person() -> None:
    made = reader()
    made.server.troubles["Procedure/p1"] = NOT_FOUND
    made.event(1, 2)
    made.wait(200)
    assert (made.notes.left, made.codes, made.known()) == ({}, ["not-found"], 2)


def test_a_server_that_is_away_is_asked_less_and_less_and_nothing_is_given_up() -> None:
    made = reader()
    made.server.troubles[""] = AWAY
    made.event(1, 2, 3)
    made.wait(24 * HOUR, step=10)
    assert (len(made.notes.left), made.codes) == (3, [])
    assert sum(made.server.asked.values()) < 12_000
    assert made.notes.kept["fhir:ehr:trouble"].position > 0
    made.server.troubles.clear()
    made.wait(120)
    assert (made.notes.left, made.known()) == ({}, 3)
    assert made.notes.kept["fhir:ehr:trouble"].position == 0


def test_one_resource_that_the_server_fails_at_goes_to_a_person_while_others_are_answered() -> None:
    made = reader()
    made.server.troubles["Procedure/p1"] = FAILS
    made.event(1, 2)
    made.wait(10 * 60)
    assert (len(made.notes.left), made.intake.control_ids) == (1, ["Procedure/p2/_history/1"])
    made.wait(2 * HOUR, step=5)
    assert (made.notes.left, made.codes) == ({}, ["server-error"])


def test_while_the_server_fails_at_everything_no_one_is_bothered() -> None:
    made = reader()
    made.server.troubles[""] = FAILS
    made.event(1, 2)
    made.wait(5 * HOUR, step=10)
    assert (len(made.notes.left), made.codes) == (2, [])


def test_a_device_that_the_server_fails_at_is_left_out_after_an_hour() -> None:
    made = reader()
    made.server.troubles["Device/d1"] = FAILS
    made.event(1)
    made.wait(30 * 60, step=5)
    assert made.intake.arrivals == []
    made.wait(2 * HOUR, step=5)
    assert [entries(each.body) for each in made.intake.arrivals] == [["Procedure/p1"]]


def test_empty_notifications_that_wait_for_a_search_keep_no_other_from_its_turn() -> None:
    made = reader()
    made.server.troubles["Procedure"] = FhirTrouble("refused", "No such search.", status=400)
    made.tell(*(told(number, focus=None) for number in range(10, 20)))
    made.event(1)
    made.wait(30)
    assert (made.intake.control_ids, len(made.notes.left)) == (["Procedure/p1/_history/1"], 10)
    made.server.troubles.clear()
    made.wait(120)
    assert made.notes.left == {}


def test_without_searches_an_empty_notification_waits_for_a_person_and_a_gap_stays_open() -> None:
    made = reader("hears: ehr-http/ehr")
    made.tell(told(1, focus=None))
    made.wait(2)
    assert (made.notes.left, made.codes) == ({}, ["no-searches"])
    made.event(2)
    made.wait(2)
    made.event(5)
    made.wait(HOUR, step=10)
    assert made.known() == 2


def test_a_gap_waits_its_time_of_grace() -> None:
    made = reader()
    made.event(1)
    made.wait(2)
    made.event(4)
    made.wait(29)
    assert made.server.asked["Subscription/s1/$events"] == 0
    made.server.answers["Subscription/s1/$events"] = lambda: told(2, 3, kind="query-event", counted=4)
    made.wait(3)
    assert (made.server.asked["Subscription/s1/$events"], made.known()) == (1, 4)


def test_what_events_bring_is_stored_before_the_number_moves() -> None:
    made = reader()
    made.event(1)
    made.wait(2)
    made.event(4)
    made.wait(2)
    made.server.answers["Subscription/s1/$events"] = lambda: told(2, 3, kind="query-event", counted=4)
    made.intake.receipt = None
    made.wait(31)
    assert made.known() == 1
    while made.known() != 4:
        made.intake.last.reply(Receipt.STORED)
        made.wait(2)
    assert len(made.intake.arrivals) == 4


def test_a_sign_of_life_that_counts_more_shows_a_gap() -> None:
    made = reader()
    made.event(1)
    made.wait(2)
    made.notes.note(subscription_mark("ehr-http", "ehr", "Subscription/s1"), made.now(), 3, lambda: None)
    made.server.answers["Subscription/s1/$events"] = lambda: told(2, 3, kind="query-event", counted=3)
    made.wait(40)
    assert made.known() == 3


def test_a_handshake_tells_where_the_numbers_begin_so_that_the_first_events_are_not_missed() -> None:
    made = reader()
    mark = subscription_mark("ehr-http", "ehr", "Subscription/s1", handshake=True)
    made.notes.note(mark, made.now(), 0, lambda: None)
    made.event(3)
    made.wait(2)
    assert made.known() == 0
    made.server.answers["Subscription/s1/$events"] = lambda: told(1, 2, kind="query-event", counted=3)
    made.wait(40)
    assert made.known() == 3


def test_a_subscription_that_was_deleted_is_asked_for_no_more() -> None:
    first = reader()
    first.event(1)
    first.wait(2)
    made = Reader(notes=first.notes)
    made.wait(5)
    assert made.server.asked["Subscription/s1/$status"] == 1
    assert made.known() == -1
    made.wait(HOUR, step=10)
    assert made.server.asked["Subscription/s1/$status"] == 1


def test_a_server_that_tells_no_status_is_searched_after_a_start() -> None:
    first = reader()
    first.event(1)
    first.wait(2)
    made = Reader(notes=first.notes)
    made.server.put({"resourceType": "Subscription", "id": "s1"})
    made.wait(5)
    assert (made.server.asked["Procedure"], made.known()) == (1, 1)


def test_a_resource_goes_with_what_it_refers_to_and_no_more_than_so_much() -> None:
    made = reader()
    names = [f"x{number:03}" for number in range(MOST_REFERENCES + 5)]
    made.server.put(*map(device, names), procedure("p1", *names), {"resourceType": "Encounter", "id": "e1"})
    made.event(1)
    made.wait(2)
    assert entries(made.intake.last.body) == ["Procedure/p1", *(f"Device/{name}" for name in names[:MOST_REFERENCES])]


def test_the_same_versions_make_the_same_bytes_in_whichever_order_their_members_came() -> None:
    made = reader()
    one: dict[str, Any] = made.server.resources["Procedure/p1"]
    other = dict(reversed(list(one.items())))
    made.tell(told(1), told(1, resources=(other, made.server.resources["Device/d1"])))
    made.wait(3)
    first, second = made.intake.arrivals
    assert (first.body, first.control_id, first.partition) == (second.body, second.control_id, second.partition)


@pytest.mark.parametrize("more", [{}, {"meta": {"versionId": 7}}, {"meta": []}], ids=["none", "a number", "a list"])
def test_a_resource_without_a_version_is_another_message_each_time_it_is_told_of(more: dict[str, Any]) -> None:
    made = reader()
    made.server.resources["Procedure/p1"] = procedure("p1", "d1") | more
    made.tell(told(1), told(2, focus=lambda _: "Procedure/p1"))
    made.wait(3)
    assert len(set(made.intake.control_ids)) == 2


def test_of_versions_told_by_their_time_alone_the_same_is_one_message() -> None:
    made = reader()
    made.server.resources["Procedure/p1"] = procedure("p1") | {"meta": {"lastUpdated": "2026-09-21T00:00:00Z"}}
    made.tell(told(1), told(2, focus=lambda _: "Procedure/p1"))
    made.wait(3)
    assert made.intake.control_ids == ["Procedure/p1@2026-09-21T00:00:00Z"] * 2


def test_another_resource_than_the_one_that_was_asked_for_is_not_taken() -> None:
    made = reader()
    made.server.resources["Procedure/p1"] = made.server.resources["Procedure/p2"]
    made.event(1)
    made.wait(3)
    assert (made.codes, made.intake.arrivals) == (["other-resource"], [])


def test_events_that_the_status_names_are_not_taken_for_followed_up() -> None:
    first = reader()
    first.event(1)
    first.wait(2)
    made = Reader(notes=first.notes)
    made.server.resources = first.server.resources
    made.server.answers["Subscription/s1/$status"] = lambda: told(2, 3, counted=3)
    made.wait(3)
    assert made.known() == 1
    made.server.answers["Subscription/s1/$events"] = lambda: told(2, 3, kind="query-event", counted=3)
    made.wait(60)
    assert (made.known(), sorted(made.intake.control_ids)) == (
        3,
        ["Procedure/p2/_history/1", "Procedure/p3/_history/1"],
    )


def test_an_event_that_was_missed_and_is_forbidden_keeps_the_gap_open_no_longer_than_a_search() -> None:
    made = reader()
    made.event(1)
    made.wait(2)
    made.event(3)
    made.server.troubles["Procedure/p2"] = FhirTrouble("unauthorised", "It may not.", status=403)
    made.server.answers["Subscription/s1/$events"] = lambda: told(2, kind="query-event", counted=3)
    made.wait(60)
    assert (made.known(), made.server.asked["Procedure"]) == (3, 1)


def test_of_events_some_of_which_name_nothing_all_is_searched() -> None:
    made = reader("hears: ehr-http/ehr\nsearches: Procedure\nfrom: 2026-01-01T00:00Z")
    made.server.pages = [[made.server.resources["Procedure/p2"]]]
    one = told(1, 2)
    del one["entry"][0]["resource"]["notificationEvent"][1]["focus"]
    made.tell(one)
    made.wait(3)
    assert made.intake.control_ids == ["Procedure/p1/_history/1", "Procedure/p2/_history/1"]
    assert (made.notes.left, made.known()) == ({}, 2)


def test_what_lacks_its_device_is_handed_in_again_a_few_times_when_it_is_found_again() -> None:
    made = reader("searches: Procedure\nevery: 1s\nfrom: 2026-01-01T00:00Z")
    made.server.put(procedure("p1", "d2"))
    made.server.pages = [[made.server.resources["Procedure/p1"]]]
    made.wait(3)
    made.server.put(device("d2"))
    made.wait(30)
    assert len({each.body for each in made.intake.arrivals}) == 2
    assert 2 < len(made.intake.arrivals) < 10


def test_a_resource_without_a_version_is_handed_in_once_for_each_of_its_times() -> None:
    made = reader("searches: Procedure\nevery: 1s\nfrom: 2026-01-01T00:00Z")
    meta = {"lastUpdated": "2026-09-21T00:00:00Z"}
    made.server.pages = [[procedure("p1") | {"meta": meta}]]
    made.wait(10)
    assert made.intake.control_ids == ["Procedure/p1@2026-09-21T00:00:00Z"]
