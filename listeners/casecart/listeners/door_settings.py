"""What is configured of every listener that opens a port."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol

from casecart.listeners.networks import faults_in
from casecart.runtime.tls import ServerTls
from casecart.workspace import Declared, Finding, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.runtime.certificate import Identity
    from casecart.workspace import Place

__all__ = ["DoorSettings", "unshown"]


@declared(name="open port", about="What every listener that opens a port takes.")
class DoorSettings(Declared):
    """What every listener that opens a port takes; each kind has `port` and times of its own."""

    interface: Text = key(
        about=(
            "The address to listen on. Let other machines in (`0.0.0.0`, `::`) with `tls` or `networks`, which say "
            "whose connections are taken."
        ),
        example="0.0.0.0",  # noqa: S104 - only shown
        default="127.0.0.1",
    )
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
        """Addresses are some, and nobody listens to everybody without knowing it."""
        yield from faults_in((*self.networks, *self.proxies))
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
        """Why it is dangerous to listen like this; None if it isn't. `ValueError`: the interface is no address."""
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


class _Shown(Protocol):
    """A peer that may be told by its certificate."""

    @property
    def certificate(self) -> Identity | None:
        """Its own."""

    def at(self, key: str) -> Place:
        """Where a key of it stands."""


def unshown(tls: ServerTls | None, peers: Iterable[_Shown]) -> Iterable[Finding]:
    """Peers that are to be told by a certificate where none is asked for."""
    for peer in peers:
        if peer.certificate is not None and (tls is None or tls.authorities is None):
            words = "senders show no certificate here: the listener needs 'tls' with 'authorities'"
            yield Finding(peer.at("certificate"), "error", "missing-key", words)
