"""An engine in this process that reads at a FHIR server: notified over HTTP, or searching, on a store of its own."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from casecart.listeners import fhir
from casecart.store import MessageFilter
from support.answered import Answered
from support.http_door import TOKEN, connected, post, received
from support.line import SECRET, write_workspace
from support.reactor import in_reactor
from support.store import new_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from casecart.listeners.http import HttpListener
    from casecart.store import Message, Store
    from support.fhir_site import FhirSite

__all__ = ["HEARS", "HTTP", "POLLS", "Reading", "begun", "device", "procedure", "reading", "told", "until", "workspace"]

HTTP = "ehr-http: {kind: http, port: 0, peers: {ehr: {facility: NORTH, token: {file: ehr.token}}}}"
HEARS = "hears: ehr-http/ehr, grace: 100ms, searches: [Procedure]"
LOOK = 0.1  # seconds
POLLS = "searches: [Procedure], every: 1s"
CHANNEL = """\
channel: procedures
about: What procedures implanted becomes postings.
from: [ehr]
accept: [Procedure]
steps:
  - map: procedures
  - route:
      - post: {to: erp, as: consumption}
"""
MAPPING = """\
mapping: procedures
reads: {format: fhir, version: R4}
makes: Usage
says: state
each: Procedure.focalDevice
bind: {device: manipulated.resolve()}
fields:
  case: {path: "%resource.subject.reference", required: true, token: case}
  line: {join: ["%resource.id", manipulated.reference], required: true}
  action: {path: "%resource.status", table: event-status, required: true}
  quantity: {value: "1", type: decimal}
  item: {path: "%device.modelNumber", required: true}
"""


def procedure(identifier: str, *devices: str, **more: object) -> dict[str, Any]:
    """A made-up procedure in which these devices were implanted."""
    focal = [{"manipulated": {"reference": f"Device/{each}"}} for each in devices]
    return {
        "resourceType": "Procedure",
        "id": identifier,
        "status": "completed",
        "subject": {"reference": f"Patient/of-{identifier}"},
        "focalDevice": focal,
        **more,
    }


def device(identifier: str) -> dict[str, Any]:
    """A made-up device."""
    return {"resourceType": "Device", "id": identifier, "modelNumber": f"M-{identifier}"}


def told(
    *numbers: int,
    kind: str = "event-notification",
    focus: Callable[[int], str] | None = lambda number: f"Procedure/p{number}",
    counted: int | None = None,
    resources: tuple[dict[str, Any], ...] = (),
    subscription: str = "Subscription/s1",
) -> dict[str, Any]:
    """A notification of the Backport to R4B, by default id-only; event n is about Procedure/pn."""
    events = [
        {"eventNumber": str(number)} | ({} if focus is None else {"focus": {"reference": focus(number)}})
        for number in numbers
    ]
    status = {
        "resourceType": "SubscriptionStatus",
        "status": "active",
        "type": kind,
        "subscription": {"reference": subscription},
        "eventsSinceSubscriptionStart": str(max(numbers, default=0) if counted is None else counted),
        **({"notificationEvent": events} if events else {}),
    }
    entries = [{"resource": status}, *({"resource": each} for each in resources)]
    return {"resourceType": "Bundle", "type": "history", "entry": entries}


class Reading:
    """The engine, and what is seen of it."""

    def __init__(self, made: Answered) -> None:
        self.made = made

    @property
    def store(self) -> Store:
        """The engine's."""
        return self.made.store

    def tell(self, *notifications: dict[str, Any] | None) -> None:
        """The server calls; None: with an empty body."""
        listener = cast("HttpListener", self.made.engine.listeners["ehr-http"])
        bodies = [b"" if each is None else json.dumps(each).encode() for each in notifications]
        with connected(listener) as sender:
            sender.sendall(b"".join(map(post, bodies)))
            assert [answer.status for answer in received(sender, len(bodies))] == [200] * len(bodies)

    def messages(self) -> list[Message]:
        """Those that the listener handed in, oldest first."""
        rows = in_reactor(lambda: self.store.messages(MessageFilter(listener="ehr"), None, 1000))
        positions = sorted(row.position for row in rows)
        return [in_reactor(self.store.message, position) for position in positions]

    @property
    def control_ids(self) -> list[str]:
        """Of these."""
        return [row.control_id for row in self.messages()]

    def received(self) -> int:
        """So many were handed in, those included that were known already."""
        return sum(
            count.amount
            for count in in_reactor(self.store.counts)
            if (count.scope, count.name) == ("messages:ehr", "received")
        )

    def mark(self, name: str) -> tuple[int, int] | None:
        """Position and epoch of a note of the listener."""
        marks = [each for each in in_reactor(self.store.cursors) if each.name == f"fhir:ehr:{name}"]
        return (marks[0].position, marks[0].epoch) if marks else None

    def left(self) -> int:
        """Notifications that are not followed up yet."""
        return len(in_reactor(lambda: self.store.left("ehr", 1000)))

    def held(self) -> list[str]:
        """Codes of what waits for a person."""
        return [hold.code for hold in in_reactor(lambda: self.store.holds(states=("new",)))]

    def posted(self) -> int:
        """Lines that became a posting."""
        counts = in_reactor(self.store.counts)
        return sum(count.amount for count in counts if (count.scope, count.name) == ("lines:procedures", "produced"))


def workspace(root: Path, url: str, site: FhirSite, settings: str, *, http: str = HTTP) -> None:
    """The workspace of an engine that reads at a server."""
    write_workspace(root)
    file = root / "config" / "engine.yaml"
    reads = f"ehr: {{kind: fhir, facility: NORTH, server: {{url: '{site.base}'}}, {settings}}}"
    text = file.read_text("utf-8").replace("listeners:\n", f"listeners:\n  {http}\n  {reads}\n")
    file.write_text(f"{text}store: {url}\n", "utf-8")
    (root / "channels/procedures.yaml").write_text(CHANNEL, "utf-8")
    (root / "mappings/procedures.yaml").write_text(MAPPING, "utf-8")
    table = "code,value\ncompleted,use\nentered-in-error,reverse\n"
    (root / "mappings/tables/event-status.csv").write_text(table, "utf-8")
    (root / "ehr.token").write_text(TOKEN, "utf-8")
    for name in ("keys", "tokens"):
        (root / name).write_text(SECRET, "utf-8")


@contextmanager
def begun(root: Path, url: str) -> Iterator[Reading]:
    """An engine on the workspace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fhir, "_EVERY", LOOK)  # a test waits for several looks, one after the other
        made = in_reactor(Answered, root, url)
        in_reactor(made.start)
        try:
            yield Reading(made)
        finally:
            in_reactor(made.stop)
    assert made.failed == []


@contextmanager
def reading(root: Path, url: str, site: FhirSite, settings: str = HEARS) -> Iterator[Reading]:
    """An engine on a new store."""
    workspace(root, url, site, settings)
    new_store(url)
    with begun(root, url) as made:
        yield made


def until(what: Callable[[], bool], limit: float = 60.0) -> None:
    """Waits for what comes about by itself."""
    give_up = time.monotonic() + limit
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.02)
