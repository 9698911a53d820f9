"""What our own sender of notifications sends is FHIR, and reads as what happened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pytest

from casecart.formats.fhir import VERSIONS, read_resource, validate
from casecart.formats.fhir.notification import classic, notification_of
from support.subscription import Subscription, subscription_resource

if TYPE_CHECKING:
    from casecart.formats.fhir.notification import Notification
    from support.subscription import Content, Dialect, Happened, Post

ENDPOINT = "http://127.0.0.1:8443/ehr"
BASE = "http://ehr.example/fhir"
AT = "2026-11-03T10:15:00.000Z"
COUNTED: list[Literal["R4", "R4B", "R5"]] = ["R4", "R4B", "R5"]
CONTENTS: list[Content] = ["empty", "id-only", "full-resource"]


def created(dialect: Dialect, content: Content = "id-only", heartbeat: int | None = None) -> Subscription:
    """A subscription at a server of the dialect's version."""
    resource = subscription_resource(dialect, content, ENDPOINT, "Authorization: Bearer t", heartbeat=heartbeat)
    version = "R4" if dialect == "classic" else dialect
    assert validate(resource, VERSIONS[version]).problems == ()
    return Subscription({**resource, "id": "s1"}, BASE, version)


def events(subscription: Subscription, count: int) -> list[Happened]:
    """So many procedures."""
    told = {"resourceType": "Procedure", "status": "completed", "subject": {"reference": "Patient/1"}}
    return [subscription.happened({**told, "id": f"p{number}"}, AT) for number in range(1, count + 1)]


def read(resource: dict[str, Any], version: str) -> Notification:
    """It is valid, and a notification."""
    assert validate(read_resource(json.dumps(resource).encode()), VERSIONS[version]).problems == ()
    made = notification_of(resource)
    assert made is not None
    return made


def body(post: Post) -> dict[str, Any]:
    """What it posts."""
    told: dict[str, Any] = json.loads(post.body)
    return told


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("dialect", COUNTED)
def test_a_notification_of_two_events_is_valid_and_reads_as_they_happened(
    dialect: Literal["R4", "R4B", "R5"], content: Content
) -> None:
    subscription = created(dialect, content)
    subscription.status = "active"
    (post,) = subscription.told(events(subscription, 3)[1:], AT)
    assert (post.method, post.url, post.headers["Authorization"]) == ("POST", ENDPOINT, "Bearer t")
    made = read(body(post), dialect)
    assert (made.dialect, made.version) == ("R5" if dialect == "R5" else "backport", VERSIONS[dialect])
    assert (made.kind, made.counted, made.numbers, made.content) == ("event-notification", 3, [2, 3], content)
    focus = [] if content == "empty" else [f"{BASE}/Procedure/p2", f"{BASE}/Procedure/p3"]
    assert [event.focus for event in made.events if event.focus] == focus
    assert (made.subscription, made.status) == (f"{BASE}/Subscription/s1", "active")


@pytest.mark.parametrize("dialect", COUNTED)
def test_signs_of_life_and_answers_are_valid_and_read_as_what_they_are(dialect: Literal["R4", "R4B", "R5"]) -> None:
    subscription = created(dialect, heartbeat=10)
    handshake = read(body(subscription.sign("handshake", AT)), dialect)
    two = events(subscription, 2)
    subscription.status, subscription.errors = "error", ["no-response"]
    heartbeat = read(body(subscription.sign("heartbeat", AT)), dialect)
    status = read(subscription.bundle("query-status", (), AT), dialect)
    whole = read(subscription.bundle("query-event", two, AT, "full-resource"), dialect)
    assert [(made.kind, made.counted, made.numbers) for made in (handshake, heartbeat, status, whole)] == [
        ("handshake", 0, []),
        ("heartbeat", 2, []),
        ("query-status", 2, []),
        ("query-event", 2, [1, 2]),
    ]
    assert (status.status, status.errors) == ("error", ("no-response",))
    assert [resource["id"] for resource in whole.resources] == ["p1", "p2"]


def test_the_classic_dialect_is_an_update_below_the_endpoint_or_an_empty_body() -> None:
    whole, empty = created("classic", "full-resource"), created("classic", "empty")
    (post,) = whole.told(events(whole, 1), AT)
    assert (post.method, post.url) == ("PUT", f"{ENDPOINT}/Procedure/p1")
    assert classic(body(post)).content == "full-resource"
    (post,) = empty.told(events(empty, 1), AT)
    assert (post.method, post.url, post.body) == ("POST", ENDPOINT, b"")


def test_a_server_that_was_restored_counts_from_one() -> None:
    subscription = created("R5")
    events(subscription, 2)
    subscription.restart()
    (event,) = events(subscription, 1)
    assert (event.number, subscription.events) == (1, [event])
