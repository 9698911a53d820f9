"""Case: where a surgical case or visit is, as schedules and visits tell it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

__all__ = ["TOLD", "Case"]

TOLD: Final = ("department", "location")
"""What is told of a case, and may be filled into its lines."""


class Case(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one message says of one case. None: it says nothing; empty: there is none any more."""

    facility: str | None = None
    case: str | None = None
    """As in `Usage`: the two meet by its value."""
    change: Literal["put", "remove"] | None = None
    """`remove`: the case is cancelled, and nothing of what was told of it holds. None is `put`."""
    department: str | None = None
    location: str | None = None
    """The room."""
