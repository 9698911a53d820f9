"""Who may say what: a group of fields of the master data is its owners' to change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casecart.workspace import Ownership

__all__ = ["WORKLIST", "OwnershipRule", "rule_of"]

WORKLIST = "worklist"
"""The system as which people fix exceptions; it may always add a number by which an item is known."""


@dataclass(frozen=True, slots=True)
class OwnershipRule:
    """The owners of each group.

    Attributes:
        owners: kind → group → systems. A group that is not in it is everybody's.
        facilities: the same for single facilities, whose owners take the place of the others.
    """

    owners: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    facilities: Mapping[str, Mapping[str, Mapping[str, frozenset[str]]]] = field(default_factory=dict)

    def of(self, kind: str, group: str, facility: str) -> frozenset[str] | None:
        """The systems that own a group; None: everybody."""
        local = self.facilities.get(facility, {}).get(kind, {}).get(group)
        return local if local is not None else self.owners.get(kind, {}).get(group)

    def everybodys(self, kind: str, group: str) -> bool:
        """Whether it has no owner at any facility."""
        local = any(group in kinds.get(kind, {}) for kinds in self.facilities.values())
        return group not in self.owners.get(kind, {}) and not local

    def may(self, source: str, kind: str, group: str, facility: str) -> bool:
        """Whether a system may say it."""
        owners = self.of(kind, group, facility)
        return owners is None or source in owners or (source == WORKLIST and group == "identifiers")


def rule_of(declared: Ownership | None) -> OwnershipRule:
    """Who may say what. Without a declaration everybody may say everything."""
    if declared is None:
        return OwnershipRule()

    def owners(
        of: Mapping[str, Mapping[str, Sequence[str]]],
    ) -> dict[str, dict[str, frozenset[str]]]:
        return {
            str(kind): {str(group): frozenset(map(str, systems)) for group, systems in groups.items()}
            for kind, groups in of.items()
        }

    local = {str(facility): owners(block.owners) for facility, block in declared.facilities.items()}
    return OwnershipRule(owners(declared.owners), local)
