"""What is configured of an MLLP listener."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal

from casecart.listeners.accept import Accept
from casecart.listeners.acknowledge import Acknowledge
from casecart.listeners.networks import faults_in
from casecart.listeners.partition import partition_key
from casecart.listeners.peer import Peer, peers_key, unreachable
from casecart.runtime.tls import ServerTls
from casecart.workspace import Declared, Duration, Finding, Size, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MllpSettings"]


@declared(name="mllp listener", about="Takes HL7 v2 messages over MLLP.")
class MllpSettings(Declared):
    """What is written under `kind: mllp`."""

    port: int = key(about="The TCP port; HL7's own is 2575.", example=2575, minimum=0, maximum=65535)
    interface: Text = key(
        about=(
            "The address to listen on. Let other machines in (`0.0.0.0`, `::`) with `tls` or `networks`, which say "
            "whose connections are taken."
        ),
        example="0.0.0.0",  # noqa: S104 - only shown
        default="127.0.0.1",
    )
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
    tls: ServerTls | None = key(
        about="How connections are encrypted, and whose are taken; without it nothing is encrypted.",
        example=(
            "{certificate: config/tls/casecart.pem, key: {file: /etc/casecart/casecart.key}, "
            "authorities: config/tls/hospital-authority.pem}"
        ),
        default=None,
    )
    networks: tuple[Text, ...] = key(
        about="Where connections may come from; anywhere, if absent. Others are closed at once, and recorded.",
        example="[10.1.2.3, 10.2.0.0/16]",
        default="[]",
        scalar=True,
    )
    proxies: tuple[Text, ...] = key(
        about=(
            "The proxies in front of this port, which say whose connection they pass on by the PROXY protocol, version "
            "2. With it each connection must come from one of them and begin with its header."
        ),
        example="[10.1.0.10, 10.1.0.11]",
        default="[]",
        scalar=True,
    )
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
    connections: int = key(
        about="How many may be open at once; further ones are closed at once.",
        example=50,
        default=1000,
        minimum=1,
        maximum=50000,
    )
    connections_per_address: int | None = key(
        about="How many of them one address may have; as many as there are, if absent.",
        example=20,
        default=None,
        minimum=1,
        maximum=50000,
    )

    def check(self) -> Iterable[Finding]:
        """Addresses are some, every peer can come up, and nobody listens to everybody without knowing it."""
        yield from faults_in((*self.networks, *self.proxies))
        yield from unreachable(self.peers)
        for peer in self.peers.values():
            if peer.certificate is not None and (self.tls is None or self.tls.authorities is None):
                words = "senders show no certificate here: the listener needs 'tls' with 'authorities'"
                yield Finding(peer.at("certificate"), "error", "missing-key", words)
        try:
            warning = self.openness
        except ValueError:
            words = "'interface' is an IP address of this machine, such as 127.0.0.1, 0.0.0.0 or ::1"
            yield Finding(self.at("interface"), "error", "bad-format", words)
        else:
            if warning is not None:
                yield Finding(self.at("interface"), "warning", "open-to-others", warning)

    @property
    def openness(self) -> str | None:
        """Why it is dangerous to listen like this; None if it isn't."""
        if ip_address(self.interface).is_loopback or self.networks:
            return None
        if self.tls is None:
            return (
                f"this listens on {self.interface} without TLS and takes messages from every machine that reaches it: "
                "add 'tls', or say by 'networks' which"
            )
        if self.tls.authorities is None:
            return (
                f"this listens on {self.interface} and takes messages from every machine that reaches it: add "
                "'authorities' to 'tls', or say by 'networks' which"
            )
        return None
