"""A line that two channels may tell of: a thing with a serial number is one line of its case, whoever tells of it.

Each channel's statements are folded by themselves. The first channel that tells of the thing has it posted; another
one that says the same changes nothing. What a channel says after they agreed is a correction: it holds, and the others
are expected to follow. What was never agreed on is a question for a person, and nothing is posted for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.rules.ledger import SHARED, net, target
from casecart.rules.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.canonical.consumption import Consumption
    from casecart.rules.ledger import Line, Said

__all__ = ["TOLD_OTHERWISE", "Word", "differences", "is_shared", "of_another"]

TOLD_OTHERWISE: Final = "told-otherwise"
"""Code of the exception for what another channel told differently."""

_COMPARED: Final = {
    "item": "item",
    "di": "device identifier",
    "lot": "lot",
    "serial": "serial number",
    "expiry": "expiry date",
}


def is_shared(line: str) -> bool:
    """Whether a line is named after a serial number."""
    return line.startswith(SHARED)


def differences(one: Consumption, other: Consumption) -> list[str]:
    """What two tell differently of a thing, in words. What only one of them tells is no difference."""
    return [
        words
        for name, words in _COMPARED.items()
        if None not in (values := {getattr(one, name), getattr(other, name)}) and len(values) > 1
    ]


class Word:
    """What a channel says of a line that another one has told of.

    Attributes:
        own: what it comes to by its own statements so far.
        wanted: what it comes to with this one.
        stands: the statement that it is compared with, of another channel if one counts.
        why: they don't agree, and never did; None: it can be taken.
        old: a newer one of its own stands over it, or it is told once more.
    """

    def __init__(self, said: Said, known: Line, others: Sequence[Said]) -> None:
        mine = [each for each in known.said if each.channel == said.channel]
        self.own = net(mine)
        self.wanted = said.quantity if said.replaces else self.own + said.quantity
        self.old = said.replaces and any(
            each.replaces
            and (each.version > said.version or (each.version == said.version and each.quantity == said.quantity))
            for each in mine
        )
        used = net(known.said)
        self.stands = next((each for quantity, each in target(known.said).values() if quantity > 0), others[-1])
        different = differences(said.document, self.stands.document) if self.wanted > 0 else []
        if self.wanted != used and not (mine and self.own == used):
            different.append("quantity")
        self.why = _otherwise(others[-1], different) if different else None

    def on(self, said: Said) -> Said:
        """The statement about the very thing that is posted, wherever the other channel takes it from."""
        return said._replace(destination=self.stands.destination, kind=self.stands.kind, document=self.stands.document)


def of_another(said: Said, known: Line | None) -> Word | None:
    """How a statement fits what other channels told of its line; None where no other one told anything."""
    others = [each for each in known.said if each.channel != said.channel] if known is not None else []
    return Word(said, known, others) if known is not None and others else None


def _otherwise(other: Said, different: Sequence[str]) -> Trouble:
    what = " and ".join(filter(None, (", ".join(different[:-1]), different[-1])))
    words = (
        f"Channel {other.channel} told of this thing, too (message {other.position}, {other.place}), with another "
        f"{what}, and that stands so far. Find out which is right: have the wrong one corrected by its sender and work "
        "this line again, or reject it."
    )
    return Trouble(TOLD_OTHERWISE, "", words, "")
