"""The block `retain` of config/engine.yaml: how long what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.workspace.declaration import Declared, declared, key
from casecart.workspace.findings import Finding
from casecart.workspace.scalar import Duration

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BodyRetention", "Retention"]


@declared(name="bodies", about="How long the bytes of messages are kept, by what became of the message.")
class BodyRetention(Declared):
    """How long the bytes of messages are kept."""

    processed: Duration = key(
        about="Of messages that a channel took. A channel may say otherwise for its own, under `retain`.",
        example="90d",
        default="30d",
        minimum="1d",
    )
    unrouted: Duration = key(
        about="Of messages that no channel wanted: how long one may still be made that does.",
        example="30d",
        default="90d",
        minimum="1d",
    )
    refused: Duration = key(about="Of what could not be read as a message.", example="30d", default="90d", minimum="1d")
    quarantined: Duration = key(
        about="Of messages that the engine failed on. As long as their exception is open they stay anyway.",
        example="90d",
        default="400d",
        minimum="1d",
    )


@declared(name="retention", about="How long what is kept. What is still needed stays longer.")
class Retention(Declared):
    """How long what is kept; a message's identity, its digest and the ledger outlive all of it."""

    bodies: BodyRetention = key(
        about="The bytes of messages, by what became of them.", example="{processed: 30d, unrouted: 90d}", default="{}"
    )
    documents: Duration = key(
        about=(
            "What channels made of a message, with what its tokens stand for. Not shorter than any body: a message "
            "without them can't be replayed."
        ),
        example="400d",
        default="400d",
        minimum="1d",
    )
    events: Duration = key(about="The stream of events.", example="30d", default="90d", minimum="1d")
    exceptions: Duration = key(
        about="Exceptions that are fixed or rejected, from the last change on.",
        example="400d",
        default="400d",
        minimum="1d",
    )

    def check(self) -> Iterable[Finding]:
        """Documents stay as long as the bodies that could be replayed."""
        bodies = self.bodies
        if self.documents < max(bodies.processed, bodies.unrouted, bodies.refused, bodies.quarantined):
            message = (
                "documents go before bodies do: a message is replayed by comparing it with what was made of it, "
                "so keep documents at least as long as the longest of bodies"
            )
            yield Finding(self.at("documents"), "error", "out-of-range", message)
