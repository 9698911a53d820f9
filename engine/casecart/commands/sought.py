"""Messages by what stands in a line of theirs: found by the store's look-ups, and compared with the documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casecart.runtime.made import decode_made
from casecart.store import lookup_key

if TYPE_CHECKING:
    from casecart.canonical import Usage
    from casecart.store import Store

__all__ = ["ALL", "Sought"]

ALL = 10_000_000
"""More than a store has messages of anything. A look-up of fewer may leave out one between others that it gives."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What one line of a message must have, all of it; None means any.

    Attributes:
        case: the token.
        lot: the lot.
        serial: the serial number.
        item: the item's number.
    """

    case: str | None = None
    lot: str | None = None
    serial: str | None = None
    item: str | None = None

    def __bool__(self) -> bool:
        """Whether anything is sought."""
        return any(value is not None for value in (self.case, self.lot, self.serial, self.item))

    def positions(self, store: Store) -> list[int]:
        """Messages that may have it, the newest first: the look-ups have only some bits of each value."""
        found: set[int] | None = None
        try:
            keys = self._keys()
        except UnicodeEncodeError:  # what is no text stands in no document
            return []
        for key in keys:
            positions = store.looked_up([key], limit=ALL)
            found = set(positions) if found is None else found.intersection(positions)
        return sorted(found or (), reverse=True)

    def _keys(self) -> list[int]:
        keys = []
        if self.case is not None:
            keys.append(lookup_key("token", self.case))
        if self.serial is not None:
            keys.append(lookup_key("serial", self.serial))
        if self.lot is not None:
            keys.append(lookup_key("lot", self.lot))
        if self.item is not None:
            keys.append(lookup_key("item", self.item))
        return keys

    def stands_in(self, store: Store, position: int) -> bool:
        """Whether a message has such a line, by any run over it; or tells where the case is that is sought."""
        made = [decode_made(run.documents) for run in store.runs(position)]
        return any(self._fits(usage) for each in made for _, _, usage in each.documents) or (
            (self.lot, self.serial, self.item) == (None, None, None)
            and any(case.case == self.case for each in made for _, case in each.cases)
        )

    def _fits(self, usage: Usage) -> bool:
        return (
            self.case in {None, usage.case}
            and self.lot in {None, usage.lot}
            and self.serial in {None, usage.serial}
            and self.item in {None, usage.item}
        )
