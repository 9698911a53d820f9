"""Where the engine's metrics are served."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from casecart.workspace.declaration import Declared, declared, key
from casecart.workspace.findings import Finding
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Metrics"]


@declared(name="metrics", about="Where the engine's metrics are served.")
class Metrics(Declared):
    """Where the engine's metrics are served."""

    port: int = key(about="The port to listen on.", example=9464, default=9464, minimum=1, maximum=65535)
    interface: Text = key(
        about="The address to listen on. Whoever reaches it may read how many messages came and what waits.",
        example="127.0.0.1",
        default="127.0.0.1",
    )

    def check(self) -> Iterable[Finding]:
        """The interface is an address, and better one that only this machine reaches."""
        try:
            address = ip_address(self.interface)
        except ValueError:
            words = "'interface' is an IP address of this machine, such as 127.0.0.1 or ::1"
            yield Finding(self.at("interface"), "error", "bad-format", words)
            return
        if not address.is_loopback:
            words = (
                "other machines can read the metrics here, without a password: have Prometheus, or a proxy that asks "
                "for one, on this machine, or let a firewall say who may"
            )
            yield Finding(self.at("interface"), "warning", "open-to-others", words)
