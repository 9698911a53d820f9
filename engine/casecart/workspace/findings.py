"""What is wrong in a workspace, where, and what to do about it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "NOWHERE",
    "Finding",
    "Place",
    "Severity",
    "WorkspaceError",
    "did_you_mean",
    "listed",
    "shown",
]

Severity = Literal["error", "warning"]

_SHOWN = 40  # characters of an analyst's word that a finding repeats


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a file: the path as shown to a person, line and column counted from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Place("-", 1, 1)
"""The place of what was not read from a file: made in Python, or a default."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, how bad, a stable code, and words that say what to do.

    The message is a sentence or two without the final full stop. It never carries a secret.
    """

    place: Place
    severity: Severity
    code: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        tail = f". Did you mean '{self.suggestion}'?" if self.suggestion is not None else ""
        return f"{self.place} {self.severity} {self.code} {self.message}{tail}"


class WorkspaceError(Exception):
    """The workspace cannot be used as it is; `findings` says why, in the order of the files."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` was most likely meant to be, or None if none is near."""
    folded = {name.casefold(): name for name in sorted(known, reverse=True)}
    near = difflib.get_close_matches(word.casefold()[:100], list(folded), n=1, cutoff=0.6)
    return str(folded[near[0]]) if near else None


def listed(names: Sequence[str] | Iterable[str], *, most: int = 12) -> str:
    """Names as a person lists them: `a, b and c`; the rest is counted when there are very many."""
    known = list(names)
    if len(known) > most:
        return f"{', '.join(known[:most])} and {len(known) - most} more"
    return " and ".join(filter(None, [", ".join(known[:-1]), *known[-1:]]))


def shown(text: str) -> str:
    """An analyst's own word as a finding quotes it: in one line, in quotes, not too long."""
    line = " ".join(text.split())
    return f"'{line}'" if len(line) <= _SHOWN else f"'{line[:_SHOWN]}...'"
