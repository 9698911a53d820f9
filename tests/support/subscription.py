"""A subscription at the server that sends its notifications: glue of our own, since no server that does is to be had.

It keeps to HL7's official examples (Subscriptions R5 Backport 1.1.0; FHIR R5 §3.2.6), and to what it was asked for: in
the classic dialect, the Backport's on R4 and R4B, and R5's, with nothing, references or whole resources in them.
Nothing here sends; `support.rest_hook` does.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TOPIC", "Content", "Dialect", "Happened", "Post", "Subscription", "subscription_resource"]

Dialect: TypeAlias = Literal["classic", "R4", "R4B", "R5"]
Content: TypeAlias = Literal["empty", "id-only", "full-resource"]

TOPIC: Final = "http://ehr.example/SubscriptionTopic/procedure"
BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
JSON: Final = "application/fhir+json"
REST_HOOK: Final = {"system": "http://terminology.hl7.org/CodeSystem/subscription-channel-type", "code": "rest-hook"}


def subscription_resource(
    dialect: Dialect, content: Content, endpoint: str, header: str, *, heartbeat: int | None = None
) -> dict[str, Any]:
    """What a client creates at the server, for all procedures.

    Args:
        dialect: of its notifications.
        content: how much they tell; in the classic dialect nothing, or the resource.
        endpoint: where they go.
        header: that goes with them, as `Name: value`.
        heartbeat: seconds between two signs of life.
    """
    head = {"resourceType": "Subscription", "status": "requested", "reason": "Stock"}
    if dialect == "R5":
        name, _, value = header.partition(": ")
        period = {} if heartbeat is None else {"heartbeatPeriod": heartbeat}
        told = {"endpoint": endpoint, "parameter": [{"name": name, "value": value}], "contentType": JSON} | period
        return {**head, "topic": TOPIC, "channelType": REST_HOOK, "content": content, **told}
    channel: dict[str, Any] = {"type": "rest-hook", "endpoint": endpoint, "header": [header]}
    if dialect == "classic":
        payload = {} if content == "empty" else {"payload": JSON}
        return {**head, "criteria": "Procedure?status=completed", "channel": {**channel, **payload}}
    if heartbeat is not None:
        channel["extension"] = [{"url": f"{BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": heartbeat}]
    channel["_payload"] = {"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": content}]}
    return {**head, "criteria": TOPIC, "channel": {**channel, "payload": JSON}}


class Post(NamedTuple):
    """A request to the endpoint."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Happened:
    """An event.

    Attributes:
        number: within the subscription.
        timestamp: when.
        resource: what it happened to, as it is since.
    """

    number: int
    timestamp: str
    resource: dict[str, Any]

    @property
    def name(self) -> str:
        """Of the resource, as `Procedure/1`."""
        return f"{self.resource['resourceType']}/{self.resource['id']}"


class Subscription:
    """One that was created at a server.

    Args:
        resource: as it was created, with its id.
        base: the server's address.
        version: of FHIR that the server speaks: it decides between the Backport's two forms.

    Attributes:
        dialect: of its notifications.
        content: how much they tell.
        counter: events so far.
        events: those that the server still has.
        status: of its life.
        errors: codes.
    """

    def __init__(self, resource: dict[str, Any], base: str, version: Literal["R4", "R4B", "R5"] = "R4") -> None:
        self.id, self.base = str(resource["id"]), base
        self.counter = 0
        self.events: list[Happened] = []
        self.status, self.errors = "requested", list[str]()
        self.topic = ""
        if "channelType" in resource:
            self.dialect: Dialect = "R5"
            self.topic, self._endpoint = str(resource["topic"]), str(resource["endpoint"])
            self._headers = {each["name"]: each["value"] for each in resource.get("parameter", ())}
            self.content: Content = resource["content"]
            return
        channel, criteria = resource["channel"], str(resource["criteria"])
        self._endpoint = str(channel["endpoint"])
        self._headers = dict(each.split(": ", 1) for each in channel.get("header", ()))
        if criteria.startswith("http"):
            self.dialect, self.topic = ("R4B" if version == "R4B" else "R4"), criteria
            self.content = channel["_payload"]["extension"][0]["valueCode"]
        else:
            self.dialect = "classic"
            self.content = "full-resource" if "payload" in channel else "empty"

    def happened(self, resource: dict[str, Any], timestamp: str) -> Happened:
        """Something did."""
        self.counter += 1
        event = Happened(self.counter, timestamp, resource)
        self.events.append(event)
        return event

    def restart(self) -> None:
        """The server was restored, or lost what it knew: it counts from 1 on."""
        self.counter, self.status = 0, "requested"
        self.events.clear()

    def sign(self, kind: Literal["handshake", "heartbeat"], timestamp: str) -> Post:
        """A notification without events; the classic dialect has none."""
        assert self.dialect != "classic"
        return self._post(self.bundle(kind, (), timestamp))

    def told(self, events: Sequence[Happened], timestamp: str) -> list[Post]:
        """The notification of some events; in the classic dialect one of each."""
        if self.dialect != "classic":
            return [self._post(self.bundle("event-notification", events, timestamp))]
        if self.content == "empty":
            return [Post("POST", self._endpoint, self._headers, b"") for _ in events]
        headers = self._headers | {"Content-Type": JSON}
        return [
            Post("PUT", f"{self._endpoint}/{event.name}", headers, json.dumps(event.resource).encode())
            for event in events
        ]

    def bundle(
        self, kind: str, events: Sequence[Happened], timestamp: str, content: Content | None = None
    ) -> dict[str, Any]:
        """As it is sent, or given as the answer to `$status` and `$events`.

        Args:
            kind: of notification.
            events: that it tells of.
            timestamp: of now.
            content: how much it tells; None: as subscribed.
        """
        content = content or self.content
        status = self._parameters(kind, events, content) if self.dialect == "R4" else self._of(kind, events, content)
        name = str(uuid.uuid4())
        first: dict[str, Any] = {"fullUrl": f"urn:uuid:{name}", "resource": {**status, "id": name}}
        made: dict[str, Any] = {"resourceType": "Bundle", "id": str(uuid.uuid4()), "timestamp": timestamp}
        if kind == "query-status":
            return {**made, "type": "searchset", "entry": [first]}
        made["type"] = "subscription-notification" if self.dialect == "R5" else "history"
        first["request"] = {"method": "GET", "url": f"{self.base}/Subscription/{self.id}/$status"}
        first["response"] = {"status": "200"}
        return {**made, "entry": [first, *(self._entry(event, content) for event in events if content != "empty")]}

    def _entry(self, event: Happened, content: Content) -> dict[str, Any]:
        brings = {"resource": event.resource} if content == "full-resource" else {}
        request = {"request": {"method": "PUT", "url": event.name}, "response": {"status": "200"}}
        return {"fullUrl": f"{self.base}/{event.name}", **brings, **request}

    def _of(self, kind: str, events: Sequence[Happened], content: Content) -> dict[str, Any]:
        """A SubscriptionStatus; of R5 the numbers are 64-bit, which JSON has as text, as R4B does."""
        told = []
        for event in events:
            one: dict[str, Any] = {"eventNumber": str(event.number), "timestamp": event.timestamp}
            told.append(one | ({} if content == "empty" else {"focus": self._reference(event)}))
        errors = [_error(code) for code in self.errors]
        return {
            "resourceType": "SubscriptionStatus",
            "status": self.status,
            "type": kind,
            "eventsSinceSubscriptionStart": str(self.counter),
            **({"notificationEvent": told} if told else {}),
            "subscription": {"reference": f"{self.base}/Subscription/{self.id}"},
            "topic": self.topic,
            **({"error": errors} if errors else {}),
        }

    def _parameters(self, kind: str, events: Sequence[Happened], content: Content) -> dict[str, Any]:
        """The same as the Backport has it on R4."""
        told: list[dict[str, Any]] = [
            {"name": "subscription", "valueReference": {"reference": f"{self.base}/Subscription/{self.id}"}},
            {"name": "topic", "valueCanonical": self.topic},
            {"name": "status", "valueCode": self.status},
            {"name": "type", "valueCode": kind},
            {"name": "events-since-subscription-start", "valueString": str(self.counter)},
        ]
        for event in events:
            parts: list[dict[str, Any]] = [
                {"name": "event-number", "valueString": str(event.number)},
                {"name": "timestamp", "valueInstant": event.timestamp},
            ]
            if content != "empty":
                parts.append({"name": "focus", "valueReference": self._reference(event)})
            told.append({"name": "notification-event", "part": parts})
        told += [{"name": "error", "valueCodeableConcept": _error(code)} for code in self.errors]
        return {"resourceType": "Parameters", "parameter": told}

    def _reference(self, event: Happened) -> dict[str, str]:
        return {"reference": f"{self.base}/{event.name}"}

    def _post(self, bundle: dict[str, Any]) -> Post:
        return Post("POST", self._endpoint, self._headers | {"Content-Type": JSON}, json.dumps(bundle).encode())


def _error(code: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/subscription-error", "code": code}]}
