"""The files of a workspace: which there are, and their bytes, read once and never more than allowed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from casecart.workspace.declaration import NAME
from casecart.workspace.findings import Finding, Place

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["contents", "listing"]


def listing(root: Path, folder: str, suffix: str, findings: list[Finding]) -> list[tuple[str, str]]:
    """The name and the path below the root of every file with this suffix in a folder, by name.

    Tests (`NAME.test.yaml`) are left out. A file that looks meant, and would be overlooked, is a finding.
    """
    found: list[tuple[str, str]] = []
    try:
        names = sorted(path.name for path in (root / folder).iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        findings.append(_unreadable(folder, error))
        return []
    for name in names:
        stem, dot, ending = name.rpartition(".")
        file = f"{folder}/{name}"
        if not stem or stem.endswith(".test"):
            continue
        if f"{dot}{ending}" == suffix:
            if re.fullmatch(NAME, stem):
                found.append((stem, file))
                continue
            message = "the name of the file is also a name in the workspace; use letters, digits, '-', '_' and '.'"
            findings.append(Finding(Place(file), "error", "file-name", message))
        elif (suffix, ending.lower()) in {(".yaml", "yml"), (".yaml", "yaml"), (".csv", "csv")}:
            message = f"the file would be overlooked; rename it to {stem}{suffix}"
            findings.append(Finding(Place(file), "error", "file-name", message))
    return found


def contents(root: Path, file: str, largest: int, findings: list[Finding]) -> bytes | None:
    """The bytes of a file, one more than `largest` at most; None if it cannot be read, with a finding."""
    path = root / file
    try:
        if path.exists() and not path.is_file():
            findings.append(Finding(Place(file), "error", "unreadable-file", "this is not a regular file"))
            return None
        with path.open("rb") as stream:
            return stream.read(largest + 1)
    except FileNotFoundError:
        message = "the file is not there; `casecart init DIR` makes a workspace that has one"
        findings.append(Finding(Place(file), "error", "missing-file", message))
    except OSError as error:
        findings.append(_unreadable(file, error))
    return None


def _unreadable(file: str, error: OSError) -> Finding:
    reason = (error.strerror or "unknown reason").lower()
    return Finding(Place(file), "error", "unreadable-file", f"it could not be read ({reason})")
