"""What an engine begins with: the files, until something was applied to the store; from then on, what was applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from casecart.commands.refusal import RevisionUnusable
from casecart.commands.running import next_start
from casecart.commands.site import require_workspace
from casecart.commands.workspace import checked
from casecart.runtime.revision import Taken, files_of, read_files, revision_of
from casecart.store import Change, RevisionTaken, TooLarge
from casecart.workspace import WorkspaceError
from casecart.workspace.files import Folder, Packed, listing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from casecart.store import Revision, RevisionHead, Store
    from casecart.workspace import Finding, Workspace

__all__ = ["Start", "begun", "checked_files", "checked_revision", "differ", "starting"]

_TRIES: Final = 20
"""Engines that start at the same time each want the next number."""

_OWNERSHIP: Final = "config/ownership.yaml"
_LISTED: Final = (("channels", ".yaml"), ("mappings", ".yaml"), ("mappings/tables", ".csv"))


@dataclass(frozen=True, slots=True)
class Start:
    """What an engine begins with."""

    taken: Taken
    number: int
    """The revision that was applied; 0: the files, whatever their revision."""
    words: str
    """What whoever starts it should know; mostly empty."""
    wanted: int | None = None
    """What was applied or rolled back to last and is due, whether this is it or not; None: nothing ever was."""
    reason: str = ""
    """Why an engine would not take that while it ran; empty: none did."""

    @property
    def workspace(self) -> Workspace:
        """Without errors."""
        return self.taken.workspace


def checked_files(root: Path) -> tuple[tuple[Finding, ...], Taken | None]:
    """All that is wrong in the files, and the workspace where nothing is an error. Raises `NotAWorkspace`."""
    require_workspace(root)
    folder = Folder(root)
    found = checked(lambda: read_files(root, folder))
    return found.findings, None if found.workspace is None else Taken(found.workspace, folder.taken)


def checked_revision(revision: Revision, root: Path) -> Taken:
    """The workspace of a revision. Raises `RevisionUnusable`, and `Damaged` where the row is."""
    files = files_of(revision)
    found = checked(lambda: read_files(root, Packed(files)))
    if found.workspace is None:
        raise RevisionUnusable(revision.number, found.findings)
    return Taken(found.workspace, files)


def starting(root: Path, store: Store | None, now: int, *, files: bool = False) -> Start:
    """What an engine that starts now begins with.

    Args:
        root: the workspace.
        store: its own, to read; None: it is not made yet, or was made by an older version, which knew no revisions.
        now: µs since 1970.
        files: run the files whatever was applied.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: the files are wanted, and have errors.
        RevisionUnusable: what was applied is wanted, and can't be run.
        Damaged: the same, and its row is not as it was written.
    """
    applied = None if store is None else store.wanted_revision(now)
    if store is None or applied is None or files:
        findings, taken = checked_files(root)
        if taken is None:
            raise WorkspaceError(findings)
        words = "" if applied is None else f"the files are run this once; revision {applied} was applied, and runs next"
        return Start(taken, 0, words, applied)
    number, reason = next_start(store, applied)
    revision = store.revision(number)
    if revision is None:
        raise LookupError(f"revision {number} is wanted, and not in the store")
    taken = checked_revision(revision, root)
    words = ""
    if reason:
        words = f"revision {applied} was not taken: {reason}; {number} runs on (casecart plan)"
    elif differ(root, taken.files):
        words = f"files differ from revision {number}, which runs: casecart plan"
    return Start(taken, number, words, applied, reason)


def differ(root: Path, files: Mapping[str, bytes]) -> bool:
    """Whether the files at `root` are others than these, as far as an engine would read them."""
    folder = Folder(root)
    for file, content in files.items():
        try:
            if folder.read(file, len(content) + 1) != content:
                return True
        except OSError:
            return True
    there = {file for place, suffix in _LISTED for _, file in listing(folder, place, suffix, [])}
    return bool(there - files.keys()) or (folder.there(_OWNERSHIP) and _OWNERSHIP not in files)


def begun(store: Store, start: Start, actor: str, now: int) -> int:
    """The number of what an engine begins with; files that are no revision become one of kind `start`.

    0: they are too large for one.
    """
    if start.number:
        return start.number
    for _ in range(_TRIES):
        newest = next(iter(store.revisions(None, 1)), None)
        if newest is not None and _is(newest, start.taken, now):
            return newest.number
        number = 1 if newest is None else newest.number + 1
        try:
            revision = revision_of(start.taken, number=number, kind="start", recorded_at=now, actor=actor)
            store.write(Change(revisions=[revision]))
        except TooLarge:
            return 0
        except RevisionTaken:
            continue
        return number
    return 0


def _is(newest: RevisionHead, taken: Taken, now: int) -> bool:
    due = newest.due_at is None or newest.due_at <= now
    return newest.digest == taken.digest and newest.cancelled_at is None and due
