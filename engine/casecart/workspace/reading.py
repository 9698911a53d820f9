"""One reading of workspace files: the kinds it knows, and what it finds besides instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from casecart.workspace.findings import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.workspace.declaration import Declared, Names
    from casecart.workspace.text import Text

__all__ = ["FAILED", "NO_KINDS", "Failed", "Kinds", "Reading"]


class Failed:
    """Stands for a value that could not be read, and whose finding is made."""


FAILED = Failed()


@dataclass(frozen=True, slots=True)
class Kinds:
    """The installed kinds of listeners and destinations, each with the declaration of its settings."""

    listeners: Mapping[str, type[Declared]]
    destinations: Mapping[str, type[Declared]]

    def of(self, sort: Names | None) -> Mapping[str, type[Declared]]:
        """The kinds of one sort: `listener` or `destination`."""
        return {"listener": self.listeners, "destination": self.destinations}.get(sort or "", {})


NO_KINDS = Kinds({}, {})


@dataclass(slots=True)
class Reading:
    """What comes out of reading besides instances: findings, names that are used, names that are defined."""

    kinds: Kinds = NO_KINDS
    findings: list[Finding] = field(default_factory=list)
    used: list[tuple[Names, Text]] = field(default_factory=list)
    defined: dict[Names, set[str]] = field(default_factory=dict)
    texts: list[tuple[str, Text]] = field(default_factory=list)
    """Paths and expressions, with the name of their type: what is around one may be wrong, and it itself as well."""

    def error(self, place: Place, code: str, message: str, suggestion: str | None = None) -> Failed:
        """Notes an error; the result says that there is no value."""
        self.findings.append(Finding(place, "error", code, message, suggestion))
        return FAILED
