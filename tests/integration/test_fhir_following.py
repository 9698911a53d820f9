"""Notifications followed up at a FHIR server over HTTP, by a whole engine: nothing missed, nothing counted twice."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support.fhir_reading import HEARS, begun, device, procedure, reading, told, until
from support.fhir_site import Asked, FhirSite, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.fhir_reading import Reading


@pytest.fixture
def site() -> Iterator[FhirSite]:
    """A server with one device and ten procedures, each of which implanted one such."""
    with FhirSite() as made:
        made.put(device("d1"))
        for number in range(1, 11):
            made.put(procedure(f"p{number}", "d1"))
        yield made


@contextmanager
def sqlite(root: Path, site: FhirSite, settings: str = HEARS) -> Iterator[Reading]:
    """An engine on a SQLite store."""
    with reading(root, f"sqlite:///{root}/casecart.db", site, settings) as engine:
        yield engine


def ids(*numbers: int) -> list[str]:
    """Control ids of the first versions of procedures."""
    return [f"Procedure/p{number}/_history/1" for number in numbers]


def gives_events(site: FhirSite, *numbers: int, counted: int) -> None:
    """The server has `$events`, and these of all that it counted."""

    def events(asked: Asked) -> Reply:
        first, last = int(asked.last("eventsSinceNumber")), int(asked.last("eventsUntilNumber"))
        given = [number for number in numbers if first <= number <= last]
        return Reply.of(told(*given, kind="query-event", counted=counted))

    site.route("GET", r"Subscription/s1/\$events", events)


def gives_status(site: FhirSite, counted: int, **more: Any) -> None:  # noqa: ANN401 - of the status
    """The server has `$status`."""
    answer = told(kind="query-status", counted=counted)
    answer["type"] = "searchset"
    answer["entry"][0]["resource"].update(more)
    site.route("GET", r"Subscription/s1/\$status", lambda _: Reply.of(answer))


def asked(site: FhirSite, end: str) -> int:
    """How often something was asked for whose address ends so."""
    return sum(each.path.endswith(end) for each in list(site.asked))


def test_an_id_only_notification_becomes_one_message_with_what_its_resource_refers_to(
    tmp_path: Path, store_url: str, site: FhirSite
) -> None:
    with reading(tmp_path, store_url, site) as engine:
        engine.tell(told(1))
        until(lambda: engine.left() == 0 and engine.posted() == 1)
        (message,) = engine.messages()
        named = (message.control_id, message.message_type, message.schema, message.actor, message.facility)
        assert named == ("Procedure/p1/_history/1", "Procedure", "fhir/4.0.1", "ehr", "NORTH")
        entries = json.loads(message.body)["entry"]
        assert [entry["fullUrl"] for entry in entries] == [f"{site.base}/Procedure/p1", f"{site.base}/Device/d1"]
        until(lambda: engine.mark("events:Subscription/s1") == (1, 0))


def test_the_same_notification_again_changes_nothing(tmp_path: Path, site: FhirSite) -> None:
    with sqlite(tmp_path, site) as engine:
        engine.tell(told(1))
        until(lambda: engine.posted() == 1)
        engine.tell(told(1) | {"id": "another-bundle"})
        until(lambda: engine.received() == 2 and engine.left() == 0)
        assert (engine.control_ids, engine.posted()) == (ids(1), 1)


def test_a_later_version_is_a_message_of_its_own_whatever_the_number_of_its_event(
    tmp_path: Path, site: FhirSite
) -> None:
    with sqlite(tmp_path, site) as engine:
        engine.tell(told(1))
        until(lambda: engine.received() == 1)
        site.put(procedure("p1", "d1", status="entered-in-error"))
        engine.tell(told(1) | {"id": "again"})
        until(lambda: engine.control_ids == ["Procedure/p1/_history/1", "Procedure/p1/_history/2"])


def test_events_may_come_in_any_order(tmp_path: Path, site: FhirSite) -> None:
    with sqlite(tmp_path, site, HEARS.replace("100ms", "1h")) as engine:
        engine.tell(told(0, kind="handshake"), told(2, 3), told(1))
        until(lambda: engine.mark("events:Subscription/s1") == (3, 0))
        assert sorted(engine.control_ids) == ids(1, 2, 3)
        assert asked(site, "$events") == 0


def test_what_a_notification_brings_is_not_fetched(tmp_path: Path, site: FhirSite) -> None:
    with sqlite(tmp_path, site) as engine:
        brought = (site.current("Procedure", "p1"), site.current("Device", "d1"))
        engine.tell(told(1, resources=brought))  # type: ignore[arg-type]  # they are there
        until(lambda: engine.posted() == 1)
        assert [each.path for each in site.asked if not each.path.startswith("Subscription/")] == []
        engine.tell(told(1))
        until(lambda: engine.received() == 2)
        assert engine.control_ids == ids(1)


def test_a_gap_is_closed_by_the_servers_events(tmp_path: Path, site: FhirSite) -> None:
    gives_events(site, 2, 3, 4, counted=5)
    with sqlite(tmp_path, site) as engine:
        engine.tell(told(1), told(5))
        until(lambda: engine.mark("events:Subscription/s1") == (5, 0))
        assert sorted(engine.control_ids) == ids(1, 2, 3, 4, 5)
        assert (asked(site, "$events"), asked(site, "Procedure")) == (1, 0)


@pytest.mark.parametrize("kept", [(), (3, 4)], ids=["no such operation", "the last ones only"])
def test_what_events_do_not_give_is_searched(tmp_path: Path, site: FhirSite, kept: tuple[int, ...]) -> None:
    if kept:
        gives_events(site, *kept, counted=5)
    with sqlite(tmp_path, site, f"{HEARS}, overlap: 1h") as engine:
        engine.tell(told(1), told(5))
        until(lambda: engine.mark("events:Subscription/s1") == (5, 0))
        assert set(ids(1, 2, 3, 4, 5)) <= set(engine.control_ids)
        assert asked(site, "Procedure") == 1


def test_after_an_empty_notification_all_that_changed_is_searched(tmp_path: Path, site: FhirSite) -> None:
    with sqlite(tmp_path, site, f"{HEARS}, overlap: 1h") as engine:
        engine.tell(told(1, focus=None))
        until(lambda: engine.mark("events:Subscription/s1") == (1, 0))
        assert sorted(engine.control_ids) == sorted(ids(*range(1, 11)))
        until(lambda: engine.left() == 0)


def test_after_an_empty_body_all_that_changed_is_searched_once(tmp_path: Path, site: FhirSite) -> None:
    with sqlite(tmp_path, site, f"{HEARS}, overlap: 1h") as engine:
        engine.tell(None)
        until(lambda: engine.mark("looked") is not None)
        assert sorted(engine.control_ids) == sorted(ids(*range(1, 11)))
    with begun(tmp_path, f"sqlite:///{tmp_path}/casecart.db") as engine:
        engine.tell(told(1))
        until(lambda: engine.mark("events:Subscription/s1") == (1, 0))
        assert asked(site, "Procedure") == 1


def test_after_a_start_the_server_is_asked_how_far_it_is(tmp_path: Path, site: FhirSite) -> None:
    with sqlite(tmp_path, site) as engine:
        engine.tell(told(1))
        until(lambda: engine.mark("events:Subscription/s1") == (1, 0))
    gives_status(site, 3)
    gives_events(site, 2, 3, counted=3)
    with begun(tmp_path, f"sqlite:///{tmp_path}/casecart.db") as engine:
        until(lambda: engine.mark("events:Subscription/s1") == (3, 0))
        assert sorted(engine.control_ids) == ids(1, 2, 3)


def test_a_heartbeat_that_does_not_come_has_the_status_asked(tmp_path: Path, site: FhirSite) -> None:
    site.put({"resourceType": "Subscription", "id": "s1", "heartbeatPeriod": 1})
    with sqlite(tmp_path, site) as engine:
        engine.tell(told(1))
        until(lambda: engine.mark("events:Subscription/s1") == (1, 0))
        gives_status(site, 2)
        gives_events(site, 2, counted=2)
        until(lambda: engine.mark("events:Subscription/s1") == (2, 0))
        assert engine.control_ids == ids(1, 2)


def test_a_counter_that_begins_anew_begins_a_new_series(tmp_path: Path, site: FhirSite) -> None:
    gives_events(site, 1, 2, counted=3)
    with sqlite(tmp_path, site) as engine:
        engine.tell(told(7, focus=lambda _: "Procedure/p7"))
        until(lambda: engine.mark("events:Subscription/s1") == (7, 0))
        engine.tell(told(kind="handshake", counted=0))
        until(lambda: engine.mark("events:Subscription/s1") == (0, 1))
        engine.tell(told(3))
        until(lambda: engine.mark("events:Subscription/s1") == (3, 1))
        assert set(ids(1, 2, 3, 7)) <= set(engine.control_ids)  # all that changed is searched, too


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply.outcome(410, "deleted"), "gone"),
        (Reply.outcome(403, "forbidden"), "unauthorised"),
        (Reply(200, b"<html>"), "not-fhir"),
    ],
)
def test_what_can_never_be_fetched_waits_for_a_person_and_holds_nothing_up(
    tmp_path: Path, site: FhirSite, reply: Reply, code: str
) -> None:
    site.next(reply, where="Procedure/p1$")
    with sqlite(tmp_path, site) as engine:
        engine.tell(told(1), told(2), told(3))
        until(lambda: engine.held() == [code] and sorted(engine.control_ids) == ids(2, 3))
        until(lambda: engine.mark("events:Subscription/s1") == (3, 0))


@pytest.mark.parametrize(
    "focus", ["https://other.example/fhir/Procedure/p1", "http://127.0.0.1:1/fhir/r4/Procedure/p1", "../metadata", "x"]
)
def test_no_other_server_is_asked_for_what_happened(tmp_path: Path, site: FhirSite, focus: str) -> None:
    with sqlite(tmp_path, site) as engine:
        engine.tell(told(1, focus=lambda _: focus))
        until(lambda: engine.held() == ["not-ours"])
        assert (engine.left(), engine.control_ids) == (0, [])
        assert [each.path for each in site.asked if not each.path.startswith("Subscription/")] == []


def test_references_that_lead_elsewhere_or_nowhere_are_left_out_and_their_line_is_held(
    tmp_path: Path, site: FhirSite
) -> None:
    site.put(procedure("p1", "d1", "no-such-one"))
    site.put(procedure("p2", "d1", usedReference=[{"reference": "https://other.example/Device/1"}]))
    with sqlite(tmp_path, site) as engine:
        engine.tell(told(1), told(2))
        until(lambda: engine.left() == 0 and len(engine.control_ids) == 2 and len(engine.held()) == 1)
        assert [len(json.loads(each.body)["entry"]) for each in engine.messages()] == [2, 2]


def test_while_the_server_is_away_notifications_wait_and_then_all_are_followed_up(
    tmp_path: Path, site: FhirSite
) -> None:
    with sqlite(tmp_path, site) as engine:
        site.stop()
        engine.tell(told(1), told(2))
        until(lambda: (engine.mark("trouble") or (0, 0))[0] > 0)
        assert (engine.left(), engine.held()) == (2, [])
        site.start()
        until(lambda: engine.left() == 0 and sorted(engine.control_ids) == ids(1, 2), limit=40)
        until(lambda: engine.mark("trouble") == (0, 0))


@pytest.mark.parametrize(
    "junk",
    [
        {"resourceType": "Patient", "id": "1"},
        told(kind="query-status", counted=900, subscription="Subscription/other") | {"type": "searchset"},
        told(kind="query-status", counted=-4) | {"type": "searchset"},
    ],
    ids=["a patient", "of another subscription", "a negative number"],
)
def test_after_an_answer_that_says_nothing_of_the_subscription_all_is_searched(
    tmp_path: Path, site: FhirSite, junk: dict[str, Any]
) -> None:
    with sqlite(tmp_path, site) as engine:
        engine.tell(told(1))
        until(lambda: engine.mark("events:Subscription/s1") == (1, 0))
    site.next(Reply.of(junk), where="status")
    with begun(tmp_path, f"sqlite:///{tmp_path}/casecart.db") as engine:
        until(lambda: asked(site, "Procedure") == 1)
        assert (asked(site, "$status"), engine.mark("events:Subscription/s1")) == (1, (1, 0))
