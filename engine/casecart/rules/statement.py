"""A new statement about a case: which line it is about, and whether it can be taken at its word."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from casecart.rules.ledger import Line, Said, net, target, thing
from casecart.rules.shared_line import differences, is_shared, of_another
from casecart.rules.trouble import Trouble

if TYPE_CHECKING:
    from decimal import Decimal

    from casecart.canonical.consumption import Consumption
    from casecart.rules.shared_line import Word

__all__ = ["WAITS_FOR_CHARGE", "Case", "Repeat", "Taken"]

Repeat = Literal["hold", "add", "duplicate"]
"""What a second charge means, on a line that is charged already."""

WAITS_FOR_CHARGE: Final = "credit-without-charge"
"""Code of the exception for a credit that takes back what is not there, or not yet."""

_TROUBLE: Final = {
    "repeated-charge": "This line is charged already, and nothing says whether it is charged again or told twice.",
    WAITS_FOR_CHARGE: "A credit takes back what no charge of its case has put there so far.",
    "credit-ambiguous": "A credit fits several lines of its case, and nothing says which one it takes back.",
    "credit-differs": "A credit names its line, and another thing than was charged there.",
    "credit-exceeds": "A credit takes back more than was charged on its line.",
    "replay-differs": (
        "Worked again, this place of the message says something else than what was posted for it; look at the mapping, "
        "or correct the stock by hand."
    ),
}


@dataclass(slots=True)
class Taken:
    """A statement that was taken.

    Attributes:
        line: which line it is about.
        said: what is to be written down of it; of a credit that waited for its charge, that one too.
        linked: statements that waited, and don't any more.
    """

    line: str
    said: list[Said] = field(default_factory=list)
    linked: list[Said] = field(default_factory=list)


@dataclass(slots=True)
class Case:
    """The lines of a case, and the credits that wait for theirs."""

    lines: dict[str, Line] = field(default_factory=dict)
    waiting: list[tuple[str, Said]] = field(default_factory=list)
    """With the id that the sender gave the credit."""

    def take(self, line: str, said: Said, repeat: Repeat) -> Taken | Trouble:
        """Whether a statement can be taken, and as what. Nothing is changed by that.

        Args:
            line: the id that the sender gave it.
            said: with what it says itself.
            repeat: what a second charge on a line means.

        Returns:
            `Taken` without anything said where it adds nothing, or a trouble for a person.
        """
        before = self._said_before(said)
        if before is not None:
            return self._again(line, said, *before)
        word = of_another(said, self.lines.get(line)) if is_shared(line) else None
        return self._first(line, said, repeat) if word is None else self._second(line, said, word, repeat)

    def _first(self, line: str, said: Said, repeat: Repeat) -> Taken | Trouble:
        """About a line that this channel alone tells of, or that several speak of as one."""
        if said.replaces:
            return Taken(line, [said])
        if said.quantity < 0:
            return self._credit(line, said)
        known = self.lines.get(line)
        if known is not None and said.quantity > 0 and net(known.said) > 0:
            if repeat == "hold":
                return _trouble("repeated-charge")
            return Taken(line, [said] if repeat == "add" else [])
        return self._charge(line, said)

    def _said_before(self, said: Said) -> tuple[str, Said] | None:
        for name, line in self.lines.items():
            for other in reversed(line.said):
                if other.source == said.source:
                    return name, other
        return None

    def _again(self, line: str, said: Said, name: str, other: Said) -> Taken | Trouble:
        """The same place of the same message, worked again: what is posted stays."""
        of_it = _agree if is_shared(name) else _same_thing if said.quantity < 0 else _just_that
        if other.quantity == said.quantity and of_it(said.document, other.document):
            return Taken(name)
        posted = any(movement.effect != "none" for movement in self.lines[name].movements)
        if posted or line != name:
            return _trouble("replay-differs")
        return Taken(name, [said])

    def _second(self, line: str, said: Said, word: Word, repeat: Repeat) -> Taken | Trouble:
        """About a thing that another channel told of: it agrees, it corrects what it agreed on, or a person decides."""
        if word.old:
            return Taken(line)
        if not said.replaces and said.quantity > 0 and word.own > 0 and repeat != "add":
            return _trouble("repeated-charge") if repeat == "hold" else Taken(line)
        if word.wanted < 0:
            return _trouble("credit-exceeds" if word.own > 0 else WAITS_FOR_CHARGE)
        if word.why is not None:
            return word.why
        told = word.on(said)
        return Taken(line, [told]) if said.replaces or said.quantity <= 0 else self._charge(line, told)

    def _charge(self, line: str, said: Said) -> Taken:
        taken = Taken(line, [said])
        fits = [
            credit
            for name, credit in self.waiting
            if credit.quantity + said.quantity >= 0
            and (credit.channel == said.channel or not is_shared(line))
            and (name == line or (_numbered(credit.document) and _same_thing(credit.document, said.document)))
        ]
        if len(fits) == 1:
            taken.said.append(_on(fits[0], said))
            taken.linked.append(fits[0])
        return taken

    def _credit(self, line: str, said: Said) -> Taken | Trouble:
        """The line that it takes back: its own, or the only one of its case that fits."""
        if line in self.lines and net(self.lines[line].said) > 0:
            charged = _charged(self.lines[line], said.document)
            if len(charged) != 1:
                return _trouble("credit-ambiguous" if charged else "credit-differs")
            if charged[0][0] + said.quantity < 0:
                return _trouble("credit-exceeds")
            return Taken(line, [_on(said, charged[0][1])])
        fits = [
            (name, statement)
            for name, known in self.lines.items()
            for quantity, statement in _charged(known, said.document)
            if quantity + said.quantity >= 0
        ]
        # What a message uses in place of what it takes back is not what it takes back.
        fits = [fit for fit in fits if fit[1].position < said.position] or fits
        if len(fits) == 1:
            name, charge = fits[0]
            word = of_another(said, self.lines[name]) if is_shared(name) else None
            return Taken(name, [_on(said, charge)]) if word is None else self._second(name, said, word, "hold")
        return _trouble("credit-ambiguous" if fits else WAITS_FOR_CHARGE)


def _charged(line: Line, credited: Consumption) -> list[tuple[Decimal, Said]]:
    """What is used on a line and could be what a credit names."""
    return [
        (quantity, statement)
        for quantity, statement in target(line.said).values()
        if quantity > 0 and _same_thing(credited, statement.document)
    ]


def _same_thing(credited: Consumption, charged: Consumption) -> bool:
    """The same item, and no other lot or serial number. A credit may leave out what the charge told."""
    known = (credited.item, charged.item) if credited.item is not None else (credited.di, charged.di)
    if known[0] is None:
        known = (credited.charge_code, charged.charge_code)
    return (
        known[0] is not None
        and known[0] == known[1]
        and all(getattr(credited, name) in (None, getattr(charged, name)) for name in ("lot", "serial"))
    )


def _agree(one: Consumption, other: Consumption) -> bool:
    return not differences(one, other)


def _just_that(one: Consumption, other: Consumption) -> bool:
    return thing(one) == thing(other)


def _numbered(credited: Consumption) -> bool:
    return credited.lot is not None or credited.serial is not None


def _on(credit: Said, charge: Said) -> Said:
    """A credit of just what was charged, from where it was charged to."""
    return credit._replace(destination=charge.destination, kind=charge.kind, document=charge.document)


def _trouble(code: str) -> Trouble:
    return Trouble(code, "", _TROUBLE[code], "")
