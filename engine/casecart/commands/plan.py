"""The plan of a change: what is different between what runs and what shall run, and what that means for what waits."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from casecart.commands.desk import Query
from casecart.commands.moment import moment
from casecart.commands.plan_effects import Effects
from casecart.commands.refusal import Refusal
from casecart.commands.replay_sample import ReplaySample, Sample
from casecart.commands.running import EngineRuns, at_work, compared_with, engine_runs, scheduled
from casecart.commands.workspace_change import FileChange, WorkspaceChange, changed_files, changes
from casecart.runtime.revision import Taken, files_of, revised
from casecart.workspace import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from casecart.commands.actor import Permission
    from casecart.commands.desk import View
    from casecart.store import Revision, RevisionHead

__all__ = ["Plan", "PlannedChange", "Scheduled", "ShowPlan", "ShowSample", "revision_with", "unified"]

LARGEST_DIFF = 2_000_000
"""Bytes of a file that is compared line by line."""


class Scheduled(msgspec.Struct, frozen=True, kw_only=True):
    """A revision that will run later."""

    revision: int
    due_at: datetime
    actor: str
    note: str


class PlannedChange(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that is different, and what follows."""

    change: WorkspaceChange
    means: list[str]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What would change."""

    workspace: str
    revision: int | None
    """What it is compared with; null: nothing ran on this store yet, and nothing was applied."""
    wanted: int | None
    """What was applied or rolled back to last and is due; null: nothing."""
    newest: int
    """The highest number that was given: who applies says that it is still that."""
    engines: list[EngineRuns]
    """That are at work."""
    scheduled: Scheduled | None
    changes: list[PlannedChange]
    files: list[FileChange]
    comparable: bool
    """Whether what runs could be read by this version; else only files are compared."""
    diff: str
    """The files' lines, where they were asked for."""
    sample: Sample | None = None
    """Messages that were worked by both, where that was asked for."""

    @property
    def nothing(self) -> bool:
        """Whether applying it would make no difference to anybody."""
        return (
            not self.files
            and self.revision is not None
            and self.revision == self.wanted
            and all(engine.revision == self.revision for engine in self.engines)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowPlan(Query[Plan]):
    """What would change if this ran?"""

    taken: Taken
    root: Path
    diff: bool = False

    def answer(self, view: View) -> Plan:
        """Raises `Damaged`: what runs is not as it was written."""
        store, now = view.store, view.now
        number = compared_with(store, now)
        before = None if number is None else revision_with(view, number)
        files: Mapping[str, bytes] = {} if before is None else files_of(before)
        old = None if before is None else _loaded(before, self.root)
        effects = Effects(store, None if old is None else old.workspace)
        found = [] if old is None else changes(old.workspace, self.taken.workspace)
        head, newest = scheduled(store, now), next(iter(store.revisions(None, 1)), None)
        return Plan(
            workspace=str(self.root.absolute()),
            revision=number,
            wanted=store.wanted_revision(now),
            newest=0 if newest is None else newest.number,
            engines=[engine_runs(row) for row in at_work(store)],
            scheduled=None if head is None else _scheduled(head),
            changes=[PlannedChange(change=each, means=effects.of(each)) for each in found],
            files=[] if before is None else changed_files(files, self.taken.files),
            comparable=before is None or old is not None,
            diff=unified(files, self.taken.files, f"revision {number}") if self.diff and before is not None else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowSample(Query[Sample]):
    """What would become of the last messages if this ran?

    Attributes:
        taken: what shall run.
        root: the workspace.
        plan: of that.
        number: how many messages.
        limit: seconds that it may take.
        told: how many were worked by now, and of how many.
    """

    taken: Taken
    root: Path
    plan: Plan
    number: int
    limit: float
    told: Callable[[int, int], None]

    @property
    def permission(self) -> Permission:
        """As of a look at the messages."""
        return "see bodies"

    def audited(self, answer: Sample) -> tuple[str, str] | None:
        """As a look at the messages is."""
        return ("plan.replay", f"messages:{answer.messages}") if answer.messages else None

    def answer(self, view: View) -> Sample:
        """Raises `Refusal`: there is nothing to compare with."""
        number = self.plan.revision
        old = None if number is None else _loaded(revision_with(view, number), self.root)
        if old is None:
            raise Refusal(
                "not-found", "--replay-sample: what runs is not known to this version, so nothing is compared"
            )
        changed = [each.change.name for each in self.plan.changes if each.change.sort == "channel"]
        return ReplaySample(
            old=old.workspace,
            new=self.taken.workspace,
            channels=changed,
            number=self.number,
            limit=self.limit,
            told=self.told,
        ).run(view.store)


def _loaded(revision: Revision, root: Path) -> Taken | None:
    """None: it was applied by another version of casecart, whose words this one does not know."""
    try:
        return revised(revision, root)
    except WorkspaceError:
        return None


def _scheduled(head: RevisionHead) -> Scheduled:
    return Scheduled(
        revision=head.number, due_at=moment(head.due_at or head.recorded_at), actor=head.actor, note=head.note
    )


def revision_with(view: View, number: int) -> Revision:
    """With this number. Raises `Refusal`: there is none."""
    revision = view.store.revision(number)
    if revision is None:
        raise Refusal("not-found", f"there is no revision {number}; `casecart history` lists them")
    return revision


def unified(old: Mapping[str, bytes], new: Mapping[str, bytes], before: str, after: str = "files") -> str:
    """What is different, line by line, as `diff -u` writes it."""
    lines: list[str] = []
    for change in changed_files(old, new):
        one, other = old.get(change.file, b""), new.get(change.file, b"")
        if max(len(one), len(other)) > LARGEST_DIFF:
            lines.append(f"{change.file} is {change.kind}, and too large to be compared line by line")
            continue
        lines += difflib.unified_diff(
            _lines(one),
            _lines(other),
            f"{before}: {change.file}" if change.file in old else "/dev/null",
            f"{after}: {change.file}" if change.file in new else "/dev/null",
            lineterm="",
        )
    return "\n".join(lines)


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "backslashreplace").split("\n")
