"""Whether the moves of a shipment are what was to be posted."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.destinations.tryton.client import Record
    from casecart.destinations.tryton.line import Line, Movement

__all__ = ["FIELDS", "Fit", "fits", "moved", "other", "plain", "quantity_of", "thing_of"]

FIELDS: Final = (
    "moves.state",
    "moves.quantity",
    "moves.product.code",
    "moves.lot.number",
    "moves.from_location.code",
    "moves.from_location.rec_name",
    "moves.to_location.code",
)
"""What must be read of a shipment, beside its state."""

Fit = Literal["same", "absent", "differs"]
"""`absent`: surely nothing of the line is in the shipment; `differs`: not what was to be, and maybe some of it."""


def fits(record: Record, lines: Sequence[Line], *, whole: bool) -> dict[str, Fit]:
    """How each line is found in a shipment, by key.

    Args:
        record: with `FIELDS`. Only moves that are as far as the shipment itself count.
        lines: postings that it is for.
        whole: whether these are just what it was made of; else it may hold more, and may have been made without some.
    """
    there, wanted = _sums(record), _wanted(lines)
    spare = {movement[0] for movement, quantity in there.items() if quantity > wanted.get(movement, 0)}
    found: dict[str, Fit] = {}
    for line in lines:
        is_, should = there.get(line.movement, Decimal(0)), wanted[line.movement]
        if is_ == should or (is_ > should and not whole):
            found[line.key] = "same"
        elif not whole and not is_ and line.item not in spare:
            found[line.key] = "absent"
        else:
            found[line.key] = "differs"
    return found


def moved(record: Record, line: Line) -> Decimal:
    """How much of a line's lot goes the line's way in a shipment."""
    return _sums(record).get(line.movement, Decimal(0))


def other(record: Record, lines: Sequence[Line]) -> str:
    """The first thing in a shipment that none of the lines speaks of, for people; empty: there is none."""
    wanted = _wanted(lines)
    for move in record.get("moves") or ():
        if _counts(move, record) and _movement(move) not in wanted:
            item, lot = thing_of(move)
            place = _of(move, "from_location", "code") or _of(move, "from_location", "rec_name")
            return f"item {item}" + (f", lot or serial number {lot}," if lot else "") + f" from {place}"
    return ""


def thing_of(move: Record) -> tuple[str, str]:
    """Item, and lot or serial number, of a move."""
    return (_of(move, "product", "code"), _of(move, "lot", "number"))


def quantity_of(move: Record) -> Decimal:
    """How much a move moves."""
    return Decimal(str(move.get("quantity") or 0))


def plain(quantity: Decimal) -> str:
    """A quantity as people write it."""
    return f"{quantity.normalize():f}"


def _sums(record: Record) -> dict[Movement, Decimal]:
    sums: defaultdict[Movement, Decimal] = defaultdict(Decimal)
    for move in record.get("moves") or ():
        if _counts(move, record):
            sums[_movement(move)] += quantity_of(move)
    return sums


def _wanted(lines: Sequence[Line]) -> dict[Movement, Decimal]:
    sums: defaultdict[Movement, Decimal] = defaultdict(Decimal)
    for line in lines:
        sums[line.movement] += line.quantity
    return sums


def _counts(move: Record, record: Record) -> bool:
    return bool(move.get("state") == record.get("state"))


def _movement(move: Record) -> Movement:
    return (*thing_of(move), _of(move, "from_location", "code"), _of(move, "to_location", "code"))


def _of(move: Record, name: str, field: str) -> str:
    related = move.get(name)
    return str(related.get(field) or "") if isinstance(related, dict) else ""
