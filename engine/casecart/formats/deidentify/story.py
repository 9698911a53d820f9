"""What is known of messages before anything in them is replaced: their values, and what else hangs together."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from casecart.formats.deidentify.days import day_in
from casecart.formats.deidentify.device import said
from casecart.formats.deidentify.links import named
from casecart.formats.deidentify.rules import KEPT, settled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from casecart.formats.deidentify.documents import Document
    from casecart.formats.deidentify.rules import Leaf, Rule, Turn

__all__ = ["Story", "code_in", "looking"]

_LIFETIME: Final = 89  # years


@dataclass(slots=True)
class Story:
    """What is known of all messages before anything is replaced."""

    today: date
    leaves: list[list[Leaf]] = field(default_factory=list)
    supplies: set[str] = field(default_factory=set)
    replaced: list[tuple[Rule, str]] = field(default_factory=list)
    kept: list[tuple[Rule, str]] = field(default_factory=list)
    days: dict[str, set[date]] = field(default_factory=dict)
    fixed: dict[str, set[date]] = field(default_factory=dict)
    latest: dict[str, date] = field(default_factory=dict)
    strays: set[tuple[Rule, str]] = field(default_factory=set)
    """Values that would stay, and hold something that goes."""

    def chosen(self, rule: Rule, leaf: Leaf) -> Rule:
        """The rule for a value, once it is known what else is replaced."""
        return "identifier" if (rule, leaf.value) in self.strays else rule

    def rule(self, leaf: Leaf) -> Rule:
        """The rule for a value by its place, and by what is known of supplies."""
        return settled(leaf, self.supplies, self.today)

    def gather(self, documents: Sequence[Document]) -> None:
        """Looks at every value of all documents."""
        for document in documents:
            found: list[Leaf] = []
            document.turned(looking(found))
            self.leaves.append(found)
        for leaf in (leaf for leaves in self.leaves for leaf in leaves):
            if leaf.rule == "supply":
                self.supplies.add(leaf.value.strip())
            elif (code := code_in(self.rule(leaf), leaf.value)) is not None:
                self.supplies |= said(code, self.today)[0]
        for document, leaves in zip(documents, self.leaves, strict=True):
            for leaf in leaves:
                self._note(self.rule(leaf), leaf.value, document.patient)

    def _note(self, rule: Rule, value: str, patient: str) -> None:
        found = day_in(value.strip())
        if rule in {"date", "birth"} and found is not None:
            self.days.setdefault(patient, set()).add(found.day)
            if rule == "date" and found.day.year >= self.today.year - _LIFETIME:  # earlier ones may be a birth
                self.latest[patient] = max(self.latest.get(patient, found.day), found.day)
        if rule == "device-date" and found is not None:
            self.fixed.setdefault(patient, set()).add(found.day)
        if (code := code_in(rule, value)) is not None:
            stays, goes, days = said(code, self.today)
            self.kept += [("supply", each) for each in stays]
            self.fixed.setdefault(patient, set()).update(days)
            self.replaced += [("serial", each) for each in goes] or ([] if stays else [("identifier", value)])
        elif rule == "link":
            self.replaced += [("id" if "/" in value else "label", value[begin:end]) for begin, end in named(value)]
        elif rule in KEPT:
            self.kept.append((rule, value))
        elif rule not in {"description", "age", "data"}:
            self.replaced.append((rule, value))


def looking(found: list[Leaf]) -> Turn:
    """Leaves every value as it is, and adds it to `found`."""

    def look(leaf: Leaf) -> str:
        found.append(leaf)
        return leaf.value

    return look


def code_in(rule: Rule, value: str) -> str | None:
    """A device's code, taken out of what it is written in."""
    if rule == "udi":
        return value.strip("\r\n\t")
    if rule != "base64-udi":
        return None
    try:
        return base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
