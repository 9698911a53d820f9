"""Keeps the catalogue as the store's master data are, in slices between which listeners are served.

While much is being read, messages are stored and acknowledged, and mapped afterwards: no line is resolved by half of an
import.
"""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

from casecart.canonical.master import decode_document
from casecart.store import Damaged, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.master.catalogue import Catalogue
    from casecart.runtime.clock import Call, Clock
    from casecart.store import MasterVersion, Store

__all__ = ["Follower"]

log = logging.getLogger(__name__)

SLICE = 500
"""Documents that are read in one turn: about 5 ms."""

AGAIN = 1.0  # seconds until a store that was unavailable is asked again


class Follower:
    """Reads what was published and puts it into the catalogue.

    Args:
        store: has the versions.
        catalogue: is kept up to date.
        reactor: gives the turns.
        defer: told that messages must be stored first until `ready`.
        broken: told that the store failed for good, or the engine did; it must stop.
    """

    def __init__(
        self,
        *,
        store: Store,
        catalogue: Catalogue,
        reactor: Clock,
        defer: Callable[[], None],
        broken: Callable[[Exception], None],
    ) -> None:
        self._store, self._catalogue, self._reactor = store, catalogue, reactor
        self._defer, self._broken = defer, broken
        self._first_up_to: int | None = None
        self._call: Call | None = None
        self._damaged: set[tuple[str, str, str]] = set()  # documents whose newest version can't be trusted
        self.ready = False
        """Whether the catalogue is as the store was when it was last looked at."""

    def start(self) -> None:
        """Read everything that there is."""
        self._first_up_to = self._store.published_master()
        self._turn()

    def stop(self) -> None:
        """Read no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def look(self) -> None:
        """Read what is new, if anything is: a little of it at once."""
        if (
            self.ready or (self._damaged and self._call is None)
        ) and self._store.published_master() > self._catalogue.position:
            self.ready = False
            self._turn()

    def _turn(self) -> None:
        self._call = None
        try:
            self._step()
        except StoreUnavailable:
            self._call = self._reactor.callLater(AGAIN, self._turn)
        except Exception as fault:  # noqa: BLE001 - a broken store, or data that can't be read: no line may be resolved
            self._broken(fault)
            return
        if not self.ready:
            self._defer()

    def _step(self) -> None:
        """Put one slice; there is a next turn when it was not the last."""
        first = self._first_up_to
        versions = self._store.master(self._catalogue.position, SLICE, current=first is not None)
        # What is published while the first reading goes on is read afterwards, with its removals.
        more = len(versions) == SLICE
        if first is not None and (not more or versions[-1].position > first):
            self._put([version for version in versions if version.position <= first])
            self._catalogue.position, self._first_up_to, more = first, None, True
            # It is there to stay: to look through all of it for garbage, time and again, would hold listeners up.
            gc.freeze()
        else:
            self._put(versions)
        if more:
            self._call = self._reactor.callLater(0, self._turn)
        else:
            # No line is resolved while a document is damaged: what it said of items, places and recalls is not known.
            self.ready = not self._damaged

    def _put(self, versions: list[MasterVersion]) -> None:
        catalogue = self._catalogue
        for version in versions:
            key = (version.kind, version.facility, version.key)
            try:
                document = decode_document(version.kind, version.data) if version.data else None
            except Damaged as damage:
                self._damaged.add(key)
                log.error("%s: %r. Messages wait until it is imported or pulled again", damage, version.key)  # noqa: TRY400 - nothing but this is to be told
                continue
            self._damaged.discard(key)
            catalogue.put(version.kind, version.facility, version.key, document)
        if versions:
            catalogue.position = versions[-1].position
