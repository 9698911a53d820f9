"""Notes in the store of whether the disk has room, for `casecart status`, and one line in the log each time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from casecart.runtime.marks import DISK
from casecart.runtime.retention import megabytes
from casecart.store import Change, Cursor, Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.watermark import Watermark
    from casecart.store import Store

__all__ = ["DiskMarks"]

log = logging.getLogger(__name__)


class DiskMarks:
    """Of the disk of one store.

    Args:
        store: where the notes are.
        watermark: looks at its disk.
        now: wall clock, µs since 1970.
    """

    def __init__(self, store: Store, watermark: Watermark, now: Callable[[], int]) -> None:
        self._store, self._watermark, self._now = store, watermark, now

    def look(self, *, first: bool = False) -> None:
        """Take nothing more below the mark, and again above it. Raises as `Store.write`."""
        watermark = self._watermark
        changed = watermark.look()
        if first and not watermark.low:  # an engine that ended meanwhile may have left its mark
            changed = any(cursor.name == DISK and cursor.position for cursor in self._store.cursors())
        if not changed:
            return
        free, reserve, now = megabytes(watermark.free), megabytes(watermark.reserve), self._now()
        if watermark.low:
            log.error(
                "the disk of the store has %s left, and %s are its reserve: nothing is taken or acknowledged until "
                "there is room again; senders keep their messages, and what was taken goes out",
                free,
                reserve,
            )
        else:
            log.warning("the disk of the store has %s left: messages are taken again", free)
        kind = "casecart.intake.closed" if watermark.low else "casecart.intake.opened"
        self._store.write(
            Change(
                cursors=[Cursor(DISK, 0, now if watermark.low else 0, watermark.free)],
                events=[Event(kind, "disk", "", now, {"free": str(watermark.free), "reserve": str(watermark.reserve)})],
            )
        )
