"""What people may do about destinations after a restore: nothing goes out until each is reconciled and released."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from casecart.commands.desk import Command
from casecart.commands.moment import microseconds, moment
from casecart.commands.refusal import Refusal
from casecart.runtime.restored import Mark, mark_of, mark_row
from casecart.store import Switch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from casecart.commands.actor import Actor
    from casecart.commands.desk import View
    from casecart.commands.site import Site
    from casecart.store import Change, Store, Timer

__all__ = ["TakeAsRestored", "marks", "names_of", "reason_of", "release"]


def marks(names: Iterable[str], mark: Mark, actor: str) -> tuple[Sequence[Timer], Sequence[Switch]]:
    """What a restored store has from its first moment on: a memory of it, and each destination paused.

    Args:
        names: of the destinations.
        mark: of the restore.
        actor: who restores.
    """
    switches = [Switch(name, "paused", actor, reason_of(name, mark), mark.restored_at) for name in names]
    return [mark_row(name, mark) for name in ("", *names)], switches


def reason_of(name: str, mark: Mark) -> str:
    """Why a destination is paused, and what to do, for whoever finds it so."""
    of = f"restored from {mark.backup}, as it was at {moment(mark.taken_at):%Y-%m-%d %H:%M:%S} UTC"
    if mark.phase == "restored":
        return f"{of}: run `casecart reconcile {name} --after-restore`"
    return f"{of}; reconciled, and not released: `casecart resume {name}`"


def release(view: View, destination: str, change: Change) -> None:
    """A destination is to go on. Raises `Refusal` where it must be reconciled first."""
    mark = mark_of(view.store.timers(), destination, view.now)
    if mark is None or mark.phase == "released":
        return
    if mark.phase == "restored":
        of = f"{mark.backup}, as of {moment(mark.taken_at):%Y-%m-%d %H:%M:%S} UTC"
        words = f"the store was restored from {of}: what {destination} has had since must be known first"
        raise Refusal("bad-value", f"{words}; run `casecart reconcile {destination} --after-restore`")
    after = msgspec.structs.replace(mark, phase="released", released_at=view.now)
    change.timers.append(mark_row(destination, after))


def names_of(site: Site, store: Store) -> list[str]:
    """All destinations: those that are configured, and those that the store speaks of."""
    others = {*(switch.destination for switch in store.switches()), *(each.destination for each in store.open_counts())}
    return [*site.destinations, *sorted(others - set(site.destinations))]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeAsRestored(Command):
    """The store was brought back by somebody else: by the database's own means, or with the machine."""

    name: ClassVar[str] = "backup.restored"
    taken_at: datetime
    """All that was committed before is in it."""
    reason: str

    @property
    def subject(self) -> str:
        """The store."""
        return "store"

    @property
    def detail(self) -> Mapping[str, str]:
        """As of when, and why."""
        return {"taken_at": self.taken_at.isoformat(), "reason": self.reason.strip()}

    def change(self, view: View, change: Change, actor: Actor) -> str:
        """Only while no engine is at work: what it has in memory may be on its way out."""
        if view.store.engine_at_work():
            raise Refusal("bad-value", "an engine is at work on this store: stop it first")
        if microseconds(self.taken_at) > view.now:
            raise Refusal("bad-value", f"{self.taken_at.isoformat()} is still to come")
        mark = Mark(
            backup=self.reason.strip() or "a backup", taken_at=microseconds(self.taken_at), restored_at=view.now
        )
        timers, switches = marks(names_of(view.site, view.store), mark, actor.name)
        change.timers += timers
        change.switches += switches
        named = ", ".join(switch.destination for switch in switches) or "no destination"
        return f"The store is taken as restored, and {named} gets nothing until it is reconciled and resumed"
