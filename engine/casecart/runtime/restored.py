"""What is remembered of a restore: the store is behind the world, and a destination may have had what it does not know.

Each memory is a timer's row, due when it can be forgotten: under the owner `RESTORED` one for the whole store (its key
is empty) and one for each destination that is looked after; under `found_owner` what a destination had under our
references that the ledger does not know; under `told_owner` the lines that were given to a person because of it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from casecart.store import Timer
from casecart.store.change import RESTORED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.canonical.movement import Movement

__all__ = [
    "FORGOTTEN",
    "NEW_NAMES",
    "RESTORED",
    "Found",
    "Mark",
    "Moved",
    "found_of",
    "found_owner",
    "found_row",
    "line_of",
    "mark_of",
    "mark_row",
    "thing_of",
    "told_of",
    "told_owner",
]

_DAY: Final = 86_400 * 1_000_000

FORGOTTEN: Final = 400 * _DAY
"""µs until a memory is forgotten: as long as a replay could come."""

NEW_NAMES: Final = 30 * _DAY
"""µs in which a destination that the restore did not name must be reconciled too: it may have been there before."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is with a destination after a restore."""

    backup: str
    """The name of its file, for people."""
    taken_at: int
    """All that was committed before is in the store, µs since 1970."""
    restored_at: int
    phase: Literal["restored", "reconciled", "released"] = "restored"
    """`restored`: nothing goes out; `reconciled`: nor does it now, and a person may release it."""
    asked: bool = False
    """Whether the destination told what it has that the ledger does not know."""
    released_at: int = 0


Thing = tuple[str, str, str, str]
"""Item, lot, from, to."""


class Moved(msgspec.Struct, frozen=True, array_like=True):
    """One movement of what was found."""

    item: str
    lot: str
    source: str
    target: str
    day: str
    quantity: Decimal

    @property
    def thing(self) -> Thing:
        """What it is of, and its way."""
        return (self.item, self.lot, self.source, self.target)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a destination has under one reference of ours."""

    reference: str
    number: str
    key: str
    """Of the first posting that went out under it; empty: the reference does not tell."""
    moved: tuple[Moved, ...]


_encode = msgspec.json.Encoder().encode
_mark = msgspec.json.Decoder(Mark).decode
_found = msgspec.json.Decoder(Found).decode


def found_owner(destination: str) -> str:
    """Whose rows are what was found there."""
    return f"{RESTORED}:found:{destination}"


def told_owner(destination: str) -> str:
    """Whose rows are the lines that a person was asked about."""
    return f"{RESTORED}:told:{destination}"


def line_of(key: str) -> str:
    """What the keys of a line's postings have in common."""
    return key.rpartition(".")[0]


def mark_row(destination: str, mark: Mark) -> Timer:
    """A mark as it is kept."""
    lasts = FORGOTTEN if destination else NEW_NAMES
    return Timer(RESTORED, destination, mark.restored_at + lasts, _encode(mark).decode())


def mark_of(timers: Iterable[Timer], destination: str, now: int) -> Mark | None:
    """How far it is with a destination; None: no restore concerns it."""
    rows = {timer.key: timer for timer in timers if timer.owner == RESTORED}
    row = rows.get(destination) or rows.get("")
    if row is None:
        return None
    mark = _mark(row.data)
    # What nobody has released is never forgotten.
    forgotten = row.due_at <= now and (mark.phase == "released" or not row.key)
    return None if forgotten else mark


def found_row(destination: str, found: Found, forget_at: int) -> Timer:
    """What was found, as it is kept."""
    return Timer(found_owner(destination), found.reference, forget_at, _encode(found).decode())


def found_of(timers: Iterable[Timer], destination: str, now: int) -> list[Found]:
    """What was found there and is not forgotten."""
    owner = found_owner(destination)
    return [_found(timer.data) for timer in timers if timer.owner == owner and timer.due_at > now]


def told_of(timers: Iterable[Timer], destination: str) -> set[str]:
    """The lines that a person was asked about."""
    owner = told_owner(destination)
    return {timer.key for timer in timers if timer.owner == owner}


def thing_of(movement: Movement) -> Thing:
    """What a movement is of, and its way."""
    return (movement.item, movement.lot, movement.source, movement.target)
