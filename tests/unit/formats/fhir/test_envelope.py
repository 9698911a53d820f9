"""The envelope of what was sent: the same for the same thing sent again, another for another."""

from __future__ import annotations

from typing import Any

import pytest

from casecart.formats.fhir.envelope import Envelope, envelope_of
from casecart.formats.fhir.notification import notification_of

PATHS = [["subject", "reference"], ["patient", "reference"]]


def told(resource: dict[str, Any]) -> Envelope:
    """Of a resource, which may be a notification."""
    return envelope_of(resource, notification_of(resource), PATHS)


def bundle(*events: object, name: str = "b1", **more: object) -> dict[str, Any]:
    """A notification bundle of R5."""
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "event-notification",
        "subscription": {"reference": "https://ehr.example/fhir/Subscription/7"},
        "notificationEvent": [
            {"eventNumber": event, "focus": {"reference": f"https://ehr.example/fhir/Procedure/{event}"}}
            for event in events
        ],
    }
    return {
        "resourceType": "Bundle", "id": name, "type": "subscription-notification", "entry": [{"resource": status}],
        **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("events", "control_id"),
    [
        (["7"], "#7"),
        ([7, "8", 9], "#7-9"),
        ([12, 7, 8], "#7-8,12"),
    ],
)
def test_a_notification_is_told_by_its_subscription_and_events(events: list, control_id: str) -> None:
    assert told(bundle(*events)).control_id == f"https://ehr.example/fhir/Subscription/7{control_id}"
    assert told(bundle(*events, name="sent again")).control_id == told(bundle(*events)).control_id


def test_a_long_control_id_keeps_what_tells_it_from_others() -> None:
    one, other = (told(bundle(*range(1, end, 2))).control_id for end in (2001, 2003))
    assert len(one) == len(other) == 199
    assert one != other


@pytest.mark.parametrize(
    ("resource", "control_id"),
    [
        ({"resourceType": "Bundle", "id": "b1", "identifier": {"system": "urn:a", "value": "4711"}}, "urn:a|4711"),
        ({"resourceType": "Bundle", "id": "b1", "identifier": {"value": "4711"}}, "4711"),
        ({"resourceType": "Bundle", "id": "b1", "identifier": {"system": "urn:a"}}, "b1"),
        ({"resourceType": "Bundle", "id": "b1"}, "b1"),
        ({"resourceType": "Bundle"}, ""),
        ({"resourceType": "Procedure", "id": "p", "meta": {"versionId": "3"}}, "Procedure/p/_history/3"),
        ({"resourceType": "Procedure", "id": "p"}, ""),
        ({"resourceType": "Procedure", "meta": {"versionId": "3"}}, ""),
        ({"resourceType": "Bundle", "id": "a\0b"}, "a\ufffdb"),
        ({"resourceType": "Bundle", "id": "a\ud800b"}, "a?b"),
        ({"resourceType": "Bundle", "id": 7, "identifier": []}, ""),
        ({}, ""),
    ],
)
def test_other_resources_are_told_by_identifier_id_or_version(resource: dict, control_id: str) -> None:
    assert told(resource).control_id == control_id


@pytest.mark.parametrize(
    ("resource", "keeps_order"),
    [
        ({"resourceType": "Procedure", "subject": {"reference": "Patient/1"}}, "Patient/1"),
        ({"resourceType": "Device", "patient": {"reference": "https://ehr.example/fhir/Patient/1"}}, "Patient/1"),
        ({"resourceType": "Procedure", "subject": {"reference": "Patient/1/_history/2"}}, "Patient/1"),
        ({"resourceType": "Procedure", "subject": [{"reference": "Patient/1"}]}, "Patient/1"),
        ({"resourceType": "Procedure", "subject": {"reference": "urn:uuid:4"}}, "urn:uuid:4"),
        ({"resourceType": "Procedure", "subject": "Patient/1"}, ""),
        (bundle(7), "Procedure/7"),
        (
            {
                "resourceType": "Bundle",
                "entry": [
                    None,
                    {"resource": {"resourceType": "Medication"}},
                    {"resource": {"resourceType": "Device", "patient": {"reference": "Patient/1"}}},
                ],
            },
            "Patient/1",
        ),
    ],
)
def test_what_is_about_one_patient_stays_in_order(resource: dict, keeps_order: str) -> None:
    assert told(resource).keeps_order == keeps_order


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-03-15T10:15:30.5Z", 1_773_569_730_500_000),
        ("2026-03-15T10:15:30.1882432-05:00", 1_773_587_730_188_243),
        ("2026-03-15T10:15:30", None),  # no zone
        ("2026-13-15T10:15:30.000Z", None),
        ("0001-01-01T00:00:00.000+14:00", -62_135_647_200_000_000),
        ("yesterday at half past four", None),
        (5, None),
    ],
)
def test_the_time_is_the_bundles_or_the_resources_own(written: object, at: int | None) -> None:
    assert told(bundle(1, timestamp=written)).occurred_at == at
    assert told({"resourceType": "Procedure", "meta": {"lastUpdated": written}}).occurred_at == at
