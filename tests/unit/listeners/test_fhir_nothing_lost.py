"""What a listener at a FHIR server may have missed is looked for from where it was surely all here, and to its end."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest

from casecart.listeners.fhir_search import moment_of
from casecart.runtime.fhir_server import FhirTrouble
from support.fhir_memory import BASE, FAILS, Reader
from support.fhir_reading import device, procedure, told

HOUR = 3600.0
DAY = 24 * HOUR


def reader(settings: str = "hears: ehr-http/ehr\nsearches: Procedure") -> Reader:
    """One at a server with a device and nine procedures."""
    made = Reader(settings)
    made.server.put(device("d1"), *(procedure(f"p{number}", "d1") for number in range(1, 10)))
    return made


def since(query: str) -> str:
    """Where a search begins."""
    return parse_qs(query.partition("?")[2])["_lastUpdated"][0].removeprefix("ge")


def test_what_came_long_before_it_is_worked_says_nothing_of_what_was_missed_since() -> None:
    made = reader("hears: ehr-http/ehr\nsearches: Procedure\nfrom: '2026-01-01T00:00:00Z'")
    made.event(1)
    made.wait(2)
    made.notes.ours = False
    begun = made.now()
    made.event(2)  # it is stored, and nobody is there to follow it up; the third never comes
    made.wait(3 * DAY, step=HOUR)
    made.notes.ours = True
    made.server.answers["Subscription/s1/$status"] = lambda: told(kind="query-status", counted=3)
    made.wait(120)
    assert made.known() == 3
    assert since(made.server.searched[-1]) <= moment_of(begun)


def test_what_one_subscription_had_searched_does_not_shorten_the_search_of_another() -> None:
    made = reader("hears: ehr-http/ehr\nsearches: Procedure\nfrom: '2026-01-01T00:00:00Z'")
    one, other = "Subscription/s1", "Subscription/s2"
    made.tell(told(1, subscription=one), told(1, subscription=other))
    made.wait(5)
    begun = made.now()
    for number in range(2, 7):  # the other one is silent meanwhile
        made.wait(DAY, step=HOUR)
        made.tell(told(number, subscription=one))
    made.wait(5)
    made.tell(told(8, subscription=one))
    found = procedure("p7") | {"meta": {"versionId": "1", "lastUpdated": moment_of(made.now())}}
    made.server.pages = [[found]]
    made.wait(120)
    assert made.known(one) == 8
    made.tell(told(3, subscription=other))
    made.wait(120)
    assert made.known(other) == 3
    assert since(made.server.searched[-1]) <= moment_of(begun)


def test_an_event_that_was_missed_and_cannot_be_read_does_not_keep_the_others_away() -> None:
    made = reader()
    made.event(1)
    made.wait(2)
    made.event(5)
    made.wait(2)
    made.server.troubles["Procedure/p2"] = FhirTrouble("unauthorised", "Not this one.", status=403)
    made.server.answers["Subscription/s1/$events"] = lambda: told(2, 3, 4, kind="query-event", counted=5)
    made.wait(HOUR, step=5)
    assert {"Procedure/p3/_history/1", "Procedure/p4/_history/1"} <= set(made.intake.control_ids)
    assert made.known() == 5


def test_without_searches_an_empty_notification_does_not_keep_missing_events_from_being_asked_for() -> None:
    made = reader("hears: ehr-http/ehr")
    made.tell(told(1, focus=None))
    made.wait(2)
    made.event(4)
    made.server.answers["Subscription/s1/$events"] = lambda: told(2, 3, kind="query-event", counted=4)
    made.wait(HOUR, step=5)
    assert made.known() == 4


def test_what_a_subscription_missed_before_it_was_deleted_is_searched() -> None:
    first = reader()
    first.event(1)
    first.wait(2)
    made = Reader(notes=first.notes)
    made.wait(5)
    assert (len(made.server.searched), made.known()) == (1, -1)


def test_what_a_subscription_missed_before_it_was_counted_anew_is_searched() -> None:
    first = reader()
    first.event(1, 2, 3)
    first.wait(3)
    made = Reader(notes=first.notes)
    made.server.answers["Subscription/s1/$status"] = lambda: told(kind="query-status", counted=0)
    made.wait(5)
    assert len(made.server.searched) == 1


def test_of_two_versions_in_one_notification_the_newer_one_is_taken() -> None:
    made = reader()
    older = procedure("p1", "d1") | {"meta": {"versionId": "1", "lastUpdated": "2026-09-21T00:00:00Z"}}
    newer = procedure("p1", "d1") | {"meta": {"versionId": "2", "lastUpdated": "2026-09-21T00:00:05Z"}}
    made.tell(told(1, 2, focus=lambda _: "Procedure/p1", resources=(newer, older)))
    made.wait(2)
    assert made.intake.control_ids == ["Procedure/p1/_history/2"]


@pytest.mark.parametrize("code", ["timeout", "connection-lost"])
def test_one_resource_that_never_comes_goes_to_a_person_while_others_are_answered(code: str) -> None:
    made = reader()
    made.server.troubles["Procedure/p1"] = FhirTrouble(code, "It does not come.", passing=True)
    for number in range(1, 6):
        made.event(number)
        made.wait(30 * 60, step=5)
    assert (made.notes.left, made.codes) == ({}, [code])


@pytest.mark.parametrize("code", ["timeout", "connection-lost"])
def test_a_device_that_never_comes_is_left_out_after_an_hour(code: str) -> None:
    made = reader()
    made.server.troubles["Device/d1"] = FhirTrouble(code, "It does not come.", passing=True)
    made.event(1)
    made.wait(3 * HOUR, step=5)
    assert made.intake.control_ids == ["Procedure/p1/_history/1"]


def test_while_the_server_fails_at_everything_no_message_goes_without_its_device() -> None:
    made = reader()
    made.server.troubles[""] = FAILS
    brought = procedure("p1", "d1") | {"meta": {"versionId": "1", "lastUpdated": "2026-09-21T00:00:00Z"}}
    made.tell(told(1, resources=(brought,)))
    made.wait(5 * HOUR, step=10)
    assert made.intake.arrivals == []
    made.server.troubles.clear()
    made.wait(120)
    assert [each["fullUrl"] for each in json.loads(made.intake.last.body)["entry"]] == [
        f"{BASE}/Procedure/p1",
        f"{BASE}/Device/d1",
    ]


def test_a_search_whose_pages_are_too_large_is_put_with_smaller_ones() -> None:
    made = reader("searches: Procedure\nevery: 10s")
    made.server.most = 3
    made.server.pages = [[procedure("p1") | {"meta": {"versionId": "1", "lastUpdated": moment_of(made.now())}}]]
    made.wait(5)
    assert made.intake.control_ids == ["Procedure/p1/_history/1"]
    assert [query.rpartition("=")[2] for query in made.server.searched] == ["100", "20", "4", "1"]


def test_what_is_stored_of_a_notification_is_not_asked_for_again_when_the_rest_is() -> None:
    made = reader()
    made.server.troubles["Procedure/p3"] = FhirTrouble("connection-lost", "It broke off.", passing=True)
    made.tell(told(1, 2, 3, 4))
    made.wait(60)
    del made.server.troubles["Procedure/p3"]
    made.wait(120)
    assert (made.notes.left, made.known()) == ({}, 4)
    assert made.intake.control_ids == [f"Procedure/p{number}/_history/1" for number in range(1, 5)]


def test_what_is_stored_of_missing_events_is_not_asked_for_again_when_the_rest_is() -> None:
    made = reader()
    made.event(1)
    made.wait(2)
    made.event(5)
    made.wait(2)
    made.server.troubles["Procedure/p3"] = FhirTrouble("connection-lost", "It broke off.", passing=True)
    made.server.answers["Subscription/s1/$events"] = lambda: told(2, 3, 4, kind="query-event", counted=5)
    made.wait(300)
    assert made.server.asked["Procedure/p3"] > 1
    del made.server.troubles["Procedure/p3"]
    made.wait(600)
    assert made.known() == 5
    assert made.intake.control_ids == [f"Procedure/p{number}/_history/1" for number in (1, 5, 2, 3, 4)]


def test_a_notification_that_is_worked_again_by_a_person_is_asked_for_anew() -> None:
    made = reader()
    made.server.troubles["Procedure/p2"] = FhirTrouble("refused", "Not this one.", status=400)
    made.tell(told(1, 2))
    (waiting,) = made.notes.left.values()
    made.wait(2)
    assert made.codes == ["refused"]
    made.server.troubles.clear()
    made.notes.left[waiting.position] = waiting
    made.wait(2)
    assert made.server.asked["Procedure/p1"] == 2


def test_a_server_that_fails_at_what_it_does_not_offer_is_searched() -> None:
    made = reader()
    made.event(1)
    made.wait(2)
    made.event(4)
    made.server.troubles["Subscription/s1/$events"] = FAILS
    made.wait(600)
    assert (len(made.server.searched), made.known()) == (1, 4)
    assert made.server.asked["Subscription/s1/$events"] == 3
