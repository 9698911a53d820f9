"""What the versions of one resource have told: which lines the newest one leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Telling", "left_out", "told_last"]

LineKey: TypeAlias = tuple[bytes, str]
"""The ledger's key of the case, and the line."""


class Telling(NamedTuple):
    """One version of a resource, as one message told it."""

    version: int
    """Of two, the higher one is the newer; of the same, that of the later message."""
    position: int
    """Of the message."""
    whole: bool
    """It names all lines that there are: what an older one named, and it doesn't, is no more."""
    lines: frozenset[LineKey]

    @property
    def age(self) -> tuple[int, int]:
        """The newest has the highest."""
        return self.version, self.position


def folded(tellings: Iterable[Telling]) -> list[Telling]:
    """Each version of a message once: worked again, it still has told what it did; whether that is all may change."""
    known: dict[tuple[int, int], Telling] = {}
    for telling in tellings:
        before = known.get(telling.age)
        known[telling.age] = telling if before is None else telling._replace(lines=before.lines | telling.lines)
    return list(known.values())


def told_last(tellings: Iterable[Telling]) -> dict[LineKey, tuple[int, int]]:
    """Of each line, the age of the newest version that named it."""
    last: dict[LineKey, tuple[int, int]] = {}
    for telling in tellings:
        for line in telling.lines:
            last[line] = max(last.get(line, telling.age), telling.age)
    return last


def left_out(tellings: Iterable[Telling]) -> Iterator[tuple[LineKey, Telling]]:
    """The lines that are no more, in a fixed order, and the version that says so.

    Of versions that don't name all lines, a newer one keeps those that it names, and takes back none.
    """
    known = folded(tellings)
    newest = max((telling for telling in known if telling.whole), key=lambda telling: telling.age, default=None)
    if newest is None:
        return
    for line, age in sorted(told_last(known).items()):
        if age < newest.age:
            yield line, newest
