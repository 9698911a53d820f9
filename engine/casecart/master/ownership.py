"""Who may say what: a group of fields of the master data is its owners' to change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["WORKLIST", "OwnershipRule"]

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
