"""What the ledger has posted for a day against what an ERP says was moved on it, both ways.

What belongs together is found by the reference first, then by item, lot, quantity and places. Several of the same thing
count by their sum: an ERP may keep two postings as one movement, or one as two.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from casecart.canonical.movement import Movement

__all__ = ["CANCELLED", "DONE", "Difference", "DifferenceKind", "Posted", "PostedEffect", "Reconciled", "reconcile"]

DONE: Final = "done"
CANCELLED: Final = "cancelled"

PostedEffect = Literal["posted", "by hand", "on the way", "not posted"]
"""Of a posting: the destination confirmed it; a person said that it is in the books; not answered yet; neither."""

DifferenceKind = Literal["not-moved", "differs", "not-in-ledger", "not-posted", "leftover", "not-comparable"]

_FIELDS: Final = {"lot": "lot", "quantity": "quantity", "source": "from", "target": "to", "day": "day"}
_NEAR: Final = 1
"""In how many fields two may differ that nothing but their likeness brings together."""

T = TypeVar("T")


class Posted(NamedTuple):
    """A posting of the ledger."""

    key: str
    position: int
    """The message that it was made for, and where in it."""
    place: str
    state: str
    effect: PostedEffect
    group: str
    """The reference that it went out under; empty: none, or given up."""
    expected: Movement | None
    """What it comes to; None: that can't be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that the ledger and the ERP say otherwise."""

    kind: DifferenceKind
    words: str
    fields: Sequence[str] = ()
    """With ``differs``: of lot, quantity, from, to and day those that do."""
    postings: Sequence[Posted] = ()
    posted: Movement | None = None
    """What the postings come to."""
    moved: Movement | None = None


@dataclass(slots=True)
class Reconciled:
    """What a comparison found."""

    agreeing: int = 0
    """Postings that were moved just so."""
    on_the_way: int = 0
    """Postings that are not answered yet: nothing is said of them."""
    differences: list[Difference] = field(default_factory=list)


class _Wanted(NamedTuple):
    """Postings of one thing, by their sum, and what they come to."""

    postings: tuple[Posted, ...]
    movement: Movement


def reconcile(postings: Iterable[Posted], movements: Iterable[Movement]) -> Reconciled:
    """Compare.

    Args:
        postings: those of the day, in any state, and all that have the reference of a movement.
        movements: of the day.

    Returns:
        How many agree, and every difference, in a stable order.
    """
    return _Comparison(list(postings), list(movements)).made()


class _Comparison:
    def __init__(self, postings: list[Posted], movements: list[Movement]) -> None:
        self._found = Reconciled()
        self._postings = postings
        self._movements = movements
        self._by_group: defaultdict[str, list[Movement]] = defaultdict(list)
        for movement in movements:
            if movement.ours:
                self._by_group[movement.reference].append(movement)

    def made(self) -> Reconciled:
        by_group: defaultdict[str, list[Posted]] = defaultdict(list)
        for posting in self._postings:
            if posting.effect == "on the way":
                self._found.on_the_way += 1
            if posting.expected is not None:
                by_group[posting.group].append(posting)
            elif posting.effect in ("posted", "by hand"):
                words = (
                    "It can't be told any more from where to where it was posted: look at the destination's settings."
                )
                self._tell(Difference(kind="not-comparable", words=words, postings=(posting,)))
        wanted = [each for each in by_group.pop("", ()) if each.effect in ("posted", "by hand")]
        moved = [each for each in self._movements if each.state == DONE and not each.ours]
        for group, members in by_group.items():
            done = [each for each in self._by_group[group] if each.state == DONE]
            left, over = self._group(members, done)
            wanted += left
            moved += over
        for group, ours in self._by_group.items():
            if group not in by_group:
                moved += [each for each in ours if each.state == DONE]
        wanted, moved = self._same(wanted, moved)
        wanted, moved = self._alike(wanted, moved, most=_NEAR)
        self._leftovers(by_group, [self._not_moved(each) for each in _wanted(wanted)])
        for movement in moved:
            self._tell(_not_in_ledger(movement))
        self._found.differences.sort(key=_order)
        return self._found

    def _group(self, members: Sequence[Posted], done: list[Movement]) -> tuple[list[Posted], list[Movement]]:
        """Compare what has one reference; gives what is left of both."""
        wanted = [each for each in members if each.effect in ("posted", "by hand")]
        wanted, done = self._same(wanted, done)
        _, done, _ = _matched([each for each in members if each.effect == "on the way"], done)
        _, done, pairs = _matched([each for each in members if each.effect == "not posted"], done)
        for postings, moved in pairs:
            self._tell(_not_posted(postings, moved))
        return self._alike(wanted, done, most=len(_FIELDS))

    def _same(self, wanted: list[Posted], moved: list[Movement]) -> tuple[list[Posted], list[Movement]]:
        wanted, moved, pairs = _matched(wanted, moved)
        self._found.agreeing += sum(len(postings) for postings, _ in pairs)
        return wanted, moved

    def _alike(
        self, postings: list[Posted], movements: list[Movement], *, most: int
    ) -> tuple[list[Posted], list[Movement]]:
        """Bring together what is of one item and differs in a few fields, the nearest first."""
        wanted, moved = _wanted(postings), _moved(movements)
        by_item: defaultdict[str, list[int]] = defaultdict(list)
        for number, (_, whole) in enumerate(moved):
            by_item[whole.item].append(number)
        near = sorted(
            (len(fields), left, right)
            for left, each in enumerate(wanted)
            for right in by_item[each.movement.item]
            if len(fields := _differing(each.movement, moved[right][1])) <= most
        )
        used_left: set[int] = set()
        used_right: set[int] = set()
        for _, left, right in near:
            if left in used_left or right in used_right:
                continue
            used_left.add(left)
            used_right.add(right)
            self._tell(_differs(wanted[left], moved[right][1]))
        return (
            [each for left, one in enumerate(wanted) if left not in used_left for each in one.postings],
            [each for right, one in enumerate(moved) if right not in used_right for each in one[0]],
        )

    def _not_moved(self, wanted: _Wanted) -> str:
        """Tell it; gives the reference of a shipment that was told with it."""
        posting = wanted.postings[0]
        there = None
        if posting.effect == "by hand":
            words = "A person said that it is in the books, and nothing like it was moved on this day."
        else:
            there = next((each for each in self._by_group.get(posting.group, ()) if each.state != DONE), None)
            words = f"It was posted under {posting.group or 'no reference'}, and nothing like it was moved on this day."
        if there is not None:
            named = f" {there.number}" if there.number else ""
            words = f"It was posted under {posting.group}, and that shipment{named} is {there.state} now."
        self._tell(
            Difference(kind="not-moved", words=words, postings=wanted.postings, posted=wanted.movement, moved=there)
        )
        return "" if there is None else posting.group

    def _leftovers(self, by_group: dict[str, list[Posted]], told: Sequence[str]) -> None:
        """Shipments of ours that are neither done nor cancelled, one difference each."""
        seen: set[tuple[str, str]] = set()
        for group, movements in self._by_group.items():
            if group in told or any(each.effect == "on the way" for each in by_group.get(group, ())):
                continue
            for movement in movements:
                shipment = (group, movement.number)
                if movement.state not in (DONE, CANCELLED) and shipment not in seen:
                    seen.add(shipment)
                    self._tell(_leftover(movement))

    def _tell(self, difference: Difference) -> None:
        self._found.differences.append(difference)


def _thing(movement: Movement) -> tuple[object, ...]:
    """What counts by its sum."""
    return (movement.item, movement.lot, movement.source, movement.target, movement.day)


def _expected(posting: Posted) -> Movement:
    assert posting.expected is not None  # noqa: S101 - those without are told before
    return posting.expected


def _matched(
    postings: list[Posted], movements: list[Movement]
) -> tuple[list[Posted], list[Movement], list[tuple[list[Posted], list[Movement]]]]:
    """What is left of both, and what is the same: by its sum, or each for itself."""
    by_thing = _by(postings, lambda posting: _thing(_expected(posting)))
    moved_by_thing = _by(movements, _thing)
    left: list[Posted] = []
    over: list[Movement] = []
    pairs: list[tuple[list[Posted], list[Movement]]] = []
    for thing in {**by_thing, **moved_by_thing}:
        wanted, moved = by_thing.get(thing, []), moved_by_thing.get(thing, [])
        if (
            wanted
            and moved
            and sum(_expected(each).quantity for each in wanted) != sum(each.quantity for each in moved)
        ):
            rest = list(moved)
            for posting in wanted:
                same = next((each for each in rest if each.quantity == _expected(posting).quantity), None)
                if same is None:
                    left.append(posting)
                else:
                    rest.remove(same)
                    pairs.append(([posting], [same]))
            over += rest
        elif wanted and moved:
            pairs.append((wanted, moved))
        else:
            left += wanted
            over += moved
    return left, over, pairs


def _wanted(postings: list[Posted]) -> list[_Wanted]:
    """By thing and reference, with their sums."""
    grouped = _by(postings, lambda posting: (posting.group, _thing(_expected(posting))))
    return [_Wanted(tuple(each), _sum([_expected(posting) for posting in each])) for each in grouped.values()]


def _moved(movements: list[Movement]) -> list[tuple[list[Movement], Movement]]:
    """By thing and shipment, with their sums."""
    grouped = _by(movements, lambda movement: (movement.number, movement.reference, _thing(movement)))
    return [(each, _sum(each)) for each in grouped.values()]


def _by(each: Iterable[T], key: Callable[[T], object]) -> dict[object, list[T]]:
    found: dict[object, list[T]] = {}
    for one in each:
        found.setdefault(key(one), []).append(one)
    return found


def _sum(movements: Sequence[Movement]) -> Movement:
    quantity = sum((each.quantity for each in movements), Decimal(0))
    return msgspec.structs.replace(movements[0], quantity=quantity)


def _differing(one: Movement, other: Movement) -> list[str]:
    return [name for name in _FIELDS if getattr(one, name) != getattr(other, name)]


def _differs(wanted: _Wanted, moved: Movement) -> Difference:
    names = _differing(wanted.movement, moved)
    said = [f"{_FIELDS[name]} {_shown(wanted.movement, name)} and not {_shown(moved, name)}" for name in names]
    words = f"The ledger says {', '.join(said)}."
    fields = tuple(_FIELDS[name] for name in names)
    return Difference(
        kind="differs", words=words, fields=fields, postings=wanted.postings, posted=wanted.movement, moved=moved
    )


def _not_posted(postings: Sequence[Posted], moved: Sequence[Movement]) -> Difference:
    states = ", ".join(sorted({each.state for each in postings}))
    words = f"It was moved, and the ledger says {states}: look at `casecart worklist`, and fix it with --posted."
    posted = _sum([_expected(each) for each in postings])
    return Difference(kind="not-posted", words=words, postings=tuple(postings), posted=posted, moved=_sum(moved))


def _not_in_ledger(moved: Movement) -> Difference:
    if moved.ours:
        words = f"It was moved under {moved.reference}, and no posting of that reference comes to it."
    else:
        words = "It was moved by somebody else than casecart, and no posting comes to it."
    return Difference(kind="not-in-ledger", words=words, moved=moved)


def _leftover(moved: Movement) -> Difference:
    named = f" {moved.number}" if moved.number else ""
    words = (
        f"The shipment{named} of reference {moved.reference} is {moved.state}, and nobody will do it: cancel it there."
    )
    return Difference(kind="leftover", words=words, moved=moved)


def _shown(movement: Movement, name: str) -> str:
    value = getattr(movement, name)
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value or "none")


def _order(difference: Difference) -> tuple[object, ...]:
    """By message and place; then what is in the ERP only, by its numbers."""
    if difference.postings:
        first = difference.postings[0]
        return (0, first.position, first.place, first.key, difference.kind)
    moved = difference.moved
    assert moved is not None  # noqa: S101 - what has no posting was moved
    return (1, moved.number, moved.reference, *map(str, _thing(moved)), difference.kind)
