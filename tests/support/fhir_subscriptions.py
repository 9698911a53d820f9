"""Subscriptions at a `FhirSite`, as servers have them: what they say of themselves, handshakes, versions, `$status`."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from support.fhir_site import Reply
from support.reactor import reactor

if TYPE_CHECKING:
    from support.fhir_site import Asked, FhirSite

__all__ = ["TOPIC", "Subscriptions"]

TOPIC = "https://ehr.example/topics/used"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport"
ALL = ("read", "search-type", "create", "update", "delete")


@dataclass
class Subscriptions:
    """What a server does with subscriptions.

    Attributes:
        site: the server.
        does: interactions that it offers.
        backport: whether it tells its topics, as the Backport has it.
        becomes: what a subscription is after its handshake.
        counted: what `$status` says; None: it has no such operation.
        hides: whether it shows nobody what a header says.
        calls: whether it really posts its handshakes; what they are answered decides then what a subscription becomes.
        more: of its CapabilityStatement.
    """

    site: FhirSite
    does: tuple[str, ...] = ALL
    backport: bool = False
    becomes: str = "active"
    counted: int | None = None
    hides: bool = False
    calls: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Answer for the site from now on."""
        site = self.site
        site.route("GET", "metadata", lambda _: Reply.of(self._statement()))
        site.route("POST", "Subscription", self._create)
        site.route("PUT", "Subscription/(?P<id>[^/]+)", self._update)
        site.route("DELETE", "Subscription/(?P<id>[^/]+)", self._delete)
        site.route("GET", r"Subscription/(?P<id>[^/]+)/\$status", self._status)

    def one(self, number: int = 1) -> dict[str, Any]:
        """A subscription as it is now."""
        kept = self.site.current("Subscription", f"subscription-{number}")
        assert kept is not None
        return kept

    @property
    def changes(self) -> list[str]:
        """The methods of all that was asked, but what was only looked at."""
        return [asked.method for asked in self.site.asked if asked.method != "GET"]

    def _statement(self) -> dict[str, Any]:
        of: dict[str, Any] = {"type": "Subscription", "interaction": [{"code": each} for each in self.does]}
        if self.backport:
            url = f"{BACKPORT}/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
            of["extension"] = [{"url": url, "valueCanonical": TOPIC}]
        kinds = [{"type": kind, "interaction": [{"code": "search-type"}]} for kind in ("Procedure", "Device")]
        return {
            "resourceType": "CapabilityStatement",
            "fhirVersion": self.site.version,
            "rest": [{"mode": "server", "resource": [*kinds, *([of] if self.does else [])]}],
            **self.more,
        }

    def _kept(self, resource: dict[str, Any]) -> Reply:
        if resource["status"] == "requested" and self.calls:
            reactor.callInThread(self._shake_hands, resource)
        elif resource["status"] == "requested":
            resource = {**resource, "status": self.becomes}
        if self.hides and "channel" in resource and "header" in resource["channel"]:
            resource["channel"]["header"] = ["Authorization: ***"]
        return Reply.of(self.site.put(resource), 200)

    def _shake_hands(self, resource: dict[str, Any]) -> None:
        """As R5 has it, with the header that the subscription says."""
        status = {
            "resourceType": "SubscriptionStatus",
            "status": "requested",
            "type": "handshake",
            "eventsSinceSubscriptionStart": "0",
            "subscription": {"reference": f"Subscription/{resource['id']}"},
        }
        bundle = {"resourceType": "Bundle", "type": "subscription-notification", "entry": [{"resource": status}]}
        shown = {each["name"]: each["value"] for each in resource.get("parameter", ())}
        to = urlsplit(resource["endpoint"])
        with closing(HTTPConnection(to.netloc, timeout=20)) as connection:
            connection.request("POST", to.path, json.dumps(bundle), {"Content-Type": "application/fhir+json", **shown})
            answered = connection.getresponse().status
        became = {**resource, "status": "active" if answered == 200 else "error"}
        reactor.callFromThread(self.site.put, became)

    def _create(self, asked: Asked) -> Reply:
        if "create" not in self.does:
            return Reply.outcome(405, "not-supported")
        number = 1 + sum(each.method == "POST" for each in self.site.asked[:-1])
        made = self._kept({**asked.resource, "id": f"subscription-{number}"})
        return Reply(201, made.body, made.headers)

    def _update(self, asked: Asked) -> Reply:
        now = self.site.current("Subscription", asked.groups["id"])
        if "update" not in self.does:
            return Reply.outcome(405, "not-supported")
        if now is None:
            return Reply.outcome(404, "not-found")
        if asked.headers.get("if-match", "") not in {"", f'W/"{now["meta"]["versionId"]}"'}:
            return Reply.outcome(412, "conflict")
        return self._kept(asked.resource)

    def _delete(self, asked: Asked) -> Reply:
        if "delete" not in self.does:
            return Reply.outcome(405, "not-supported")
        self.site.delete("Subscription", asked.groups["id"])
        return Reply(204, headers={})

    def _status(self, asked: Asked) -> Reply:
        now = self.site.current("Subscription", asked.groups["id"])
        if self.counted is None or now is None:
            return Reply.outcome(404, "not-found")
        status = {
            "resourceType": "SubscriptionStatus",
            "status": now["status"],
            "type": "query-status",
            "eventsSinceSubscriptionStart": str(self.counted),
            "subscription": {"reference": f"Subscription/{now['id']}"},
        }
        return Reply.of({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": status}]})
