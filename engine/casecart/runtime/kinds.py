"""The kinds of listeners and destinations that are installed, found by their entry points."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, TypeVar

from casecart.workspace import Kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from casecart.runtime.destination import DestinationSpec
    from casecart.runtime.listener import ListenerSpec

__all__ = ["destination_specs", "installed_kinds", "listener_specs"]

_T = TypeVar("_T")


class _Each(Mapping[str, _T]):
    """Something of each kind, made when it is asked for: a workspace uses few, and some bring a whole web client."""

    def __init__(self, kinds: Collection[str], make: Callable[[str], _T]) -> None:
        self._kinds, self._make = kinds, make

    def __getitem__(self, kind: str) -> _T:
        if kind not in self._kinds:
            raise KeyError(kind)
        return self._make(kind)

    def __contains__(self, kind: object) -> bool:
        return kind in self._kinds

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)


@cache
def listener_specs() -> Mapping[str, ListenerSpec]:
    """Kind → spec, of the group ``casecart.listeners``; other people's packages may add theirs."""
    points = entry_points(group="casecart.listeners")
    return _Each(points.names, lambda kind: points[kind].load())


@cache
def destination_specs() -> Mapping[str, DestinationSpec]:
    """Kind → spec, of the group ``casecart.destinations``."""
    points = entry_points(group="casecart.destinations")
    return _Each(points.names, lambda kind: points[kind].load())


def installed_kinds() -> Kinds:
    """The settings that each kind takes, for the workspace's loader."""
    listeners, destinations = listener_specs(), destination_specs()
    return Kinds(
        listeners=_Each(listeners, lambda kind: listeners[kind].settings),
        destinations=_Each(destinations, lambda kind: destinations[kind].settings),
    )
