"""What the compiled mapping calls when something is wrong with a field; never on the way of a good line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casecart.mapping.problem import Problem
from casecart.mapping.value import fault, read
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from casecart.mapping.plan import FieldPlan

__all__ = ["Found", "Trouble"]


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A problem that doesn't know its line yet; in the order of the mapping's fields."""

    order: int
    code: str
    field: str
    path: str
    words: str

    def at(self, place: str) -> Problem:
        """The problem of this line."""
        return Problem(place, self.code, self.field, self.path, self.words)


class Trouble:
    """Says what is wrong with one field. Nothing in it repeats the message."""

    def __init__(self, plan: FieldPlan) -> None:
        self._plan = plan

    def _found(self, code: str, words: str, path: str | None = None) -> tuple[Found]:
        place = self._plan.place if path is None else path
        return (Found(self._plan.order, code, self._plan.name, place, words),)

    def missing(self) -> tuple[Found]:
        """No source has a value."""
        where = f"at {self._plan.place}" if len(self._plan.paths) == 1 else f"at any of {self._plan.place}"
        words = f"{self._plan.name} is required, and there is no value {where}"
        return self._found("missing", words)

    def unreadable(self, text: str, time_zone: ZoneInfo, path: str | None = None) -> tuple[Found]:
        """The text is not in the table, or not of the type."""
        plan = self._plan
        if plan.codes is not None:
            words = (
                f"the code for {plan.name} is not in the table {plan.codes.name}: add a row for it, or a * row for "
                "every code without one of its own"
            )
            return self._found("code-not-in-table", words, path)
        code = fault(text, plan.type, time_zone)
        return self._found(code, f"{plan.name} {_FAULTS[code]}", path)

    def not_allowed(self) -> tuple[Found]:
        """The document doesn't have this value."""
        plan = self._plan
        allowed = " or ".join(sorted(plan.allowed or ()))
        words = f"{plan.name} can only be {allowed}: leave such lines out by where, or have a table give one of these"
        return self._found("not-allowed", words)

    def sign(self) -> tuple[Found]:
        """The quantity is negative where it can't be."""
        if self._plan.sign is None:
            words = "the quantity is negative, and the mapping doesn't say what that means: give quantity a sign"
        elif self._plan.sign == "by-action":
            words = "the quantity is negative, and the action doesn't take anything back"
        else:
            words = "the quantity is negative, and the action takes back already: that would be a double negative"
        return self._found("quantity-sign", words)

    def settle(
        self, sources: Sequence[str | tuple[str, ...] | None], time_zone: ZoneInfo
    ) -> tuple[object, tuple[Found, ...]]:
        """The value that sources with different texts agree on, or the problem that there is none.

        Args:
            sources: what each path gave.
            time_zone: of the sender.
        """
        plan = self._plan
        values: list[object] = []
        paths: list[str] = []
        for path, texts in zip(plan.paths, sources, strict=True):
            for text in (texts,) if isinstance(texts, str) else texts or ():
                value = self._read(text, time_zone)
                if value is None:
                    return None, self.unreadable(text, time_zone, str(path))
                values.append(value)
                paths.append(str(path))
        if any(value != values[0] for value in values):
            named = list(dict.fromkeys(paths))
            say = f"{listed(named)} say" if len(named) > 1 else f"the repetitions of {named[0]} say"
            words = f"{say} different things about {plan.name}: find out which is right"
            return None, self._found("conflict", words, ", ".join(named))
        return values[0], ()

    def _read(self, text: str, time_zone: ZoneInfo) -> object:
        if self._plan.codes is not None:
            return self._plan.codes.values.get(text, self._plan.codes.default)
        return read(text, self._plan.type, time_zone)


_FAULTS = {
    "not-a-number": "is not a number as HL7 writes it: digits, perhaps a sign and a decimal point, nothing else",
    "not-a-date": "is not a date as HL7 writes it: YYYYMMDD, perhaps with a time behind it",
    "date-precision": "is less exact than it must be: the sender gave only a part of it",
    "time-ambiguous": "has a time without an offset that the sender's clock showed twice, as summer time ended",
    "time-skipped": "has a time without an offset that the sender's clock never showed, as summer time began",
}
