"""A line on which a listener hears who notifies: a kind of listener of its own, and what the engine gives it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed

from casecart.runtime.listener import Arrival, Listener, ListenerContext, ListenerSpec
from casecart.runtime.notices import LeftNotices
from casecart.store import open_store
from casecart.workspace import Declared, Text, declared, key
from support.http_door import notification
from support.line import CHANNEL, ENGINE, Line, write_workspace
from support.store import new_store

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.runtime.notices import Notices
    from casecart.store import Change

__all__ = ["SPEC", "Hearing", "HearingLine", "hearing_line", "hearing_workspace", "restarted"]

HEARS: Final = "or-mllp/orsys"


@declared(name="hearing listener", about="Follows up what another listener is notified of.")
class HearingSettings(Declared):
    """Whom it hears."""

    hears: Text | None = key(about="Listener and peer.", example=HEARS, default=None)


class Hearing:
    """Keeps what the engine gave it, for the test."""

    port = 0
    where = "(hearing)"

    def __init__(self, context: ListenerContext) -> None:
        assert context.notices is not None
        self.notices: Notices = context.notices

    def start(self) -> Deferred[None]:
        """It does nothing by itself."""
        return succeed(None)

    def stop(self) -> Deferred[None]:
        """Likewise."""
        return succeed(None)


def _heard(settings: HearingSettings) -> tuple[str, str] | None:
    if settings.hears is None:
        return None
    listener, _, peer = str(settings.hears).partition("/")
    return listener, peer


def _make(context: ListenerContext) -> Listener:
    return Hearing(context)


SPEC: Final = ListenerSpec(
    kind="hearing", about="Follows notifications up.", settings=HearingSettings, make=_make, hears=_heard
)


@dataclass
class HearingLine(Line):
    """A line with a listener `ehr` that hears `or-mllp/orsys`."""

    follows: str = "ehr"

    def __post_init__(self) -> None:
        super().__post_init__()
        sharing = self.sharing
        self.notices = LeftNotices(
            "ehr",
            ("or-mllp", "orsys"),
            store=self.store,
            journal=self.journal,
            identifier=self.identifiers.mint,
            now=self.now,
            mine=lambda: sharing is None or "ehr" in sharing.follows,
            fence=lambda: None if sharing is None else sharing.follows.get("ehr"),
        )

    def notify(self, *numbers: int, peer: str = "orsys") -> None:
        """Notifications arrive together, and all that comes of them in the engine happens."""
        for number in numbers:
            self.give(notification(number), f"Subscription/s1#{number}", peer=peer)
        self.settle()

    def give(self, body: bytes, control_id: str, *, peer: str = "orsys", schema: str = "fhir/5.0.0") -> None:
        """Something arrives."""
        kind = str(json.loads(body)["resourceType"]) if schema.startswith("fhir/") else ""
        self.journal.take(
            Arrival(
                listener="or-mllp", facility="NORTH", organisation="MERCY", peer=peer, schema=schema,
                message_type=kind, sender="fhir", control_id=control_id, occurred_at=None, partition=0,
                notes=None, source="127.0.0.1:1", charset=None, body=body, reply=lambda _: None,
            )
        )  # fmt: skip

    def waiting(self, limit: int = 1_000) -> list[int]:
        """Positions of what waits to be followed up."""
        return [message.position for message in self.notices.waiting(limit)]

    def done(self, *positions: int) -> None:
        """They are followed up."""
        for message in self.notices.waiting(10_000):
            if message.position in positions:
                self.notices.done(message)
        self.settle()

    def person(self, change: Change) -> None:
        """Writes what a person's command would."""
        with closing(open_store(self.url, role="person")) as person:
            person.write(change)


def hearing_workspace(root: Path, url: str, *, hears: str = HEARS, channel: str = CHANNEL) -> None:
    """Its files."""
    write_workspace(root, channel=channel)
    listener = f"  ehr: {{kind: hearing, hears: {hears}}}\n"
    engine = ENGINE.replace("destinations:\n", f"{listener}destinations:\n")
    (root / "config/engine.yaml").write_text(f"{engine}store: {url}\n", "utf-8")


def hearing_line(root: Path, url: str, *, channel: str = CHANNEL) -> HearingLine:
    """A line on an empty store."""
    hearing_workspace(root, url, channel=channel)
    new_store(url)
    return restarted(root, url)


def restarted(root: Path, url: str) -> HearingLine:
    """A line on what is there."""
    line = HearingLine(root, url)
    line.start()
    return line
