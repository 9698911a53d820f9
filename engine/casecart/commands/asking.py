"""A destination that is asked what it has, by a person and without the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casecart.commands.configured import read_engine
from casecart.commands.refusal import Refusal
from casecart.runtime.destination import DestinationContext
from casecart.runtime.kinds import destination_specs
from casecart.workspace.findings import did_you_mean, listed

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
    engine = read_engine(root)
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
