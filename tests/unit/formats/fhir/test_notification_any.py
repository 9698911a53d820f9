"""Any JSON at all is a notification, or none, or refused; nothing else comes of it."""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import pytest

from casecart.formats.fhir.envelope import envelope_of
from casecart.formats.fhir.notification import BadNotification, classic, notification_of
from casecart.formats.fhir.series import Series

NAMES: Final = (
    *("resourceType", "type", "entry", "resource", "request", "method", "url", "parameter", "name", "part"),
    *("valueString", "valueCode", "valueReference", "reference", "subscription", "topic", "status", "focus", "error"),
    *("eventsSinceSubscriptionStart", "notificationEvent", "eventNumber", "additionalContext", "coding", "code", "id"),
    *("identifier", "system", "value", "meta", "versionId", "lastUpdated", "timestamp", "subject"),
)
LEAVES: Final = (
    *("Bundle", "SubscriptionStatus", "Parameters", "history", "subscription-notification", "handshake", "heartbeat"),
    *("event-notification", "query-status", "subscription", "type", "notification-event", "event-number", "focus"),
    *("events-since-subscription-start", "events-in-notification", "error", "DELETE", "7", "-1", "\0", "\ud800", ""),
    *("2026-03-15T10:15:30Z", "Patient/1", None, True, 7, -1, 2**70, Decimal("1.5"), Decimal(7)),
)


def anything(chance: random.Random, depth: int = 5) -> Any:  # noqa: ANN401 - any JSON
    """Made of words that mean something, in places where they mean nothing."""
    kind = chance.random() if depth else 1.0
    if kind < 0.3:
        return [anything(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind < 0.7:
        return {chance.choice(NAMES): anything(chance, depth - 1) for _ in range(chance.randrange(6))}
    return chance.choice(LEAVES)


def resource(chance: random.Random) -> dict[str, Any]:
    """Something that begins as a notification does, and here and there goes on as it likes."""

    def or_anything(usual: object) -> Any:  # noqa: ANN401 - any JSON
        return usual if chance.random() < 0.85 else anything(chance)

    part = {"name": "event-number", "valueString": or_anything("7")}
    told = {"name": "notification-event", "part": or_anything([part, or_anything({"name": "focus"})])}
    names = [or_anything({"name": "subscription"}), {"name": "type", "valueCode": or_anything("heartbeat")}]
    status = {chance.choice(NAMES): anything(chance) for _ in range(2)} | {
        "resourceType": or_anything(chance.choice(["SubscriptionStatus", "Parameters"])),
        "type": or_anything("event-notification"),
        "notificationEvent": or_anything([{"eventNumber": or_anything(7), "focus": anything(chance)}]),
        "parameter": or_anything([*names, told]),
    }
    if chance.random() < 0.3:
        return status
    of = or_anything(chance.choice(["history", "subscription-notification"]))
    entries = [{"resource": status}, anything(chance), {"resource": anything(chance)}]
    return {"resourceType": "Bundle", "type": of, "entry": or_anything(entries)}


@pytest.mark.parametrize("seed", range(5))
def test_any_json_is_a_notification_or_none_or_refused(seed: int) -> None:
    chance, read = random.Random(seed), 0
    for _ in range(400):
        made = resource(chance)
        with suppress(BadNotification):
            notification = notification_of(made)
            told = envelope_of(made, notification, [["subject", "reference"]])
            assert len(told.control_id.encode()) <= 4 * 199
            for each in filter(None, (notification, classic(made))):
                series = Series(0)
                series.heard(each, 1)
                series.next(10**9)
            read += notification is not None
    assert read > 20
