"""Pause, drain and resume a destination; the engine looks at what is wished of it each second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from casecart.commands.desk import Command
from casecart.commands.refusal import Refusal
from casecart.commands.restored import release
from casecart.store import Switch
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.commands.actor import Actor
    from casecart.commands.desk import View
    from casecart.store import Change

__all__ = ["PauseDestination", "ResumeDestination"]

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseDestination(Command):
    """Send nothing more to a destination: postings wait, in order, until it is resumed."""

    name: ClassVar[str] = "destination.pause"
    destination: str
    reason: str
    drain: bool = False
    """See to its end what may have had its effect, and tell when that is done."""

    @property
    def subject(self) -> str:
        """The destination."""
        return f"destination:{self.destination}"

    @property
    def detail(self) -> Mapping[str, str]:
        """Why."""
        return {"reason": self.reason.strip(), **({"drain": "yes"} if self.drain else {})}

    def change(self, view: View, change: Change, actor: Actor) -> str:
        """Needs a reason: who finds it paused at night wants to know."""
        before = _known(view, self.destination)
        reason = self.reason.strip()
        if not reason:
            raise Refusal("bad-value", "say why: the reason is shown to whoever finds the destination paused")
        if len(reason) > LONGEST_REASON:
            raise Refusal("bad-value", f"the reason has {len(reason)} characters, and may have {LONGEST_REASON}")
        if self.drain and self.destination not in view.site.destinations:
            words = f"'{self.destination}' is not configured any more: there is no engine that could ask it anything"
            raise Refusal("bad-value", words)
        state: Literal["paused", "draining"] = "draining" if self.drain else "paused"
        change.switches.append(Switch(self.destination, state, actor.name, reason, view.now))
        if self.drain:
            told = "Nothing new is sent to it, and what may have had its effect is seen to its end"
            return f"{self.destination} is being drained. {told}"
        was = "is paused" if before == "running" else "was paused already; the reason is the new one"
        told = "A running engine obeys within a second; messages are taken as before, and its postings wait in order"
        return f"{self.destination} {was}. {told}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeDestination(Command):
    """Send to a destination again, from where it was paused."""

    name: ClassVar[str] = "destination.resume"
    destination: str
    reason: str = ""

    @property
    def subject(self) -> str:
        """The destination."""
        return f"destination:{self.destination}"

    @property
    def detail(self) -> Mapping[str, str]:
        """Why, where it was said."""
        return {"reason": self.reason.strip()} if self.reason.strip() else {}

    def change(self, view: View, change: Change, actor: Actor) -> str:
        """One that is not paused stays as it is; after a restore, one must be reconciled first."""
        before = _known(view, self.destination)
        release(view, self.destination, change)
        change.switches.append(Switch(self.destination, "running", actor.name, self.reason.strip(), view.now))
        waiting = sum(open_.postings for open_ in view.store.open_counts() if open_.destination == self.destination)
        postings = f"{waiting:,} posting{'' if waiting == 1 else 's'} on the way"
        return f"{self.destination} {'was not paused' if before == 'running' else 'is resumed'}; {postings}"


def _known(view: View, destination: str) -> str:
    """The state that is wished of a destination now. Raises `Refusal` when there is no such destination."""
    switches = {switch.destination: switch.state for switch in view.store.switches()}
    # One that has left the configuration may still have postings on the way.
    names = {*view.site.destinations, *switches, *(open_.destination for open_ in view.store.open_counts())}
    if destination not in names:
        words = f"no destination is called '{destination}'; the workspace has {listed(sorted(names)) or 'none'}"
        raise Refusal("not-found", words, did_you_mean(destination, names))
    return switches.get(destination, "running")
