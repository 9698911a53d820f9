"""The files of a workspace: which there are, and their bytes, read once and never more than allowed."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Protocol

from casecart.workspace.declaration import NAME
from casecart.workspace.findings import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Files", "Folder", "Packed", "contents", "listing"]


class Files(Protocol):
    """Where a workspace's files are. They are named by their path below its root."""

    def names(self, folder: str) -> list[str]:
        """What is in a folder, in order. Raises `OSError`."""

    def there(self, file: str) -> bool:
        """Whether something has this name."""

    def regular(self, file: str, folder: str) -> bool:
        """Whether it is a file, and lies in this folder, not somewhere that a link leads to."""

    def read(self, file: str, most: int) -> bytes:
        """Its first bytes, `most` or fewer. Raises `OSError`."""


class Folder:
    """The files of a folder.

    Attributes:
        taken: what was read so far, by path: what is worked with is what was looked at, whatever is written meanwhile.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.taken: dict[str, bytes] = {}

    def names(self, folder: str) -> list[str]:
        """As in `Files`."""
        return sorted(path.name for path in (self._root / folder).iterdir())

    def there(self, file: str) -> bool:
        """As in `Files`."""
        return os.path.lexists(self._root / file)

    def regular(self, file: str, folder: str) -> bool:
        """As in `Files`."""
        path = self._root / file
        return path.is_file() and path.resolve().parent == (self._root / folder).resolve()

    def read(self, file: str, most: int) -> bytes:
        """As in `Files`."""
        path = self._root / file
        if path.exists() and not path.is_file():
            raise NotRegular
        with path.open("rb") as stream:
            data = self.taken[file] = stream.read(most)
        return data


class Packed:
    """Files that lie together in memory.

    Args:
        files: contents by path.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def names(self, folder: str) -> list[str]:
        """As in `Files`; a folder without files is not there."""
        found = sorted(file.rpartition("/")[2] for file in self._files if file.rpartition("/")[0] == folder)
        if not found:
            raise FileNotFoundError
        return found

    def there(self, file: str) -> bool:
        """As in `Files`."""
        return file in self._files

    def regular(self, file: str, folder: str) -> bool:
        """As in `Files`."""
        return file in self._files and file.rpartition("/")[0] == folder

    def read(self, file: str, most: int) -> bytes:
        """As in `Files`."""
        try:
            return self._files[file][:most]
        except KeyError:
            raise FileNotFoundError from None


class NotRegular(OSError):
    """A folder, a device or the like."""


def listing(files: Files, folder: str, suffix: str, findings: list[Finding]) -> list[tuple[str, str]]:
    """The name and the path below the root of every file with this suffix in a folder, by name.

    Tests (`NAME.test.yaml`) are left out. A file that looks meant, and would be overlooked, is a finding.
    """
    found: list[tuple[str, str]] = []
    try:
        names = files.names(folder)
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


def contents(files: Files, file: str, largest: int, findings: list[Finding]) -> bytes | None:
    """The bytes of a file, one more than `largest` at most; None if it cannot be read, with a finding."""
    try:
        return files.read(file, largest + 1)
    except NotRegular:
        findings.append(Finding(Place(file), "error", "unreadable-file", "this is not a regular file"))
    except FileNotFoundError:
        message = "the file is not there; `casecart init DIR` makes a workspace that has one"
        findings.append(Finding(Place(file), "error", "missing-file", message))
    except OSError as error:
        findings.append(_unreadable(file, error))
    return None


def _unreadable(file: str, error: OSError) -> Finding:
    reason = (error.strerror or "unknown reason").lower()
    return Finding(Place(file), "error", "unreadable-file", f"it could not be read ({reason})")
