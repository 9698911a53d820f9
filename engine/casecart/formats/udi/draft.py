"""A UDI that is being put together, value by value: what says two different things is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casecart.formats.udi.reading import Agency, Form, Udi, Wrong

if TYPE_CHECKING:
    from casecart.formats.udi.day import Day
    from casecart.formats.udi.note import Note
    from casecart.formats.udi.piece import Mark

__all__ = ["Draft"]


class Draft:
    """What was read so far.

    Args:
        text: the code.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.marks: list[Mark] = []
        self.notes: list[Note] = []
        self._values: dict[str, Any] = {}
        self._months: set[str] = set()

    def mark(self, kind: str, identifier: str, start: int, value: int, end: int) -> str:
        """Says what a part of the text is; gives its value."""
        self.marks.append((kind, identifier, start, value, end))
        return self.text[value:end]

    def note(self, note: Note) -> None:
        """Keeps a remark, once."""
        if note not in self.notes:
            self.notes.append(note)

    def state(self, field: str, value: object, at: int) -> None:
        """Keeps the value of a field of `Udi`.

        Raises:
            Wrong: another value of that field was read before.
        """
        if self._values.setdefault(field, value) != value:
            raise Wrong("contradiction", f"It says two different things of one kind ({field}).", at)

    def state_day(self, field: str, day: Day, at: int) -> None:
        """Keeps a date, if one is stated. A day of the month that was stated before, or the reverse, is the day."""
        if day.note is not None:
            self.note(day.note)
        if day.date is None:
            return
        known = self._values.get(field)
        if known is not None and (known.year, known.month) == (day.date.year, day.date.month):
            if day.month_only:
                return
            if field in self._months:
                del self._values[field]
                self._months.discard(field)
        self.state(field, day.date, at)
        if day.month_only:
            self._months.add(field)

    def has(self, field: str) -> bool:
        """Whether the field has a value."""
        return field in self._values

    def udi(self, agency: Agency, form: Form) -> Udi:
        """What came of it."""
        return Udi(
            text=self.text,
            agency=agency,
            form=form,
            month_only=tuple(sorted(self._months)),
            warnings=tuple(self.notes),
            marks=tuple(self.marks),
            **self._values,
        )
