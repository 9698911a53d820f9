"""The ledger's fold: from all that was stated about a line to what a destination must still do so that it is so.

The target of a line is the fold of its statements, by thing and destination. What is posted is the target less what the
destination has confirmed, and a line has one unconfirmed posting at most: while one is on its way, nothing is due.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from casecart.canonical.consumption import Consumption

__all__ = ["SHARED", "THING", "Due", "Line", "Movement", "Said", "due", "net", "standing", "target", "thing"]

THING: Final = ("item", "di", "lot", "serial", "unit", "location", "disposition", "ownership", "cost_center")
"""Fields of a document that tell one thing from another; where no product is told, the charge code does, too."""

SHARED: Final = "device-"
"""How a line is named that is named after its serial number; the digest of that follows (`rules.shared_line`)."""

_ZERO: Final = Decimal(0)

Effect = Literal["open", "done", "none", "unsure"]
"""Of a posting: on its way; confirmed; surely without effect; given up without knowing."""


class Said(NamedTuple):
    """One statement about a line, from one place of one message."""

    position: int
    place: str
    channel: str
    destination: str
    kind: str
    """Of the posting that it calls for."""
    quantity: Decimal
    """What it adds, below zero for a credit; or what the line comes to."""
    replaces: bool
    """It stands over all that was said before, and adds nothing."""
    version: int
    """Of two that replace, the higher one stands."""
    document: Consumption
    """What is posted for it, but for key, revision, action and quantity."""

    @property
    def source(self) -> tuple[int, str, str]:
        """Where it comes from: a later statement from there, of a replay, takes its place."""
        return (self.position, self.place, self.channel)


class Movement(NamedTuple):
    """A posting of a line."""

    key: str
    revision: int
    destination: str
    effect: Effect
    state: str
    quantity: Decimal
    """Below zero where it takes a use back."""
    document: Consumption
    position: int
    """The message whose statement it was made for."""
    channel: str


class Due(NamedTuple):
    """A posting that must be made."""

    destination: str
    kind: str
    quantity: Decimal
    document: Consumption
    reverses: str | None
    """The key of the posting that it takes back, or takes back in part."""


@dataclass(slots=True)
class Line:
    """All that was stated about a line, in the order of its coming, and what was posted for it."""

    said: list[Said] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)

    @property
    def revision(self) -> int:
        """The number of the last posting; 0: none yet."""
        return max((movement.revision for movement in self.movements), default=0)

    @property
    def on_its_way(self) -> bool:
        """Whether the destination has yet to say what became of a posting."""
        return any(movement.effect == "open" for movement in self.movements)

    @property
    def unsure(self) -> Movement | None:
        """A posting that nobody knows the outcome of."""
        return next((movement for movement in self.movements if movement.effect == "unsure"), None)


def thing(document: Consumption) -> bytes:
    """What a posting is about, and from where: two postings of the same thing can be set off against each other."""
    values = [getattr(document, name) or "" for name in THING]
    if document.item is None and document.di is None:
        values.append(document.charge_code or "")
    return blake2b("\0".join(values).encode(), digest_size=8).digest()


def standing(said: Iterable[Said]) -> list[Said]:
    """The statements that count: those over which no other one stands.

    Of a line that several channels tell of, those of the channel that was the last to be taken at its word.
    """
    counting = list({statement.source: statement for statement in said}.values())
    if counting and counting[-1].document.line.startswith(SHARED):
        counting = [statement for statement in counting if statement.channel == counting[-1].channel]
    replacing = [statement for statement in counting if statement.replaces]
    if replacing:
        last = max(replacing, key=lambda statement: (statement.version, statement.position))
        counting = [last, *(each for each in counting if not each.replaces and each.position > last.position)]
    return counting


def target(said: Iterable[Said]) -> Mapping[tuple[str, bytes], tuple[Decimal, Said]]:
    """What a line comes to: by destination and thing, how many, and the last statement that named it."""
    folded: dict[tuple[str, bytes], tuple[Decimal, Said]] = {}
    for statement in standing(said):
        key = (statement.destination, thing(statement.document))
        folded[key] = (folded[key][0] + statement.quantity if key in folded else statement.quantity, statement)
    return folded


def net(said: Iterable[Said]) -> Decimal:
    """How many are used, of whatever."""
    return sum((quantity for quantity, _ in target(said).values()), _ZERO)


def due(line: Line) -> Sequence[Due]:
    """What must be posted so that the line is as it was stated; first what is taken back.

    More is never taken back than was posted: a credit that came before its charge waits for it. Only to be asked when
    nothing is on its way and nothing unsure.
    """
    folded = target(line.said)
    confirmed: dict[tuple[str, bytes], Decimal] = {}
    last: dict[tuple[str, bytes], Movement] = {}
    for movement in line.movements:
        if movement.effect == "done":
            key = (movement.destination, thing(movement.document))
            confirmed[key] = confirmed.get(key, _ZERO) + movement.quantity
            if movement.quantity > 0:
                last[key] = movement
    kinds = {statement.destination: statement.kind for statement in line.said}
    back, out = [], []
    for key in {**confirmed, **folded}:
        wanted = max(folded[key][0], _ZERO) if key in folded else _ZERO
        change = wanted - confirmed.get(key, _ZERO)
        if change < 0 and key in last:
            posted = last[key]
            back.append(Due(key[0], kinds[key[0]], change, posted.document, posted.key))
        elif change > 0:
            statement = folded[key][1]
            out.append(Due(key[0], statement.kind, change, statement.document, None))
    return back + out
