"""The catalogue: all master data in memory, as the lines of messages ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from casecart.master.items import ItemIndex
from casecart.master.lots import Lots, Recalls
from casecart.master.places import Places

if TYPE_CHECKING:
    from casecart.canonical.master import Dimension, Item, Lot, MasterDocument, Recall
    from casecart.master.places import Named

__all__ = ["Catalogue"]


class Catalogue:
    """Documents are put in as they come; the last version of one counts. Nothing here waits or is shared by threads.

    Attributes:
        position: up to where the store's master data are in it.
        changes: how often something was put: who remembers an answer asks anew when it is another number.
        items, places, lots, recalls: to be asked.
    """

    def __init__(self) -> None:
        self.position = 0
        self.changes = 0
        self.items = ItemIndex()
        self.places = Places()
        self.lots = Lots()
        self.recalls = Recalls()

    def put(self, kind: str, facility: str, key: str, document: MasterDocument | None) -> None:
        """The newest version of a document; None: it is no more."""
        self.changes += 1
        match kind:
            case "item":
                self.items.put(facility, key, cast("Item | None", document))
            case "lot":
                self.lots.put(key, cast("Lot | None", document))
            case "recall":
                self.recalls.put(key, cast("Recall | None", document))
            case "dimension":
                self.places.put_dimension(facility, key, cast("Dimension | None", document))
            case _:
                self.places.put(kind, facility, key, cast("Named | None", document))
