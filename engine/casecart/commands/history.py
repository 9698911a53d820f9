"""What was applied, when and by whom, what it changed, and who runs it; and the files of each revision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from casecart.commands.apply import before
from casecart.commands.desk import Query
from casecart.commands.moment import moment
from casecart.commands.plan import revision_with, unified
from casecart.commands.refusal import Refusal
from casecart.commands.running import at_work, compared_with, heads_of
from casecart.commands.starting import checked_revision
from casecart.commands.workspace_change import FileChange, changed_files
from casecart.runtime.revision import files_of
from casecart.store import Damaged
from casecart.workspace.effective import effective_values
from casecart.workspace.findings import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.commands.desk import View
    from casecart.store import Revision, RevisionHead, Store

__all__ = [
    "DiffRevisions",
    "History",
    "RevisionFiles",
    "RevisionView",
    "ShowHistory",
    "ShowRevision",
    "ShowRollback",
    "ShowValues",
    "ValueView",
    "export",
    "no_file",
]


class RevisionView(msgspec.Struct, frozen=True, kw_only=True):
    """A revision, without its files."""

    revision: int
    kind: Literal["start", "apply", "rollback"]
    """`start`: files that an engine began with, which nobody applied."""
    at: datetime
    actor: str
    note: str
    due_at: datetime | None
    origin: int | None
    """Of a rollback: the revision whose files it has."""
    state: Literal["wanted", "scheduled", "cancelled", "past"]
    """Wanted: engines run it, or will at their next start."""
    engines: list[str]
    """Those at work that run it."""
    refused: dict[str, str]
    """Engine → why it would not take it."""
    changed: list[FileChange]
    """Against the one before it."""
    damaged: bool
    """Its files came out of the store damaged."""
    digest: str


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Revisions, newest first."""

    revisions: list[RevisionView]
    before: int | None
    """The number below which the next page begins; null: there is no more."""


class RevisionFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A revision and its files."""

    revision: RevisionView
    files: dict[str, str]
    """Path → content, where it is text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowHistory(Query[History]):
    """What was applied?"""

    before: int | None = None
    limit: int = 20

    def answer(self, view: View) -> History:
        """A page of it."""
        heads = view.store.revisions(self.before, self.limit + 1)
        shown = heads[: self.limit]
        more = len(heads) > self.limit
        return History(
            revisions=[_view(view, head) for head in shown],
            before=shown[-1].number if more else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRevision(Query[RevisionFiles]):
    """What does a revision say?"""

    number: int

    def answer(self, view: View) -> RevisionFiles:
        """Raises `Refusal` (there is none) and `Damaged`."""
        revision = revision_with(view, self.number)
        files = {file: data.decode("utf-8", "backslashreplace") for file, data in files_of(revision).items()}
        (head,) = view.store.revisions(self.number + 1, 1)
        return RevisionFiles(revision=_view(view, head), files=files)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffRevisions(Query[str]):
    """What is different between two revisions, line by line; empty: nothing."""

    old: int
    new: int

    def answer(self, view: View) -> str:
        """Raises `Refusal` (there is none) and `Damaged`."""
        one, other = (files_of(revision_with(view, number)) for number in (self.old, self.new))
        return unified(one, other, f"revision {self.old}", f"revision {self.new}")


class ValueView(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a revision is run with."""

    name: str
    value: str
    """Of a secret, where it is."""
    at: str | None
    """File, line and column; None: it is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowValues(Query[list[ValueView]]):
    """Which values is a revision run with, and where do they come from?"""

    root: Path
    number: int
    file: str | None = None
    """Only what was written there."""

    def answer(self, view: View) -> list[ValueView]:
        """Raises `Refusal` (there is none), `RevisionUnusable` and `Damaged`."""
        workspace = checked_revision(revision_with(view, self.number), self.root).workspace
        return [
            ValueView(name=name, value=text, at=None if place is None else str(place))
            for name, text, place in effective_values(workspace)
            if self.file is None or (place is not None and place.file == self.file)
        ]


def export(shown: RevisionFiles, target: Path) -> int:
    """Writes the files into a new or empty folder; how many.

    Raises:
        Refusal: something is in the folder, or it can't be written.
    """
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise Refusal("bad-value", f"{target} is there and not empty: name a new folder")
        for file, text in shown.files.items():
            path = target / file
            if not path.resolve().is_relative_to(target.resolve()):
                continue  # a template that lies elsewhere
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise Refusal("bad-value", f"{target} can't be written: {error.strerror}") from None
    return len(shown.files)


def _view(view: View, head: RevisionHead) -> RevisionView:
    store = view.store
    rows = at_work(store)
    changed, damaged = _changed(store, head)
    return RevisionView(
        revision=head.number,
        kind=head.kind,
        at=moment(head.recorded_at),
        actor=head.actor,
        note=head.note,
        due_at=None if head.due_at is None else moment(head.due_at),
        origin=head.origin,
        state=_state(view, head),
        engines=[row.place for row in rows if row.number == head.number],
        refused={row.place: row.reason for row in rows if row.refused == head.number},
        changed=changed,
        damaged=damaged,
        digest=head.digest.hex(),
    )


def _state(view: View, head: RevisionHead) -> Literal["wanted", "scheduled", "cancelled", "past"]:
    if head.cancelled_at is not None:
        return "cancelled"
    if view.store.wanted_revision(view.now) == head.number:
        return "wanted"
    return "scheduled" if head.due_at is not None and head.due_at > view.now else "past"


def _changed(store: Store, head: RevisionHead) -> tuple[list[FileChange], bool]:
    """Against the one before it; and whether its own files can't be read."""
    own = store.revision(head.number)
    earlier = next(iter(store.revisions(head.number, 1)), None)
    before_it = None if earlier is None else store.revision(earlier.number)
    try:
        files = {} if own is None else files_of(own)
    except Damaged:
        return [], True
    try:
        return ([] if before_it is None else changed_files(files_of(before_it), files)), False
    except Damaged:  # of the one before it: told there
        return [], False


def no_file(name: str, shown: RevisionFiles) -> Refusal:
    """What to say of a file that a revision does not have."""
    words = f"revision {shown.revision.revision} has no file {name}"
    return Refusal("not-found", words, did_you_mean(name, shown.files))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRollback(Query["Revision | None"]):
    """Which revision is gone back to?

    Attributes:
        number: that was named; None: the one that ran before.
    """

    number: int | None

    def answer(self, view: View) -> Revision | None:
        """None: nothing ran before. Raises `Refusal`: there is none, or it is what is wanted already."""
        wanted = view.store.wanted_revision(view.now)
        now = compared_with(view.store, view.now) if wanted is None else wanted
        if self.number is None:
            found = None if now is None else before(heads_of(view.store), now, view.now)
            return None if found is None else revision_with(view, found)
        revision = revision_with(view, self.number)
        if wanted is not None and revision_with(view, wanted).digest == revision.digest:
            words = f"revision {wanted}, which was applied last, has the files of revision {self.number}"
            raise Refusal("conflict", words)
        return revision
