"""Brings master data in that messages tell: by the plan, checks and ownership of an import, whole or not at all.

The pipeline leaves a wish for each such message (`wish_to_work`), in the commit that says that it was processed. Here
the wish is worked off: versions are added unseen under the lock of master data, and one change publishes them, takes
the wish away, and says what became of the message. What ends before that change has had no effect.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from casecart.master.versions import versions
from casecart.rules import Trouble
from casecart.runtime.effect import event
from casecart.runtime.fault import told
from casecart.runtime.master_planner import MasterPlanner, Planned
from casecart.runtime.not_owner import new_conflicts
from casecart.runtime.whole import Whole
from casecart.store import (
    Change,
    Damaged,
    Replay,
    StoreBroken,
    StoreInUse,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from zoneinfo import ZoneInfo

    from casecart.master.catalogue import Catalogue
    from casecart.master.import_plan import ImportPlan
    from casecart.master.ownership import OwnershipRule
    from casecart.runtime.master_channel import MasterChannel
    from casecart.runtime.whole import Became
    from casecart.runtime.window import Work
    from casecart.store import Fence, Message, Store

__all__ = ["Bringing"]

log = logging.getLogger(__name__)

LATE: Final = "a later message said how this record is"

TIDIED: Final = 100
"""Versions that are tidied behind a message, so that it takes no longer; the next one or an import goes on there."""


class Bringing:
    """Works off wishes to bring messages in.

    Args:
        store: of the engine.
        channels: by name.
        catalogue: asked which items have a number; what is brought in is put into it at once.
        owners: who may say what.
        time_zones: by facility; what is brought in may name these.
        organisation: whose master data they are.
        identifier: mints ids of exceptions.
        now: wall clock, µs since 1970.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Mapping[str, MasterChannel],
        catalogue: Catalogue,
        owners: OwnershipRule,
        time_zones: Mapping[str, ZoneInfo],
        organisation: str,
        identifier: Callable[[], bytes],
        now: Callable[[], int],
    ) -> None:
        self._store, self._catalogue, self._organisation = store, catalogue, organisation
        self._planner = MasterPlanner(store, catalogue, owners, time_zones)
        self._identifier, self._now = identifier, now
        self._whole = Whole(store, identifier, now)
        self.channels = channels
        self._published = 0
        """Up to where the catalogue has what was published here, before it has read it."""

    def work(self, message: Message, name: str, wishes: Collection[Replay], fences: Collection[Fence]) -> list[Work]:
        """Bring one message in, in one transaction with the end of its wishes. There is nothing to post.

        Raises:
            StoreInUse: not now: somebody else is changing master data, or has changed them and they are not read yet.
        """
        channel = self.channels[name]
        self._store.let_go()
        if message.body_gone:  # it went in the moment in which somebody wished it
            log.warning("the message at position %d can't be brought in again: its body is deleted", message.position)
            self._store.write(Change(replays_done=[(wish.hold,) for wish in wishes], fences=list(fences)))
            return []
        with self._store.master_lock():
            if self._store.published_master() not in {self._catalogue.position, self._published}:
                raise StoreInUse("the catalogue is not as the master data are")
            change = Change(replays_done=[(wish.hold,) for wish in wishes], fences=list(fences))
            try:
                planned = self._planner.plan(message, channel)
            except (StoreUnavailable, StoreBroken):
                raise  # it is no fault of the message
            except Damaged as damage:
                planned = Planned(troubles=[Trouble("record-damaged", "", f"{damage}.", "")])
            except Exception as fault:  # noqa: BLE001 - a fault in one message must not take the others with it
                words = f"The engine failed on this message ({told(fault)}): nothing of it was brought in."
                planned = Planned(troubles=[Trouble("engine-fault", "", words, "")])
            became: Became = "held" if planned.troubles else "filtered" if planned.late else "no_change"
            self._whole.say(message, channel, became, change, troubles=planned.troubles, reason=LATE)
            told_now = {"channel": channel.name, "became": became}
            change.events.append(event("casecart.master.brought", message, told_now))
            plan = None if planned.troubles else planned.plan
            if not planned.troubles:
                change.lookups += [(key, message.position) for key in planned.about]
            if plan is not None:
                self._add(message, channel, plan, change)
            self._store.write(change)
            if plan is not None and plan.changes:
                self._published = change.cursors[-1].position
                for each in plan.changes:
                    self._catalogue.put(*each.key, each.after)
                self._store.tidy_master(TIDIED)
        return []

    # --- what becomes of it
    def _add(
        self,
        message: Message,
        channel: MasterChannel,
        plan: ImportPlan,
        change: Change,
    ) -> None:
        now = self._now()
        change.holds += new_conflicts(
            self._store,
            plan.conflicts,
            organisation=self._organisation,
            actor=message.actor,
            identifier=self._identifier,
            now=now,
        )
        rows = versions(
            plan.changes, actor=message.actor, source=channel.source, origin=f"message {message.position}", now=now
        )
        if rows:
            change.publish(self._store.append_master(rows))
