"""Notifications of the three dialects: the official examples where they are, and made-up ones of our own."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from casecart.formats.fhir.notification import BadNotification, Event, Notification, classic, notification_of
from support.require import require

CORPUS = Path(__file__).parents[5] / "shared" / "corpus" / "fhir"
BACKPORT = CORPUS / "HL7__fhir-subscription-backport-ig"
R5 = CORPUS / "hl7.fhir.r5.examples-5.0.0"

ENCOUNTER = "https://example.org/fhir/Encounter/86009987-eabe-42bf-8c02-b112b18cb616"
PATIENT = "https://example.org/fhir/Patient/1599eb66-431a-447c-a3de-6897fe9ae9a1"
AT = "2020-05-29T11:44:13.1882432-05:00"


def official(path: Path) -> Notification:
    """An official example, as a notification."""
    if not path.exists():
        require("corpus", f"it was looked for at {CORPUS}")
    made = notification_of(json.loads(path.read_text("utf-8"), parse_float=Decimal))
    assert made is not None
    return made


def status(kind: str = "event-notification", **more: object) -> dict[str, Any]:
    """A SubscriptionStatus."""
    return {
        "resourceType": "SubscriptionStatus",
        "type": kind,
        "subscription": {"reference": "Subscription/s1"},
        **more,
    }


def parameters(kind: str = "event-notification", *more: dict[str, Any]) -> dict[str, Any]:
    """The same as Parameters."""
    told = [{"name": "subscription", "valueReference": {"reference": "Subscription/s1"}}]
    return {"resourceType": "Parameters", "parameter": [*told, {"name": "type", "valueCode": kind}, *more]}


def bundle(first: dict[str, Any], *entries: dict[str, Any], of: str = "history") -> dict[str, Any]:
    """A notification bundle."""
    return {"resourceType": "Bundle", "type": of, "entry": [{"resource": first}, *entries]}


def read(resource: dict[str, Any]) -> Notification:
    """It is a notification."""
    made = notification_of(resource)
    assert made is not None
    return made


@pytest.mark.parametrize("version", ["r4", "r4b"])
@pytest.mark.parametrize(
    ("name", "kind", "content", "counted", "numbers", "focus", "context", "resources"),
    [
        ("handshake", "handshake", "empty", 0, [], [], [], []),
        ("heartbeat", "heartbeat", "empty", 2, [], [], [], []),
        ("empty", "event-notification", "empty", 2, [2], [""], [], []),
        ("empty-with-auth", "event-notification", "empty", 2, [2], [""], [], []),
        ("id-only", "event-notification", "id-only", 2, [2], [ENCOUNTER], [], []),
        ("id-only-with-auth", "event-notification", "id-only", 2, [2], [ENCOUNTER], [], []),
        ("id-only-with-query", "event-notification", "id-only", 2, [2], [ENCOUNTER], [], []),
        ("full-resource", "event-notification", "full-resource", 2, [2], [ENCOUNTER], [], ["Encounter"]),
        ("full-resource-with-query", "event-notification", "full-resource", 2, [2], [ENCOUNTER], [], ["Encounter"]),
        (
            "multi-resource", "event-notification", "full-resource", 2, [2], [ENCOUNTER], [PATIENT],
            ["Encounter", "Patient"],
        ),
        ("error", "query-status", "empty", 3, [], [], [], []),
    ],
)  # fmt: skip
def test_every_official_example_of_the_backport_is_read(  # noqa: PLR0917 - a row of a table
    version: str,
    name: str,
    kind: str,
    content: str,
    counted: int,
    numbers: list[int],
    focus: list[str],
    context: list[str],
    resources: list[str],
) -> None:
    made = official(BACKPORT / f"Bundle-{version}-notification-{name}.json")
    assert (made.dialect, made.version) == ("backport", {"r4": "4.0.1", "r4b": "4.3.0"}[version])
    assert (made.subscription, made.topic) == (
        "https://example.org/fhir/Subscription/admission",
        "http://hl7.org/SubscriptionTopic/admission",
    )
    assert (made.kind, made.content, made.counted, made.numbers) == (kind, content, counted, numbers)
    assert [event.focus for event in made.events] == focus
    assert [each for event in made.events for each in event.context] == context
    assert [resource["resourceType"] for resource in made.resources] == resources
    assert made.errors == (("no-response",) if name == "error" else ())


@pytest.mark.parametrize(
    "name", ["Parameters-r4-notification-status.json", "SubscriptionStatus-r4b-notification-status.json"]
)
def test_a_status_without_a_bundle_is_read(name: str) -> None:
    made = official(BACKPORT / name)
    assert (made.kind, made.status, made.counted, made.numbers) == ("event-notification", "active", 2, [2])


@pytest.mark.parametrize(
    ("name", "kind", "state", "content", "counted", "numbers", "resources"),
    [
        ("Bundle-00b99077-2bda-436e-98cc-a4f65d6c2fe0", "event-notification", "active", "full-resource", 2, [2], 1),
        ("Bundle-3945182f-d315-4dbf-9259-09d863c7e7da", "event-notification", "active", "id-only", 2, [2], 0),
        ("Bundle-3d20ea4b-90dc-4d0d-b15a-c7a893389401", "heartbeat", "active", "empty", 310, [], 0),
        ("Bundle-40464b74-fad0-4f45-ab60-e67f949c5e92", "query-status", "active", "empty", 310, [], 0),
        ("Bundle-54f808cf-d159-4c9b-accb-c33eb20f0ecc", "handshake", "requested", "empty", 0, [], 0),
        ("Bundle-787e69f6-81a8-44e4-b404-257013dec332", "query-event", "active", "full-resource", 310, [307, 308], 3),
        ("Bundle-920a46b7-045a-4773-82bd-8e90c3e15653", "event-notification", "active", "id-only", 2, [2], 0),
        ("Bundle-9601c07a-e34f-4945-93ca-6efb5394c995", "event-notification", "active", "empty", 2, [2], 0),
        ("Bundle-e2c9dc20-615e-4603-9005-74deb209cbb0", "event-notification", "error", "empty", 328, [328], 0),
    ],
)
def test_every_official_notification_of_r5_is_read(  # noqa: PLR0917 - a row of a table
    name: str, kind: str, state: str, content: str, counted: int, numbers: list[int], resources: int
) -> None:
    made = official(R5 / f"{name}.json")
    assert (made.dialect, made.version, made.subscription) == (
        "R5",
        "5.0.0",
        "http://example.org/FHIR/R5/Subscription/123",
    )
    assert (made.kind, made.status, made.content, made.counted) == (kind, state, content, counted)
    assert (made.numbers, len(made.resources)) == (numbers, resources)


def test_no_other_file_of_the_corpus_passes_for_a_notification() -> None:
    if not CORPUS.exists():
        require("corpus", f"it was looked for at {CORPUS}")
    found = {path.name for path in CORPUS.glob("*/*.json") if notification_of(json.loads(path.read_text("utf-8")))}
    assert all("notification" in name or name.startswith("Bundle-") for name in found - {SINGLE})
    assert len(found) == 24 + 9 + 1


SINGLE = "SubscriptionStatus-example.json"


@pytest.mark.parametrize("value", ["9223372036854775807", 9223372036854775807, Decimal(9223372036854775807)])
def test_a_number_of_64_bits_is_read_as_a_string_and_as_a_number(value: object) -> None:
    told = status(eventsSinceSubscriptionStart=value, notificationEvent=[{"eventNumber": value}])
    assert read(bundle(told, of="subscription-notification")).numbers == [2**63 - 1]
    number = {"name": "event-number", "valueInteger64": value}
    counted = {"name": "events-since-subscription-start", "valueUnsignedInt": value}
    made = read(bundle(parameters("event-notification", counted, {"name": "notification-event", "part": [number]})))
    assert (made.counted, made.numbers) == (2**63 - 1, [2**63 - 1])


@pytest.mark.parametrize("value", ["-1", -1, "", "1.5", Decimal("1.5"), "٣", True, 2**63, "9" * 4000, [], {"a": 1}])
def test_what_is_no_number_of_events_is_refused_by_its_place(value: object) -> None:
    told = status(notificationEvent=[{"eventNumber": "1"}, {"eventNumber": value}])
    with pytest.raises(BadNotification) as refused:
        notification_of(bundle(told))
    assert refused.value.place == "Bundle.entry[0].resource.notificationEvent[1].eventNumber"


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        (bundle(status("gossip")), "Bundle.entry[0].resource.type"),
        (bundle(parameters("gossip")), "Bundle.entry[0].resource.parameter.where(name='type')"),
        (status("gossip"), "SubscriptionStatus.type"),
        (bundle(status(notificationEvent="many")), "Bundle.entry[0].resource.notificationEvent"),
        (bundle(status(notificationEvent=[7])), "Bundle.entry[0].resource.notificationEvent[0]"),
        (bundle(status(notificationEvent=[{}])), "Bundle.entry[0].resource.notificationEvent[0].eventNumber"),
        (
            bundle(parameters("event-notification", {"name": "notification-event", "part": []})),
            "Bundle.entry[0].resource.parameter.where(name='notification-event')[0].part.where(name='event-number')",
        ),
        ({"resourceType": "Bundle", "type": "subscription-notification"}, "Bundle.entry[0]"),
        (bundle({"resourceType": "Patient"}, of="subscription-notification"), "Bundle.entry[0]"),
        (
            bundle(
                parameters(
                    "event-notification",
                    {"name": "events-since-subscription-start", "valueString": "5"},
                    {"name": "events-in-notification", "valueString": "6"},
                )
            ),
            "Bundle.entry[0].resource.parameter.where(name='events-in-notification')",
        ),
    ],
)
def test_what_begins_as_a_notification_and_is_none_is_refused_by_its_place(resource: dict, place: str) -> None:
    with pytest.raises(BadNotification) as refused:
        notification_of(resource)
    assert refused.value.place == place


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"resourceType": "Procedure", "id": "1"},
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": status()}]},
        {"resourceType": "Bundle", "type": "history", "entry": []},
        {"resourceType": "Bundle", "type": "history", "entry": "all"},
        {"resourceType": "Bundle", "type": "history", "entry": [None]},
        {"resourceType": "Bundle", "type": "history", "entry": [{"resource": {"resourceType": "Procedure"}}]},
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Parameters"}}]},
        {"resourceType": "Parameters", "parameter": [{"name": "subscription"}]},
        {"resourceType": "Parameters", "parameter": [None, 1, {"name": 5}]},
    ],
)
def test_what_is_no_notification_is_none(resource: dict) -> None:
    assert notification_of(resource) is None


def test_the_first_ballots_form_names_its_events_by_their_count() -> None:
    counted = {"name": "events-since-subscription-start", "valueUnsignedInt": 7}
    within = {"name": "events-in-notification", "valueUnsignedInt": 2}
    made = read(bundle(parameters("event-notification", counted, within)))
    assert made.events == (Event(6), Event(7))


def test_a_deleted_resource_is_told_by_its_address() -> None:
    told = status(notificationEvent=[{"eventNumber": 3, "focus": {"reference": "Procedure/1"}}])
    made = read(bundle(told, {"request": {"method": "DELETE", "url": "Procedure/1"}}, of="subscription-notification"))
    assert (made.removed, made.asks_to_look) == (("Procedure/1",), False)


def test_numbers_are_in_order_and_each_once() -> None:
    events = [{"eventNumber": number} for number in ("9", 10, "9", 8)]
    assert read(bundle(status(notificationEvent=events))).numbers == [8, 9, 10]


@pytest.mark.parametrize(
    ("kind", "event", "looks"),
    [
        ("event-notification", {"eventNumber": 1}, True),
        ("event-notification", {"eventNumber": 1, "focus": {"reference": "Procedure/1"}}, False),
        ("handshake", None, False),
        ("heartbeat", None, False),
    ],
)
def test_only_an_event_that_names_nothing_asks_to_look(kind: str, event: dict | None, looks: bool) -> None:  # noqa: FBT001 - a row of a table
    events = {} if event is None else {"notificationEvent": [event]}
    assert read(bundle(status(kind, **events))).asks_to_look is looks


def test_the_classic_dialect_is_the_resource_or_the_wish_to_be_looked_at() -> None:
    procedure = {"resourceType": "Procedure", "id": "p1"}
    made = classic(procedure)
    assert (made.dialect, made.events, made.resources) == ("classic", (Event(None, "Procedure/p1"),), (procedure,))
    assert (made.asks_to_look, made.numbers) == (False, [])
    assert classic(None).asks_to_look
