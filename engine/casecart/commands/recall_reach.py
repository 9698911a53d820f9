"""Where uses of what is called back may be: by the store's look-ups where these leave nothing out."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from casecart.canonical.master import Item, Recall, decode_document
from casecart.commands.sought import ALL
from casecart.master.items import FIELD_OF_SYSTEM
from casecart.store import MessageFilter, lookup_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from casecart.store import MasterVersion, Store

__all__ = ["Products", "every_position", "forms", "load_recalls", "positions_of"]

PAGE = 1_000

MOST_PIECES = 10
"""Device identifiers that the store looks for in its master data; for more of them all items are read, once."""

_GTIN = 14
_SHORTER = (13, 12, 8)


def forms(di: str) -> list[str]:
    """A device identifier as a line may tell it: a GTIN also without the zeros that fill it up."""
    if len(di) != _GTIN or not (di.isascii() and di.isdecimal()):
        return [di]
    return [di, *(di[-length:] for length in _SHORTER if not di[:-length].strip("0"))]


class Products:
    """The items and device identifiers that rows of recalls name.

    Attributes:
        items: device identifier -> the items that have it today, of those that are meant here.
        names: by which lines of theirs are looked up: the numbers of these items and of those that ever had one of
            their device identifiers, and the identifiers. A line is kept under the item that it was found to be at its
            time, and under the identifier unless that led to the item.
    """

    def __init__(self, rows: Sequence[Recall], store: Store) -> None:
        self._store = store
        told = {form for row in rows if row.di for form in forms(row.di)}
        numbers = {row.item for row in rows if row.item}
        self.items: dict[str, set[str]] = {}
        for number in numbers | self._ever(told):
            for item in self._today(number):
                for di in _identifiers(item):
                    for form in forms(di):
                        self.items.setdefault(form, set()).add(number)
        meant = numbers.union(*(self.items.get(di, ()) for di in told))
        dis = told | {di for di, owners in self.items.items() if owners & meant}
        self.names = meant | dis | self._ever(dis)

    def _today(self, number: str) -> Iterator[Item]:
        """The item as it is, also what facilities say of it."""
        newest: dict[str, MasterVersion] = {}
        for version in self._store.master_history("item", number):
            newest.setdefault(version.facility, version)
        return (_item(version) for version in newest.values() if version.data)

    def _ever(self, dis: Collection[str]) -> set[str]:
        """The items that have or had one of these device identifiers."""
        if not dis:
            return set()
        pieces = [di.encode() for di in dis] if len(dis) <= MOST_PIECES else []
        versions = self._store.master_holding("item", pieces)
        found = (_item(version) for version in versions if version.data)
        return {item.number for item in found if not _identifiers(item).isdisjoint(dis)}


def _item(version: MasterVersion) -> Item:
    return cast("Item", decode_document("item", version.data))


def _identifiers(item: Item) -> set[str]:
    return {each.value for each in item.identifiers if FIELD_OF_SYSTEM[each.system] == "di"}


def load_recalls(store: Store) -> list[Recall]:
    """Every row of every recall, as they are today."""
    newest = {(version.facility, version.key): version for version in store.master_holding("recall", ())}
    return [cast("Recall", decode_document("recall", each.data)) for each in newest.values() if each.data]


def positions_of(rows: Sequence[Recall], products: Products, store: Store) -> Iterable[int]:
    """Every message that may have a line which the rows cover, newest first.

    What names a product is looked up by it alone: a line that doesn't tell its lot or serial number is covered, too.
    """
    keys = [lookup_key("item", name) for name in products.names]
    for row in rows:
        if row.serial_from and not (row.item or row.di):
            keys.append(lookup_key("serial", row.serial_from))
        elif row.lot_from and not (row.item or row.di):
            keys.append(lookup_key("lot", row.lot_from))
    return reversed(store.looked_up(keys, limit=ALL))


def every_position(store: Store) -> Iterator[int]:
    """Every message that was worked, newest first."""
    before: int | None = None
    while heads := store.messages(MessageFilter(outcome="processed"), before, PAGE):
        yield from (head.position for head in heads)
        before = heads[-1].position
