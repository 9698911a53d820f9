"""The kinds of listeners and destinations that are installed, found by their entry points."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from casecart.workspace import Kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.runtime.destination import DestinationSpec
    from casecart.runtime.listener import ListenerSpec

__all__ = ["destination_specs", "installed_kinds", "listener_specs"]


@cache
def listener_specs() -> Mapping[str, ListenerSpec]:
    """Kind → spec, of the group ``casecart.listeners``; other people's packages may add theirs."""
    return MappingProxyType({point.name: point.load() for point in entry_points(group="casecart.listeners")})


@cache
def destination_specs() -> Mapping[str, DestinationSpec]:
    """Kind → spec, of the group ``casecart.destinations``."""
    return MappingProxyType({point.name: point.load() for point in entry_points(group="casecart.destinations")})


def installed_kinds() -> Kinds:
    """The settings that each kind takes, for the workspace's loader."""
    return Kinds(
        listeners={kind: spec.settings for kind, spec in listener_specs().items()},
        destinations={kind: spec.settings for kind, spec in destination_specs().items()},
    )
