"""Assign, park and reject: what people say about an exception besides fixing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from casecart.commands.desk import Command
from casecart.commands.refusal import Refusal
from casecart.commands.worklist import OPEN, find_cause
from casecart.store import LEFT_TO, Count, HoldChange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.commands.actor import Actor
    from casecart.commands.desk import View
    from casecart.store import Change, Hold

__all__ = ["AssignCause", "ParkCause", "RejectCause"]

LONGEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignCause(Command):
    """Somebody takes care of it."""

    name: ClassVar[str] = "worklist.assign"
    reference: str
    to: str

    @property
    def subject(self) -> str:
        """The cause."""
        return f"worklist:{self.reference}"

    @property
    def detail(self) -> Mapping[str, str]:
        """Who."""
        return {"to": self.to}

    def change(self, view: View, change: Change, actor: Actor) -> str:  # noqa: ARG002 - as in Command
        """Also of what was parked."""
        to = _said(self.to, "whom it is for")
        _, holds = find_cause(view.store, self.reference, OPEN)
        change.hold_changes += [HoldChange("assigned", to, hold.reason, view.now, hold.id) for hold in holds]
        return f"{_counted(holds)} assigned to {to}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkCause(Command):
    """Nothing can be done about it for now."""

    name: ClassVar[str] = "worklist.park"
    reference: str
    reason: str

    @property
    def subject(self) -> str:
        """The cause."""
        return f"worklist:{self.reference}"

    @property
    def detail(self) -> Mapping[str, str]:
        """Why."""
        return {"reason": self.reason}

    def change(self, view: View, change: Change, actor: Actor) -> str:  # noqa: ARG002 - as in Command
        """It can be fixed or assigned at any time."""
        reason = _said(self.reason, "why, with --reason")
        _, holds = find_cause(view.store, self.reference, OPEN)
        change.hold_changes += [HoldChange("parked", hold.assignee, reason, view.now, hold.id) for hold in holds]
        return f"{_counted(holds)} parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectCause(Command):
    """The lines were no use, or must not be posted. That is final."""

    name: ClassVar[str] = "worklist.reject"
    reference: str
    reason: str

    @property
    def subject(self) -> str:
        """The cause."""
        return f"worklist:{self.reference}"

    @property
    def detail(self) -> Mapping[str, str]:
        """Why."""
        return {"reason": self.reason}

    def change(self, view: View, change: Change, actor: Actor) -> str:  # noqa: ARG002 - as in Command
        """Whatever else is open about the same lines is rejected with them."""
        reason = _said(self.reason, "why, with --reason")
        _, holds = find_cause(view.store, self.reference, OPEN)
        lines = {(hold.position, hold.channel, hold.place): hold for hold in holds if _is_line(hold)}
        rejected = {hold.id: hold for hold in holds}
        for position in {position for position, _, _ in lines}:
            for other in view.store.holds(states=OPEN, position=position, limit=1_000_000):
                if _is_line(other) and (other.position, other.channel, other.place) in lines:
                    rejected[other.id] = other
        change.hold_changes += [
            HoldChange("rejected", hold.assignee, reason, view.now, hold.id) for hold in rejected.values()
        ]
        # What its destination rejected stands in the balance as that already.
        postings = [hold for hold in holds if hold.destination and hold.subject != "posting:rejected"]
        for hold in [*lines.values(), *postings]:
            channel = hold.channel
            change.counts += [
                Count(hold.facility, f"lines:{channel}", "held", -1),
                Count(hold.facility, f"lines:{channel}", "rejected", 1),
            ]
        return f"{_counted(holds)} rejected"


def _is_line(hold: Hold) -> bool:
    """Whether it holds a line of a channel, which stands in the balance of lines."""
    left = hold.channel.startswith(LEFT_TO)
    return hold.kind == "held" and bool(hold.position and hold.channel and not hold.destination and not left)


def _said(text: str, what: str) -> str:
    said = text.strip()
    if not said:
        raise Refusal("bad-value", f"say {what}")
    if len(said) > LONGEST:
        raise Refusal("bad-value", f"that has {len(said)} characters, and may have {LONGEST}")
    return said


def _counted(holds: list[Hold]) -> str:
    return f"{len(holds):,} exception{'' if len(holds) == 1 else 's'}"
