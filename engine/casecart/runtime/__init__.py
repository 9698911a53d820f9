"""Channels, journal, backlog and dispatchers at work between listeners and destinations."""

from __future__ import annotations

from casecart.runtime.channel import Channel, compile_channels
from casecart.runtime.engine import Engine, wall_clock
from casecart.runtime.identifier import Identifiers, shown
from casecart.runtime.kinds import destination_specs, installed_kinds, listener_specs

__all__ = [
    "Channel",
    "Engine",
    "Identifiers",
    "compile_channels",
    "destination_specs",
    "installed_kinds",
    "listener_specs",
    "shown",
    "wall_clock",
]
