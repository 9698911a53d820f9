"""A destination that is asked what it has, by a person and without the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casecart.commands.refusal import Refusal
from casecart.commands.site import CONFIGURATION, require_workspace
from casecart.runtime.destination import DestinationContext
from casecart.runtime.kinds import destination_specs, installed_kinds
from casecart.workspace import Engine, Finding, WorkspaceError
from casecart.workspace.files import contents
from casecart.workspace.findings import did_you_mean, listed
from casecart.workspace.reader import read
from casecart.workspace.reading import Reading
from casecart.workspace.yaml import LARGEST, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from casecart.commands.actor import Actor
    from casecart.runtime.destination import Readable

__all__ = ["AskedDestination", "destination_to_ask"]


@dataclass(frozen=True, slots=True)
class AskedDestination:
    """A destination of the configuration that can be asked.

    Attributes:
        name: as the configuration has it.
        settings: of its kind.
        root: the workspace.
        make: makes what asks it.
    """

    name: str
    settings: Any
    root: Path
    make: Callable[[DestinationContext], Readable]

    def reader(self, reactor: Any) -> Readable:  # noqa: ANN401 - zope interfaces say nothing to mypy
        """What asks it. Raises `WorkspaceError` where a secret is missing."""
        return self.make(DestinationContext(name=self.name, settings=self.settings, reactor=reactor, root=self.root))


def destination_to_ask(root: Path, name: str, actor: Actor) -> AskedDestination:
    """Finds a destination, however the rest of the workspace stands.

    Args:
        root: the workspace.
        name: of the destination.
        actor: who asks.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: its configuration has errors.
        Refusal: there is no such destination, or it is not one that can be asked; or the actor may not.
    """
    if "see" not in actor.permissions:
        raise Refusal("not-permitted", f"{actor.name} may not do this: it needs the right to see")
    require_workspace(root)
    findings: list[Finding] = []
    data = contents(root, CONFIGURATION, LARGEST, findings)
    node, mistakes = (None, []) if data is None else parse(data, CONFIGURATION)
    reading = Reading(installed_kinds(), [*findings, *mistakes])
    engine = None if node is None else read(Engine, node, reading)
    if engine is None or any(finding.severity == "error" for finding in reading.findings):
        raise WorkspaceError(reading.findings)
    there = {str(each): component for each, component in engine.destinations.items()}
    if name not in there:
        words = f"no destination is called '{name}'; the workspace has {listed(sorted(there)) or 'none'}"
        raise Refusal("not-found", words, did_you_mean(name, there))
    component = there[name]
    specs = destination_specs()
    make = specs[component.kind].read
    if make is None:
        kinds = listed(sorted(kind for kind, spec in specs.items() if spec.read is not None))
        words = (
            f"'{name}' can't be asked what it has: it is of kind {component.kind}, and those that can be are of {kinds}"
        )
        raise Refusal("bad-value", words)
    return AskedDestination(name=name, settings=component.settings, root=root, make=make)
