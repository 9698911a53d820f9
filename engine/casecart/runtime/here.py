"""Whether a host is this very machine: what is said to it goes over no network."""

from __future__ import annotations

from ipaddress import ip_address

__all__ = ["is_here"]


def is_here(host: str) -> bool:
    """Whether it is this very machine, by a plain address or as `localhost`; no name is looked up."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
