"""What an engine does of all that engines do, and what of a workspace is its own by that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from casecart.runtime.kinds import listener_specs
from casecart.runtime.marks import DISPATCH, FOLLOW, LISTENER, REPLAY, RETAIN, WORK

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from casecart.workspace import Workspace

__all__ = ["ROLES", "Role", "Roles"]

Role = Literal["listener", "worker", "dispatcher"]
ROLES: Final[tuple[Role, ...]] = ("listener", "worker", "dispatcher")


class Roles(NamedTuple):
    """Of one engine."""

    listens: bool
    works: bool
    sends: bool

    @classmethod
    def of(cls, roles: Collection[Role]) -> Roles:
        """Those with these names."""
        return cls("listener" in roles, "worker" in roles, "dispatcher" in roles)

    def listeners(self, workspace: Workspace) -> Sequence[str]:
        """Those that it opens."""
        return [str(name) for name in workspace.engine.listeners] if self.listens else []

    def destinations(self, workspace: Workspace) -> Sequence[str]:
        """Those that it sends to."""
        return [str(name) for name in workspace.engine.destinations] if self.sends else []

    def leases(self, workspace: Workspace) -> str:
        """The names of those that it can hold, where engines share the store."""
        specs, doors = listener_specs(), workspace.engine.listeners
        leases = [
            *((LISTENER,) if self.listens else ()),
            *(f"{FOLLOW}{name}" for name in self.listeners(workspace) if specs[doors[name].kind].one_at_a_time),
            *((WORK, REPLAY, RETAIN) if self.works else ()),
            *(f"{DISPATCH}{name}" for name in self.destinations(workspace)),
        ]
        return " ".join(leases)
