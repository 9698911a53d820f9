"""The desk of whoever types: opened for one command, with mistakes in files named as seen from the current folder."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from casecart.commands.actor import local_actor
from casecart.commands.desk import open_desk
from casecart.workspace import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from casecart.commands.desk import Desk
    from casecart.workspace import Finding

__all__ = ["at_desk", "from_here", "named_from_here"]


@contextmanager
def at_desk(root: Path, *, writing: bool = False) -> Iterator[Desk]:
    """A desk at a workspace; `writing` where something is changed or must be audited."""
    with named_from_here(root), open_desk(root, local_actor(), writing=writing) as desk:
        yield desk


@contextmanager
def named_from_here(root: Path) -> Iterator[None]:
    """Findings that are raised within name their files as an editor, or a click, opens them from here."""
    try:
        yield
    except WorkspaceError as error:
        raise WorkspaceError(from_here(error.findings, root)) from error


def from_here(findings: Iterable[Finding], root: Path) -> tuple[Finding, ...]:
    """Findings of the workspace at `root`, their files named as seen from the current folder."""
    if root == Path():
        return tuple(findings)
    return tuple(
        replace(finding, place=replace(finding.place, file=str(root / finding.place.file))) for finding in findings
    )
