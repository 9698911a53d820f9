"""What is configured of an MLLP listener."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from casecart.listeners.accept import Accept
from casecart.listeners.acknowledge import Acknowledge
from casecart.listeners.door_settings import DoorSettings, unshown
from casecart.listeners.partition import partition_key
from casecart.listeners.peer import Peer, peers_key, unreachable
from casecart.workspace import Duration, Size, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.workspace import Finding

__all__ = ["MllpSettings"]


@declared(name="mllp listener", about="Takes HL7 v2 messages over MLLP.")
class MllpSettings(DoorSettings):
    """What is written under `kind: mllp`."""

    port: int = key(about="The TCP port; HL7's own is 2575.", example=2575, minimum=0, maximum=65535)
    peers: Mapping[str, Peer] = peers_key()
    acknowledge: Acknowledge = key(
        about="How messages are answered, and when; `on_complete` alone stands for {when: on_complete}.",
        example="{mode: original}",
        default="{}",
    )
    accept: Accept = key(
        about="Which of the peers' messages are taken at all; any other is recorded and rejected (AR or CR).",
        example="{processing: [P]}",
        default="{}",
    )
    partition_by: tuple[Text, ...] = partition_key()
    maximum_frame: Size = key(
        about="The largest message. A larger one is recorded by its first bytes, and its connection closed.",
        example="50MB",
        default="10MB",
        minimum="1KB",
        maximum="1GB",
    )
    frame_timeout: Duration = key(
        about="How long the bytes of one message may take to come; also a TLS handshake, or the header of a proxy.",
        example="1m",
        default="30s",
        minimum="1s",
        maximum="1h",
    )
    idle_timeout: Duration = key(
        about="After this silence a connection is closed. Many senders keep one open all day.",
        example="12h",
        default="1h",
        minimum="10s",
        maximum="30d",
    )
    several_messages: Literal["refuse", "take"] = key(
        about=(
            "Several messages in one frame without a batch (BHS) around them: `refuse` takes nothing of it, since a "
            "lost frame end looks the same; `take` takes each, and answers each in a frame of its own."
        ),
        example="take",
        default="refuse",
    )
    continuation_timeout: Duration = key(
        about=(
            "How long a part of a message (DSC, MSH-14) waits for the others; then it is parked, and an exception "
            "tells of it. Nothing of a message is processed before all of it is there."
        ),
        example="4h",
        default="1h",
        minimum="10s",
        maximum="7d",
    )
    release: int = key(
        about=(
            "Of MLLP. In release 2 each frame is answered by the byte 0x06 in a frame when its content is stored, and "
            "by 0x15 when it can't be, before the acknowledgement."
        ),
        example=2,
        default=1,
        minimum=1,
        maximum=2,
    )

    def check(self) -> Iterable[Finding]:
        """What all listeners on a port look after, and that every peer can come up."""
        yield from DoorSettings.check(self)  # a dataclass with slots has no `super()`
        yield from unreachable(self.peers)
        yield from unshown(self.tls, self.peers.values())
