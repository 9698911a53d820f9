"""New files of a workspace, and changes that they need: all of it or nothing, and nothing that has errors."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from casecart.commands.refusal import Refusal
from casecart.commands.schema import FOLDER, modeline
from casecart.commands.workspace import check
from casecart.workspace import Finding, Place, WorkspaceError
from casecart.workspace.declaration import NAME
from casecart.workspace.findings import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from casecart.workspace import Workspace

__all__ = ["first_line", "good_name", "put", "sound"]


def good_name(name: str) -> str:
    """The name, if one may have it. Raises `Refusal`."""
    if re.fullmatch(NAME, name):
        return name
    words = "a name has letters, digits, '-', '_' and '.', 64 at most, and begins with a letter or digit"
    raise Refusal("bad-value", f"{shown(name)} can't be a name here: {words}")


def sound(root: Path) -> Workspace:
    """The workspace, without errors: what is added to it is told from what is there.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: it has errors.
    """
    found = check(root, tests=True)
    if found.workspace is None:
        raise WorkspaceError([each for each in found.findings if each.severity == "error"])
    return found.workspace


def first_line(root: Path, schema: str, file: str) -> str:
    """The line that names a file's schema, where the workspace has schemas; else nothing."""
    return modeline(schema, file) if (root / FOLDER).is_dir() else ""


def put(
    root: Path, new: Mapping[str, str], changed: Mapping[str, tuple[bytes, bytes]] | None = None
) -> tuple[Finding, ...]:
    """Writes new files and changes others; then all of it is checked, and undone if it is wrong.

    Args:
        root: of a workspace that has no errors.
        new: text by path below the root.
        changed: by path, what the file holds and what it shall hold.

    Returns:
        The warnings that there are now.

    Raises:
        Refusal: a file is there already, or was changed meanwhile; or `check` would have errors.
        WorkspaceError: `unwritable`.
    """
    for file in new:
        if os.path.lexists(root / file):
            raise Refusal("bad-value", f"{file} is there already; nothing is overwritten")
    made: list[Path] = []
    try:
        for file, text in new.items():
            _create(root, file, text.encode("utf-8", "surrogateescape"), made)
        for file, (before, after) in (changed or {}).items():
            _replace(root, file, before, after)
        found = check(root, tests=True)
    except BaseException:
        _undo(root, made, changed or {})
        raise
    if found.errors:
        _undo(root, made, changed or {})
        wrong = "; ".join(str(each) for each in found.findings if each.severity == "error")
        raise Refusal("bad-value", f"nothing was written, for then `casecart check` would find: {wrong}")
    return found.findings


def _create(root: Path, file: str, content: bytes, made: list[Path]) -> None:
    path = root / file
    try:
        for folder in reversed(path.parents):
            if not folder.exists():
                folder.mkdir()
                made.append(folder)
        with path.open("xb") as stream:
            made.append(path)
            stream.write(content)
    except FileExistsError:
        raise Refusal("bad-value", f"{file} is there already; nothing is overwritten") from None
    except OSError as error:
        _unwritable(file, error)


def _replace(root: Path, file: str, before: bytes, after: bytes) -> None:
    """Whole or not at all, through a file beside it; with its rights."""
    path = root / file
    target = path.resolve()  # through a link: what it leads to is changed
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if path.read_bytes() != before:
            raise Refusal("bad-value", f"{file} was changed meanwhile; nothing was written: try again")
        beside.write_bytes(after)
        beside.chmod(target.stat().st_mode & 0o7777)
        beside.replace(target)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        _unwritable(file, error)


def _undo(root: Path, made: list[Path], changed: Mapping[str, tuple[bytes, bytes]]) -> None:
    for file, (before, after) in changed.items():
        with suppress(OSError, Refusal, WorkspaceError):
            _replace(root, file, after, before)
    for path in reversed(made):
        with suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()


def _unwritable(file: str, error: OSError) -> NoReturn:
    reason = (error.strerror or "unknown reason").lower()
    words = f"it could not be written ({reason}); nothing is changed"
    raise WorkspaceError([Finding(Place(file), "error", "unwritable", words)]) from error
