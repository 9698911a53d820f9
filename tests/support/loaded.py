"""Workspaces as tests load them: one that says the same as an earlier one is not read again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from casecart.canonical import FIELDS
from casecart.runtime.kinds import installed_kinds
from casecart.workspace import load

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.workspace import Workspace

__all__ = ["loaded"]

_FOLDERS = ("config", "channels", "mappings", "hooks")
_MOST = 100

_read: dict[tuple[tuple[str, bytes], ...], Workspace] = {}


def loaded(root: Path) -> Workspace:
    """The workspace in a folder. Raises `WorkspaceError`."""
    files = sorted(path for folder in _FOLDERS for path in (root / folder).rglob("*") if path.is_file())
    said = tuple((str(path.relative_to(root)), path.read_bytes()) for path in files)
    if said not in _read:
        if len(_read) >= _MOST:
            _read.clear()
        _read[said] = load(root, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    return replace(_read[said], root=root)
