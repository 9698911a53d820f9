"""Apply a workspace, go back to an earlier one, or think better of one that is not due yet; and see who took it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from casecart.commands.desk import Command, Query
from casecart.commands.moment import moment
from casecart.commands.plan import revision_with
from casecart.commands.refusal import Refusal
from casecart.commands.running import at_work, scheduled
from casecart.runtime.revision import Taken, revision_of
from casecart.store import RevisionTaken, TooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.commands.actor import Actor
    from casecart.commands.desk import Desk, Done, View
    from casecart.store import Change, Revision, RevisionHead

__all__ = ["Apply", "CancelRevision", "RollBack", "ShowTakeUp", "TakeUp", "TakenUp", "before", "write"]

LONGEST_NOTE = 500
LONGEST_WAIT = 366 * 86_400_000_000
"""Nobody plans further ahead than a year, in µs: a longer time is a slip in typing it."""

_MEANWHILE = "somebody wrote revision {} meanwhile: look again with `casecart plan`"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written(Command):
    """A wish that becomes a revision.

    Attributes:
        taken: its workspace and files.
        newest: the highest number when it was planned.
        note: for whoever reads the history.
    """

    taken: Taken
    newest: int
    note: str = ""

    @property
    def number(self) -> int:
        """Of the revision that it becomes."""
        return self.newest + 1

    @property
    def subject(self) -> str:
        """The revision."""
        return f"revision:{self.number}"

    def _may(self, view: View) -> str:
        """The note as it is kept. Raises `Refusal`: what was planned is not what would happen."""
        newest = next(iter(view.store.revisions(None, 1)), None)
        if newest is not None and newest.number != self.newest:
            raise Refusal("conflict", _MEANWHILE.format(newest.number))
        note = " ".join(self.note.split())
        if len(note) > LONGEST_NOTE:
            raise Refusal("bad-value", f"the message has {len(note)} characters, and may have {LONGEST_NOTE}")
        return note

    def _revision(
        self,
        view: View,
        actor: Actor,
        kind: Literal["apply", "rollback"],
        note: str,
        *,
        due_at: int | None = None,
        origin: int | None = None,
    ) -> Revision:
        try:
            return revision_of(
                self.taken,
                number=self.number,
                kind=kind,
                recorded_at=view.now,
                actor=actor.name,
                note=note,
                due_at=due_at,
                origin=origin,
            )
        except TooLarge as error:
            raise Refusal("bad-value", f"{error}: keep what is no code table elsewhere") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply(_Written):
    """Run this workspace, from now on or from a moment on.

    Attributes:
        due_at: that moment, µs since 1970.
    """

    name: ClassVar[str] = "workspace.apply"
    due_at: int | None = None

    @property
    def detail(self) -> Mapping[str, str]:
        """Which files, why and when."""
        when = {} if self.due_at is None else {"at": moment(self.due_at).isoformat()}
        return {"digest": self.taken.digest.hex(), "note": self.note.strip(), **when}

    def change(self, view: View, change: Change, actor: Actor) -> str:
        """Refused while another one waits for its time: nobody should find it undone at night."""
        note = self._may(view)
        if self.due_at is not None and self.due_at <= view.now:
            raise Refusal("bad-value", "the time of --at is over")
        if self.due_at is not None and self.due_at > view.now + LONGEST_WAIT:
            raise Refusal("bad-value", "the time of --at is more than a year away")
        if (waiting := scheduled(view.store, view.now)) is not None:
            raise Refusal(
                "conflict",
                f"revision {waiting.number} of {waiting.actor} waits for its time: cancel it first with "
                f"`casecart apply --cancel {waiting.number}`",
            )
        change.revisions.append(self._revision(view, actor, "apply", note, due_at=self.due_at))
        return f"revision {self.number} is applied"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack(_Written):
    """Run an earlier revision's files again, as a new revision.

    Attributes:
        origin: the earlier one.
    """

    name: ClassVar[str] = "workspace.rollback"
    origin: int

    @property
    def detail(self) -> Mapping[str, str]:
        """Which one, and why."""
        return {"to": str(self.origin), "digest": self.taken.digest.hex(), "note": self.note.strip()}

    def change(self, view: View, change: Change, actor: Actor) -> str:
        """What waits for its time is cancelled: it was made upon what is now taken back."""
        note = self._may(view)
        words = f"revision {self.number} has the files of revision {self.origin}"
        if (waiting := scheduled(view.store, view.now)) is not None:
            change.cancellations.append((view.now, waiting.number))
            words += f"; revision {waiting.number}, which waited for its time, is cancelled"
        change.revisions.append(self._revision(view, actor, "rollback", note, origin=self.origin))
        return words


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRevision(Command):
    """A revision shall not run: one that is not due yet, or that every engine refused."""

    name: ClassVar[str] = "workspace.cancel"
    number: int
    reason: str = ""
    """Why engines would not take it."""

    @property
    def subject(self) -> str:
        """The revision."""
        return f"revision:{self.number}"

    @property
    def detail(self) -> Mapping[str, str]:
        """Why, where engines said it."""
        return {"reason": self.reason} if self.reason else {}

    def change(self, view: View, change: Change, actor: Actor) -> str:  # noqa: ARG002 - the signature of all commands
        """Refused where somebody runs it."""
        revision = revision_with(view, self.number)
        if revision.kind == "start":
            raise Refusal("bad-value", f"revision {self.number} was never applied: an engine began with it")
        if revision.cancelled_at is not None:
            raise Refusal("bad-value", f"revision {self.number} is cancelled already")
        due = revision.due_at is None or revision.due_at <= view.now
        if due and not _refused_by_all(view, self.number):
            raise Refusal(
                "conflict", f"revision {self.number} is due: `casecart rollback` goes back to the one before it"
            )
        change.cancellations.append((view.now, self.number))
        return f"revision {self.number} is cancelled, and never runs"


def _refused_by_all(view: View, number: int) -> bool:
    rows = at_work(view.store)
    return bool(rows) and all(row.refused == number and row.number != number for row in rows)


def write(desk: Desk, wish: Apply | RollBack, *, key: str) -> Done:
    """Does it. Raises `Refusal`, also where somebody did something in the same instant."""
    try:
        return desk.do(wish, key=key)
    except RevisionTaken:
        raise Refusal("conflict", _MEANWHILE.format(wish.number)) from None


class TakeUp(msgspec.Struct, frozen=True, kw_only=True):
    """How far one engine is."""

    place: str
    runs: int
    state: Literal["runs", "refused", "waits"]
    reason: str
    """Why it refused."""


class TakenUp(msgspec.Struct, frozen=True, kw_only=True):
    """How far a revision is."""

    revision: int
    engines: list[TakeUp]
    """That are at work."""

    @property
    def decided(self) -> bool:
        """Whether each of them runs it, or would not take it."""
        return all(engine.state != "waits" for engine in self.engines)

    @property
    def refused(self) -> list[TakeUp]:
        """Those that would not take it."""
        return [engine for engine in self.engines if engine.state == "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowTakeUp(Query[TakenUp]):
    """Who runs a revision?"""

    number: int

    def answer(self, view: View) -> TakenUp:
        """Of the engines that are at work."""
        return TakenUp(
            revision=self.number,
            engines=[
                TakeUp(
                    place=row.place,
                    runs=row.number,
                    state="runs" if row.number == self.number else "refused" if row.refused == self.number else "waits",
                    reason=row.reason if row.refused == self.number else "",
                )
                for row in at_work(view.store)
            ],
        )


def before(heads: list[RevisionHead], number: int, now: int) -> int | None:
    """The revision that ran before one, with other files; None: there is none.

    Who rolls back twice goes back twice: what stands before a rollback is what stood before the one it went back to.

    Args:
        heads: of all revisions.
        number: the one.
        now: what is not due has not run.
    """
    by_number = {head.number: head for head in heads}
    place, digest = number, by_number[number].digest
    while (origin := by_number[place].origin) is not None and origin in by_number and origin < place:
        place = origin
    found = (
        head.number
        for head in heads
        if head.number < place
        and head.digest != digest
        and head.cancelled_at is None
        and (head.due_at is None or head.due_at <= now)
    )
    return max(found, default=None)
