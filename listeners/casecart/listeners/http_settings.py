"""What is configured of an HTTP listener."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING

from casecart.listeners.door_settings import DoorSettings, unshown
from casecart.listeners.http_peer import HttpPeer
from casecart.workspace import Duration, Finding, Size, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["HttpSettings"]


@declared(name="http listener", about="Takes FHIR notifications and resources, JSON and XML over HTTP.")
class HttpSettings(DoorSettings):
    """What is written under `kind: http`."""

    port: int = key(about="The TCP port.", example=8443, minimum=0, maximum=65535)
    peers: Mapping[str, HttpPeer] = key(
        about="The senders that are known, by a name for each; what comes to no sender's address is not found.",
        example="{ehr: {facility: NORTH, token: {env: EHR_TOKEN}}}",
        defines="peer",
        at_least=1,
    )
    partition_by: tuple[Text, ...] = key(
        about=(
            "What keeps messages in order: those with the same value come one after the other. Elements of a resource "
            "(of JSON: from its root); the first with a value decides, in a bundle that of its first resource that has "
            "one, else what the notification is about, else the peer."
        ),
        example="[subject.reference]",
        default="[subject.reference, patient.reference]",
        scalar=True,
        pattern=r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*",
        form="names of elements with dots between them, such as subject.reference",
    )
    maximum_body: Size = key(
        about="The largest body, also when it is unpacked. A larger one is answered with 413.",
        example="50MB",
        default="10MB",
        minimum="1KB",
        maximum="1GB",
    )
    request_timeout: Duration = key(
        about="How long the bytes of one request may take to come; also a TLS handshake, or the header of a proxy.",
        example="1m",
        default="30s",
        minimum="1s",
        maximum="1h",
    )
    idle_timeout: Duration = key(
        about="After this silence between two requests a connection is closed.",
        example="1m",
        default="5m",
        minimum="1s",
        maximum="1d",
    )

    def check(self) -> Iterable[Finding]:
        """What all listeners on a port look after, and that every peer has an address of its own."""
        yield from DoorSettings.check(self)  # a dataclass with slots has no `super()`
        yield from unshown(self.tls, self.peers.values())
        paths: dict[str, str] = {}
        for name, peer in self.peers.items():
            other = paths.setdefault(str(peer.path or f"/{name}"), str(name))
            if other != name:
                words = f"the peers '{other}' and '{name}' have the same address: a peer is told by it"
                yield Finding(peer.at("path"), "error", "bad-value", words)

    @property
    def openness(self) -> str | None:
        """Why it is dangerous to listen like this; None if it isn't. `ValueError`: the interface is no address."""
        if ip_address(self.interface).is_loopback:
            return None
        strangers = [str(name) for name, peer in self.peers.items() if not peer.shows_itself]
        known_by_tls = self.tls is not None and self.tls.authorities is not None
        if strangers and not self.networks and not known_by_tls:
            return (
                f"this listens on {self.interface}, and takes from every machine that reaches it what it posts as "
                f"{' or '.join(strangers)}: give them a 'token', or say by 'networks' which"
            )
        if self.tls is None:
            return (
                f"this listens on {self.interface} without TLS: what comes, and the secrets of its senders, can be "
                "read on the way: add 'tls'"
            )
        return None
