"""What is different between two workspaces, as far as an engine must do something about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from casecart.workspace import Declared, keys_of
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from casecart.workspace import Component, Workspace

__all__ = ["AT_START", "NEEDS_RESTART", "Difference", "Names", "difference", "needs_restart"]

AT_START: Final = ("organisation", "store", "secrets", "metrics")
"""Blocks of config/engine.yaml that an engine reads once, when it starts."""


NEEDS_RESTART: Final = "needs-restart"
"""The code of what is wrong with a change of one of them; it stands in the reason for which a revision is refused."""


class Names(NamedTuple):
    """Things of one sort, by their names."""

    added: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()

    @property
    def begin(self) -> frozenset[str]:
        """What must be made."""
        return self.added | self.changed

    @property
    def end(self) -> frozenset[str]:
        """What must be ended."""
        return self.changed | self.removed


@dataclass(frozen=True, slots=True)
class Difference:
    """From one workspace to another."""

    listeners: Names
    destinations: Names
    channels: Names
    """By the files that they are made from: their own, their mappings and tables, their hook."""
    others: tuple[str, ...]
    """Other files that are different, by their paths; `config/engine.yaml` where no more than the names above say."""

    @property
    def words(self) -> str:
        """For a person, such as `listener lab added; channel or-usage changed`; empty: nothing is different."""
        said = [
            f"{sort}{'s' if len(names) > 1 else ''} {listed(sorted(names))} {what}"
            for sort, each in (
                ("listener", self.listeners),
                ("destination", self.destinations),
                ("channel", self.channels),
            )
            for what, names in each._asdict().items()
            if names
        ]
        return "; ".join([*said, *(f"{file} changed" for file in self.others)])


def needs_restart(old: Workspace, new: Workspace) -> tuple[str, ...]:
    """The blocks of config/engine.yaml that are different and that a running engine can't take; empty: none."""
    return tuple(name for name in AT_START if getattr(old.engine, name) != getattr(new.engine, name))


def difference(old: Workspace, new: Workspace) -> Difference:
    """What an engine that runs on the old one must do to run on the new one."""
    listeners = _names(_components(old, old.engine.listeners), _components(new, new.engine.listeners))
    kept = old.engine.facilities.keys() & new.engine.facilities.keys()
    if any(old.engine.facilities[name] != new.engine.facilities[name] for name in kept):
        # Each of them reads the times of its senders by these zones.
        both = old.engine.listeners.keys() & new.engine.listeners.keys()
        listeners = listeners._replace(changed=frozenset(map(str, both)))
    destinations = _names(_components(old, old.engine.destinations), _components(new, new.engine.destinations))
    channels = _names(_revisions(old), _revisions(new))
    files = old.digests.keys() | new.digests.keys()
    different = {file for file in files if old.digests.get(file) != new.digests.get(file)}
    written = {f"mappings/{name}.yaml" for name in old.outgoing.keys() | new.outgoing.keys()}
    told = {file for file in different if file.startswith("channels/")}
    if any(channels):
        told |= {file for file in different - written if file.startswith(("mappings/", "hooks/"))}
    if any(listeners) or any(destinations):
        told |= {"config/engine.yaml", *old.texts, *new.texts}
    return Difference(listeners, destinations, channels, tuple(sorted(different - told)))


def _names(old: Mapping[str, object], new: Mapping[str, object]) -> Names:
    return Names(
        frozenset(new.keys() - old.keys()),
        frozenset(name for name in new.keys() & old.keys() if old[name] != new[name]),
        frozenset(old.keys() - new.keys()),
    )


def _components(workspace: Workspace, components: Mapping[str, Component]) -> Mapping[str, object]:
    """What is said of each, wherever that stands: its kind, its settings, and the files that these name."""
    return {
        str(name): (each.kind, each.settings, [workspace.texts.get(file) for file in _files(each.settings)])
        for name, each in components.items()
    }


def _files(settings: Declared) -> Iterator[str]:
    for key in keys_of(type(settings)):
        value = getattr(settings, key.attribute)
        if key.names == "file" and value is not None:
            yield str(value)
        elif isinstance(value, Declared):
            yield from _files(value)


def _revisions(workspace: Workspace) -> Mapping[str, object]:
    return {str(name): workspace.revision(name) for name in workspace.channels}
