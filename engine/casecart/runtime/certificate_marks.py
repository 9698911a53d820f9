"""Notes in the store of when certificates end, for `casecart status` and the metrics: of those that are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.runtime.marks import CERTIFICATE
from casecart.store import Change, Cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from casecart.store import Store

__all__ = ["SOON", "CertificateMarks"]

SOON: Final = 30
"""Days before its end from which a certificate is something to look after."""


class CertificateMarks:
    """Of the listeners and destinations of one engine.

    Args:
        store: where the notes are.
        doors: gives them as they are now, by `listener:NAME` or `destination:NAME`; one with TLS has
            `certificate_ends`, in seconds since 1970.
    """

    def __init__(self, store: Store, doors: Callable[[], Mapping[str, object]]) -> None:
        self._store, self._doors = store, doors
        self._told: dict[str, int] | None = None
        self._looked_at: dict[str, int] = {}  # what is not there any more has no certificate

    def look(self) -> None:
        """Note what has changed; raises as `Store.write`."""
        if self._told is None:
            self._told = {each.name: each.position for each in self._store.cursors()}
        self._looked_at |= {f"{CERTIFICATE}{name}": 0 for name in self._doors()}
        ends = self._looked_at | {
            f"{CERTIFICATE}{name}": getattr(door, "certificate_ends", None) or 0 for name, door in self._doors().items()
        }
        changed = {name: end for name, end in ends.items() if end != self._told.get(name, 0)}
        if changed:
            self._store.write(Change(cursors=[Cursor(name, 0, end, 0) for name, end in changed.items()]))
            self._told |= changed
