"""What was read of a FHIR server before, by its entity tags: the server says whether it is still so (RFC 9110 §13)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

__all__ = ["FhirCache", "Kept"]

MOST: Final = 500
"""Resources."""

MOST_BYTES: Final = 8 * 1024 * 1024


class Kept(NamedTuple):
    """An answer that was read."""

    tag: str
    body: bytes


class FhirCache:
    """Keeps the answers that were used last, in memory only."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0

    def get(self, path: str) -> Kept | None:
        """What was read there last, if it is still kept."""
        kept = self._kept.get(path)
        if kept is not None:
            self._kept.move_to_end(path)
        return kept

    def keep(self, path: str, tag: str, body: bytes) -> None:
        """Keep an answer in place of the one before; of an empty tag none is kept."""
        before = self._kept.pop(path, None)
        self._bytes -= 0 if before is None else len(before.body)
        if not tag or len(body) > MOST_BYTES // 8:
            return
        self._kept[path] = Kept(tag, body)
        self._bytes += len(body)
        while len(self._kept) > MOST or self._bytes > MOST_BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1].body)

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()
        self._bytes = 0
