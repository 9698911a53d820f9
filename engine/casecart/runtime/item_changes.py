"""Which items have changed: the master data read behind a cursor in the store, each item as it is now.

Of an item that changed several times only the newest state is told, and a state has the same name whenever it is read:
what was handed in before the cursor was written is known again by that.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from casecart.canonical.master import Supplier, decode_document
from casecart.master.item_change import ItemState, item_change
from casecart.runtime.copier import date_at
from casecart.runtime.marks import ITEMS
from casecart.store import Change, Cursor, Damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from zoneinfo import ZoneInfo

    from casecart.canonical.item_change import ItemChange
    from casecart.canonical.master import Item
    from casecart.store import MasterVersion, Store

    Write = Callable[[Callable[[Change], None], Callable[[], None]], None]

__all__ = ["ACTOR", "Followed", "ItemChanges", "ItemSlice", "Wanted"]

log = logging.getLogger(__name__)

ACTOR: Final = "casecart"
"""The sender of the messages."""

MOST: Final = 1_000
"""Messages that may wait to be worked, before more are handed in: what people wish waits behind them."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What a listener of the engine's own master data is given.

    Attributes:
        store: has them.
        write: makes additions to a change durable, some time later (`Journal.write`).
        mine: whether this engine is the one that follows them for the listener.
    """

    store: Store
    write: Write
    mine: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which changes a listener wants.

    Attributes:
        name: of the listener.
        facility: whose view of the items.
        zone: its time zone.
        not_from: systems; what one of these said is no reason to tell anything.
        receiver: whose numbers are `ehr_item`.
        beginning: whether all items are told at the first start.
    """

    name: str
    facility: str
    zone: ZoneInfo
    not_from: Collection[str]
    receiver: str
    beginning: bool


class ItemSlice(NamedTuple):
    """What was read at once.

    Attributes:
        changes: in the order of their versions.
        position: up to which version was read.
        more: whether there is more to read.
    """

    changes: Sequence[ItemChange]
    position: int
    more: bool


class ItemChanges:
    """Reads them, for one listener."""

    def __init__(self, followed: Followed, wanted: Wanted) -> None:
        self._store, self._write, self._wanted = followed.store, followed.write, wanted
        self._cursor = f"{ITEMS}{wanted.name}"
        self._places = ("", wanted.facility)
        self.position = 0
        """Up to which version all that is to be told was handed in."""
        self._base = 0  # what there was by then, the receiver is taken to have

    def begin(self) -> None:
        """Go on where it was left; at the first start, where the listener is to begin. Raises as the store does."""
        found = next((each for each in self._store.cursors() if each.name == self._cursor), None)
        if found is None:
            start = 0 if self._wanted.beginning else self._store.published_master()
            found = Cursor(self._cursor, 0, start, start)
            # At once: what changes from now on must not be missed by an engine that is killed before it was told.
            self._store.write(Change(cursors=[found]))
        self.position, self._base = found.position, found.epoch

    @property
    def behind(self) -> bool:
        """Whether the engine has to catch up with what was handed in, before it gets more."""
        return sum(wish.actor == ACTOR for wish in self._store.replays(2 * MOST)) >= MOST

    def read(self, limit: int) -> ItemSlice:
        """The next versions, so many at most. Raises as the store does."""
        versions = self._store.master(self.position, limit, current=False)
        if not versions:
            return ItemSlice((), self.position, more=False)
        end = versions[-1].position
        name_of = lru_cache(maxsize=None)(self._supplier_name)
        changes = []
        for number in dict.fromkeys(each.key for each in versions if each.kind == "item" and self._counts(each)):
            history = [each for each in self._store.master_history("item", number) if each.facility in self._places]
            newest = next((each.position for each in history if self._counts(each)), 0)
            if newest > end:
                continue  # it is told when that one is read
            try:
                change = self._change(history, name_of)
            except Damaged as damage:
                words = "%s: item %r. Nothing is told of it until it is imported or pulled again"
                log.error(words, damage, number)  # noqa: TRY400 - nothing but this is to be told
                continue
            if change is not None:
                changes.append(change)
        changes.sort(key=lambda change: change.version)
        return ItemSlice(changes, end, more=len(versions) == limit)

    def done(self, position: int) -> None:
        """All up to there was handed in, and is stored."""
        self.position = position
        row = Cursor(self._cursor, 0, position, self._base)
        self._write(lambda change: change.cursors.append(row), lambda: None)

    def _counts(self, version: MasterVersion) -> bool:
        """Whether it is a reason to tell something."""
        return version.facility in self._places and version.source not in self._wanted.not_from

    def _change(self, history: Sequence[MasterVersion], name_of: Callable[[str], str | None]) -> ItemChange | None:
        """The item as it is; None: there never was anything of it. Raises `Damaged`."""
        wanted = self._wanted
        by_place = [[each for each in history if each.facility == place] for place in reversed(self._places)]
        now = [versions[0] for versions in by_place if versions and versions[0].data]
        shown = now or [each for each in map(_last_with_data, by_place) if each is not None]
        if not shown:
            return None
        newest = history[0]
        told = [
            next((each for each in versions if each.position <= self._base or each.source in wanted.not_from), None)
            for versions in by_place
        ]
        state = ItemState(
            [cast("Item", decode_document("item", each.data)) for each in shown],
            newest.position,
            date_at(newest.recorded_at, wanted.zone),
            gone=not now,
            known=any(each is not None and each.data for each in told),
        )
        return item_change(wanted.facility, state, receiver=wanted.receiver, name_of=name_of)

    def _supplier_name(self, number: str) -> str | None:
        try:
            return self._name_in(self._store.master_history("supplier", number))
        except Damaged as damage:
            # The item is told all the same: it won't change again when the supplier is mended.
            log.error("%s: supplier %r. Items are told without its name until it is mended", damage, number)  # noqa: TRY400 - as above
            return None

    def _name_in(self, history: Sequence[MasterVersion]) -> str | None:
        found: Iterable[MasterVersion | None] = (
            next((each for each in history if each.facility == place), None) for place in reversed(self._places)
        )
        documents = [
            cast("Supplier", decode_document("supplier", each.data)) for each in found if each is not None and each.data
        ]
        return next((each.name for each in documents if each.name is not None), None)


def _last_with_data(versions: Sequence[MasterVersion]) -> MasterVersion | None:
    return next((each for each in versions if each.data), None)
