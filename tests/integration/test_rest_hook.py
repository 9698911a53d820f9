"""Our own sender of notifications, before Medplum: what it sends to an endpoint, and what it answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from casecart.formats.fhir.notification import notification_of
from support.client_key import ClientKey
from support.fhir_peer import Answer, Medplum, SmartServer, asked
from support.http_door import TOKEN, door
from support.open_port import Turn, until
from support.rest_hook import RestHook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.formats.fhir.notification import Notification
    from casecart.listeners.http import HttpListener
    from support.subscription import Dialect, Subscription

HEADER = f"Authorization: Bearer {TOKEN}"


def procedure(name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - what JSON has
    """A made-up one."""
    told = {"resourceType": "Procedure", "id": name, "status": "completed", "subject": {"reference": "Patient/1"}}
    return told | more


@pytest.fixture(scope="module")
def medplum() -> Iterator[Medplum]:
    with Medplum() as server:
        yield server


@pytest.fixture
def hook(medplum: Medplum) -> Iterator[RestHook]:
    with RestHook(medplum) as server:
        yield server


@pytest.fixture
def intake() -> Turn:
    return Turn()


@pytest.fixture
def endpoint(intake: Turn, tmp_path: Path) -> Iterator[HttpListener]:
    """Casecart's own."""
    with door(intake, root=tmp_path) as listener:
        yield listener


def subscribed(hook: RestHook, endpoint: HttpListener, dialect: Dialect = "R4") -> Subscription:
    """One with references."""
    return hook.subscribe(dialect, "id-only", f"http://127.0.0.1:{endpoint.port}/ehr", HEADER)


def told(intake: Turn) -> list[Notification]:
    """What came to the endpoint."""
    found = [notification_of(json.loads(arrival.body)) for arrival in intake.arrivals]
    return [each for each in found if each is not None]


def operation(hook: RestHook, medplum: Medplum, path: str) -> Answer:
    """Asked by somebody who may."""
    return asked(hook.port, "GET", path, Authorization=f"Bearer {medplum.clerk}")


def test_a_subscription_is_shaken_hands_with_and_told_of_what_is_documented(
    hook: RestHook, endpoint: HttpListener, intake: Turn
) -> None:
    subscription = subscribed(hook, endpoint)
    assert subscription.status == "active"
    kept = hook.document(procedure("told"))
    assert [status for _, status in hook.sent] == [200, 200]
    (made,) = told(intake)
    assert [event.focus for event in made.events] == [f"{hook.base}/Procedure/told"]
    assert asked(hook.port, "GET", "/Procedure/told").json == kept


def test_an_endpoint_that_does_not_answer_the_handshake_leaves_the_subscription_in_error(
    hook: RestHook, endpoint: HttpListener
) -> None:
    wrong = hook.subscribe("R5", "id-only", f"http://127.0.0.1:{endpoint.port}/ehr", "Authorization: Bearer wrong")
    assert (wrong.status, [status for _, status in hook.sent]) == ("error", [401])
    hook.document(procedure("untold"))
    assert (len(hook.sent), wrong.counter) == (1, 1)  # it counts on, and tells nothing


def test_a_client_brings_a_subscription_back_and_deletes_it(
    hook: RestHook, medplum: Medplum, endpoint: HttpListener
) -> None:
    subscription = subscribed(hook, endpoint)
    path = f"/Subscription/{subscription.id}"
    subscription.status = "error"
    there = operation(hook, medplum, path).json
    assert there["status"] == "error"
    again = json.dumps(there | {"status": "requested"}).encode()
    assert asked(hook.port, "PUT", path, again, Authorization=f"Bearer {medplum.clerk}").status == 200
    until(lambda: operation(hook, medplum, path).json["status"] == "active")
    assert asked(hook.port, "DELETE", path, Authorization=f"Bearer {medplum.clerk}").status == 200
    assert (operation(hook, medplum, path).status, hook.subscriptions) == (404, {})


def test_lost_notifications_are_given_by_events(
    hook: RestHook, medplum: Medplum, endpoint: HttpListener, intake: Turn
) -> None:
    subscription = subscribed(hook, endpoint)
    with hook.losing():
        for name in ("one", "two", "three"):
            hook.document(procedure(name))
    hook.document(procedure("four"))
    (made,) = told(intake)
    assert (made.counted, made.numbers) == (4, [4])
    path = f"/Subscription/{subscription.id}/$events?eventsSinceNumber=2&eventsUntilNumber=3"
    given = notification_of(operation(hook, medplum, path).json)
    assert given is not None
    assert (given.kind, given.numbers) == ("query-event", [2, 3])
    assert hook.asked[-1] == f"GET {path}"


@pytest.mark.parametrize(
    ("missing", "answers"), [(set(), (200, 200)), ({"events"}, (200, 404)), ({"status", "events"}, (404, 404))]
)
def test_a_server_may_have_no_operations(
    medplum: Medplum, endpoint: HttpListener, missing: set[str], answers: tuple[int, int]
) -> None:
    with RestHook(medplum, operations=frozenset({"status", "events"} - missing)) as hook:
        path = f"/Subscription/{subscribed(hook, endpoint).id}"
        assert tuple(operation(hook, medplum, f"{path}/${name}").status for name in ("status", "events")) == answers


def test_a_server_may_keep_the_last_events_only(medplum: Medplum, endpoint: HttpListener) -> None:
    with RestHook(medplum, keeps=1) as hook:
        subscription = subscribed(hook, endpoint)
        for name in ("one", "two"):
            hook.document(procedure(name))
        given = notification_of(operation(hook, medplum, f"/Subscription/{subscription.id}/$events").json)
        assert given is not None
        assert (given.counted, given.numbers) == (2, [2])


def test_what_is_held_back_comes_in_the_order_that_a_test_wants(
    hook: RestHook, endpoint: HttpListener, intake: Turn
) -> None:
    subscription = subscribed(hook, endpoint)
    with hook.holding():
        for name in ("one", "two"):
            hook.document(procedure(name))
    hook.send(*reversed(hook.held))
    hook.tell(subscription, *subscription.events)
    assert [made.numbers for made in told(intake)] == [[2], [1], [1, 2]]


def test_a_counter_begins_anew_with_a_handshake(hook: RestHook, endpoint: HttpListener, intake: Turn) -> None:
    subscription = subscribed(hook, endpoint, "R5")
    for name in ("one", "two"):
        hook.document(procedure(name))
    hook.restart(subscription)
    hook.document(procedure("three"))
    hook.heartbeat(subscription)
    assert [made.numbers for made in told(intake)] == [[1], [2], [1]]
    assert [status for _, status in hook.sent] == [200] * 6


def test_only_who_has_a_token_is_given_events(tmp_path: Path) -> None:
    with SmartServer(ClientKey()) as smart, Medplum(smart) as medplum, RestHook(medplum) as hook:
        with door(Turn(), root=tmp_path) as endpoint:
            subscription = subscribed(hook, endpoint)
        path = f"/Subscription/{subscription.id}/$events"
        assert asked(hook.port, "GET", path).status == 401
        assert operation(hook, medplum, path).status == 200
