"""Revisions and workspaces: the files of the one loaded as the other, and what was loaded kept as a revision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casecart.canonical import FIELDS
from casecart.runtime.kinds import installed_kinds
from casecart.store import (
    Damaged,
    Revision,
    decode_files,
    encode_channels,
    encode_files,
    files_digest,
)
from casecart.workspace import load, read_all
from casecart.workspace.files import Folder, Packed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from casecart.store import RevisionKind
    from casecart.workspace import Loaded, Workspace
    from casecart.workspace.files import Files

__all__ = ["Taken", "channels_of", "files_of", "loaded", "read_files", "revised", "revision_of", "take"]


@dataclass(frozen=True, slots=True)
class Taken:
    """A workspace, and the very bytes that it was loaded from."""

    workspace: Workspace
    files: Mapping[str, bytes]
    """By their path below the root: all that were read, and nothing else."""

    @property
    def digest(self) -> bytes:
        """As of a revision with these files."""
        return files_digest(self.files)


def loaded(root: Path, files: Files | None = None) -> Workspace:
    """The workspace at `root`, or of these files at its place. Raises `WorkspaceError`."""
    return load(root, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)}, files=files)


def read_files(root: Path, files: Files | None = None) -> Loaded:
    """What can be read of it, whatever is wrong."""
    return read_all(root, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)}, files=files)


def take(root: Path) -> Taken:
    """The workspace in a folder. Raises `WorkspaceError`."""
    folder = Folder(root)
    return Taken(loaded(root, folder), folder.taken)


def files_of(revision: Revision) -> dict[str, bytes]:
    """Path below the workspace → contents. Raises `Damaged`: they are not those that were applied."""
    files = decode_files(revision.files)
    if files_digest(files) != revision.digest:
        raise Damaged(f"revision {revision.number} came out of the store damaged: its digest is another one")
    return files


def revised(revision: Revision, root: Path) -> Taken:
    """The workspace of a revision. Secrets, certificates and folders are those at `root`.

    Raises:
        WorkspaceError: this version of casecart can't use it, or a file that it only refers to is wrong.
        Damaged: the row is.
    """
    files = files_of(revision)
    return Taken(loaded(root, Packed(files)), files)


def channels_of(workspace: Workspace) -> dict[str, str]:
    """Channel → what its messages run under."""
    return {str(name): workspace.revision(name) for name in workspace.channels}


def revision_of(
    taken: Taken,
    *,
    number: int,
    kind: RevisionKind,
    recorded_at: int,
    actor: str,
    note: str = "",
    due_at: int | None = None,
    origin: int | None = None,
) -> Revision:
    """A revision of what was loaded.

    Args:
        taken: the workspace and its files.
        number: the newest one's and one more.
        kind: how it came to be.
        recorded_at: now, µs.
        actor: who wants it.
        note: for whoever reads the history.
        due_at: not before this, µs; None: at once.
        origin: of a rollback, the revision whose files these are.

    Raises:
        TooLarge: the files are more than a revision may have.
    """
    return Revision(
        number=number,
        kind=kind,
        recorded_at=recorded_at,
        actor=actor,
        note=note,
        due_at=due_at,
        origin=origin,
        cancelled_at=None,
        digest=taken.digest,
        channels=encode_channels(channels_of(taken.workspace)),
        files=encode_files(taken.files),
    )
