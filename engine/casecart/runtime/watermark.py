"""The disk's watermark: intake stops while there is still room to stop in, and goes on when there is room again.

A file system that is full stops everything: commits of what was posted, too. Below the mark nothing more is taken, so
that senders keep their messages; what was taken goes on its way, and what is past its time makes room.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Disk", "Watermark", "disk_of"]

USUAL: Final = 1 << 30
SHARE: Final = 20
"""Where nothing is configured: 1 GiB, or one in so many parts of a smaller disk."""

AGAIN: Final = 1.25
"""How much more than the reserve must be free before intake goes on: not to close and open every second."""


class Disk(NamedTuple):
    """A file system, in bytes."""

    free: int
    """For a user without privileges."""
    whole: int


def disk_of(folder: Path) -> Disk:
    """The file system that a folder is on. Raises `OSError`."""
    told = os.statvfs(folder)
    return Disk(told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize)


class Watermark:
    """Watches one disk.

    Args:
        look: tells how the disk is; None where it is another machine's.
        wanted: bytes that must stay free; None: the usual.
    """

    def __init__(self, look: Callable[[], Disk] | None, wanted: int | None) -> None:
        self._look, self.wanted = look, wanted
        self.low = False
        """Whether nothing may be taken now."""
        self.free = 0
        """Bytes, when it was last looked at."""
        self.reserve = 0
        """Bytes that must stay free."""

    def look(self) -> bool:
        """Looks at the disk; whether `low` is another than before."""
        if self._look is None:
            return False
        try:
            disk = self._look()
        except OSError:
            return False  # the store meets the same trouble, and tells it
        self.free = disk.free
        self.reserve = min(USUAL, disk.whole // SHARE) if self.wanted is None else self.wanted
        before = self.low
        self.low = disk.free < self.reserve * (AGAIN if before else 1)
        return self.low is not before
