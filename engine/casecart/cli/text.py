"""Text for a terminal: tables, counts, ages, times, and nothing that a message could command the terminal with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import tzinfo

__all__ = ["age", "counted", "examples", "local", "megabytes", "printable", "table", "zone_of"]

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def printable(text: str) -> str:
    """The text in one line, with what a terminal would obey (or a reader not see) written as an escape sequence."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def counted(number: int, noun: str) -> str:
    """`1 posting`, `2,000 postings`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def megabytes(size: int) -> str:
    """`12.3 MB`."""
    return f"{size / 1e6:,.1f} MB"


def age(span: timedelta) -> str:
    """How long, in the largest unit that fits: `41 s`, `3 h`."""
    seconds = max(0, int(span.total_seconds()))
    return next((f"{seconds // size} {unit}" for size, unit in _UNITS if seconds >= size), "0 s")


def zone_of(time_zones: Mapping[str, str]) -> tuple[str, tzinfo]:
    """The zone in which times are shown: the facilities' where they have one in common, else UTC; its name first."""
    names = set(time_zones.values())
    if len(names) == 1:
        (name,) = names
        try:
            return name, ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # `check` finds it; here UTC will do
            pass
    return "UTC", UTC


def local(at: datetime, zone: tzinfo, *, fraction: bool = False) -> str:
    """A time without its zone, to the second or to the millisecond."""
    return at.astimezone(zone).isoformat(" ", "milliseconds" if fraction else "seconds")[: 23 if fraction else 19]


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Lines with their columns aligned.

    Args:
        header: the columns' names.
        rows: cells.
        right: the columns that are aligned to the right: numbers.
    """
    cells = [list(header), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        aligned = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(aligned).rstrip())
    return lines


def examples(*lines: tuple[str, str]) -> str:
    """Command lines, each with what it is for, as click's help keeps them."""
    width = max(len(command) for command, _ in lines)
    shown = [f"  {command.ljust(width)}  {about}".rstrip() for command, about in lines]
    return "\n".join(["\b", "Examples:", *shown])
