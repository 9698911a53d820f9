"""Deletes what is past its time, all day long in small steps, with pauses in which senders are served.

What counts as today is not the clock alone: it goes on at most a day an hour. So a clock that is set years ahead does
not delete everything before somebody has seen it; a machine that was off for a month catches up in a day and a half.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from casecart.runtime.marks import TODAY
from casecart.store import AuditRecord, Change, Cursor, Due, Event, MessageFilter, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casecart.runtime.clock import Call, Clock
    from casecart.store import Freed, Store
    from casecart.workspace import Workspace

__all__ = ["Retention", "due_of", "megabytes"]

log = logging.getLogger(__name__)

FIRST: Final = 2.0
"""Seconds until the first round."""
ROUND: Final = 60.0
"""Seconds between two rounds."""
AGAIN: Final = 3_600.0
"""Seconds until what is past its time, and was needed, is looked at again."""
STEP: Final = 0.005
"""Seconds that a step should take: it looks at as many messages as fit."""
LEAST, MOST = 25, 5_000
"""Messages in a step."""
SHARE: Final = 8
"""How many times as long as a step the pause behind it is, at least."""
PAUSE: Final = 0.04
HURRY: Final = 24
"""How many times as fast as time itself today may go on."""
DAY: Final = 86_400_000_000
SECOND: Final = 1_000_000


def due_of(workspace: Workspace, now: int) -> Due:
    """What a workspace says of how long what is kept."""
    retain = workspace.engine.retain
    bodies = retain.bodies
    spans = {
        "processed": bodies.processed,
        "unrouted": bodies.unrouted,
        "refused": bodies.refused,
        "quarantined": bodies.quarantined,
    }
    return Due(
        now=now,
        bodies={outcome: round(span * SECOND) for outcome, span in spans.items()},
        channels={
            str(name): round(channel.retain.bodies * SECOND)
            for name, channel in workspace.channels.items()
            if channel.retain.bodies is not None
        },
        documents=round(retain.documents * SECOND),
        events=round(retain.events * SECOND),
        exceptions=round(retain.exceptions * SECOND),
    )


class Retention:
    """Has the store delete, in turns.

    Args:
        store: deletes.
        due: how long what is kept, at a moment in µs since 1970.
        reactor: gives the turns.
        now: wall clock, µs since 1970.
        broken: told that the store failed for good, or the engine did; it must stop.
    """

    def __init__(
        self,
        *,
        store: Store,
        due: Callable[[int], Due],
        reactor: Clock,
        now: Callable[[], int],
        broken: Callable[[Exception], None],
    ) -> None:
        self._store, self._due, self._reactor, self._now, self._broken = store, due, reactor, now, broken
        self._today: int | None = None
        self._looked = 0.0
        self._behind = False
        self._limit = LEAST
        self._again_at = 0.0
        self._steps: Iterator[list[Freed]] | None = None
        self._call: Call | None = None
        self._freed: dict[tuple[str, str], tuple[int, int]] = {}
        self._told = 0

    def start(self) -> None:
        """Begin with the first round, when what comes with a start is over."""
        self._call = self._reactor.callLater(FIRST, self._turn)

    def stop(self) -> None:
        """Delete no more; the next start goes on where this one ended."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _turn(self) -> None:
        began = self._reactor.seconds()
        try:
            ended = self._step()
        except StoreUnavailable:
            self._steps, ended = None, True  # the next round begins where the last step ended
        except Exception as fault:  # noqa: BLE001 - as in the journal
            self._broken(fault)
            return
        took = self._reactor.seconds() - began
        if took > 0:
            self._limit = max(LEAST, min(MOST, 2 * self._limit, int(self._limit * STEP / took)))
        else:
            self._limit = min(MOST, 2 * self._limit)
        self._call = self._reactor.callLater(ROUND if ended else max(PAUSE, SHARE * took), self._turn)

    def _step(self) -> bool:
        """One step; whether the round is at its end."""
        if self._steps is None:
            self._steps = self._store.expire(self._round(), lambda: self._limit)
        step = next(self._steps, None)
        if step is None:
            self._steps = None
            self._tell()
            return True
        for kind, rule, amount, size, *_ in step:
            before = self._freed.get((kind, rule), (0, 0))
            self._freed[kind, rule] = (before[0] + amount, before[1] + size)
        return False

    def _round(self) -> Due:
        """What is due in a new round."""
        today, seconds = self._go_on(), self._reactor.seconds()
        due = self._due(today)
        if seconds < self._again_at:
            return due
        self._again_at = seconds + AGAIN
        return replace(due, again=True)

    def _go_on(self) -> int:
        """Today, at most `HURRY` times as long after the last round's as has gone by since."""
        wall, seconds = self._now(), self._reactor.seconds()
        if self._today is None:
            self._today, self._looked = self._kept_today(wall), seconds - ROUND
        self._today = min(wall, self._today + round((seconds - self._looked) * HURRY * SECOND))
        self._looked = seconds
        behind = wall - self._today > DAY
        if behind and not self._behind:
            days = (wall - self._today) // DAY
            log.warning(
                "retention: by the clock %d days have gone by since it was last looked at; if the clock is wrong, "
                "mend it now: what is past its time is deleted at a day an hour",
                days,
            )
        self._behind = behind
        self._store.write(Change(cursors=[Cursor(TODAY, 0, self._today, wall)]))
        return self._today

    def _kept_today(self, wall: int) -> int:
        """As the last engine left it; before the first, as young as the youngest message."""
        kept = next((cursor.position for cursor in self._store.cursors() if cursor.name == TODAY), None)
        if kept is None:
            newest = self._store.messages(MessageFilter(), None, 1)
            kept = newest[0].recorded_at if newest else wall
        return kept

    def _tell(self) -> None:
        """Once a day what went, in the log, in the stream of events and in the audit trail."""
        day = self._now() // DAY
        if not self._freed or day == self._told:
            return
        freed, self._freed, self._told = self._freed, {}, day
        words = "; ".join(
            f"{amount:,} {'pages given back' if kind == 'space' else kind if rule == kind else f'{kind} ({rule})'}, "
            f"{megabytes(size)}"
            for (kind, rule), (amount, size) in sorted(freed.items())
        )
        log.info("retention: %s", words)
        data = {f"{kind}:{rule}": f"{amount} {size}" for (kind, rule), (amount, size) in sorted(freed.items())}
        now = self._now()
        detail = msgspec.json.encode(data).decode()
        self._store.write(
            Change(
                events=[Event("casecart.retention.deleted", "store", "", now, data)],
                audit=[AuditRecord(now, "engine", "retention.delete", "store", detail)],
            )
        )


def megabytes(size: int) -> str:
    """`12.3 MB`."""
    return f"{size / 1e6:,.1f} MB"
