"""Networks: from which addresses connections are taken."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from casecart.workspace import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.workspace import Text

__all__ = ["Networks", "faults_in"]


class Networks:
    """Some networks.

    Args:
        written: as in the configuration, without faults; a single address is a network of its own.
    """

    def __init__(self, written: Iterable[Text]) -> None:
        self._networks = [ip_network(str(each)) for each in written]

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, host: object) -> bool:
        """Whether an address is in one of them, by its text."""
        try:
            address = ip_address(str(host))
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # who listens on :: sees IPv4's addresses like this
        return any(address in network for network in self._networks)


def faults_in(written: Iterable[Text]) -> Iterable[Finding]:
    """What is no network."""
    for each in written:
        try:
            ip_network(str(each))
        except ValueError as error:
            words = "a network is an address such as 10.1.2.3, or one such as 10.1.0.0/16 or 2001:db8::/32"
            if "host bits" in str(error):
                words += f"; the network that this address is in is written {ip_network(str(each), strict=False)}"
            yield Finding(each.place, "error", "bad-format", words)
