"""By what the documents of a message are found again: tokens, lots, serial numbers, items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.store import Lookup, lookup_hash

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.canonical import Usage

__all__ = ["lookups"]


def lookups(position: int, documents: Iterable[Usage], given: Iterable[tuple[str, str, str]]) -> list[Lookup]:
    """Rows for the store's look-ups; some may be the same.

    Args:
        position: of the message.
        documents: that were made of it.
        given: (token, kind, value) of the tokens in them.
    """
    found = [Lookup("token", lookup_hash(token), position) for token, _, _ in given]
    for usage in documents:
        if usage.lot is not None:
            found.append(Lookup("lot", lookup_hash(usage.lot), position))
        if usage.serial is not None:
            found.append(Lookup("serial", lookup_hash(usage.serial), position))
        if usage.item is not None:
            found.append(Lookup("item", lookup_hash(usage.item), position))
    return found
