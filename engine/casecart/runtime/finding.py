"""By what the documents of a message are found again: tokens, lots, serial numbers, items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.store import lookup_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.canonical import Usage

__all__ = ["lookups"]


def lookups(position: int, documents: Iterable[Usage], given: Iterable[tuple[str, str, str]]) -> list[tuple[int, int]]:
    """Rows for the store's look-ups; some may be the same.

    Args:
        position: of the message.
        documents: that were made of it.
        given: (token, kind, value) of the tokens in them.
    """
    keys = [lookup_key("token", token) for token, _, _ in given]
    for usage in documents:
        if usage.lot is not None:
            keys.append(lookup_key("lot", usage.lot))
        if usage.serial is not None:
            keys.append(lookup_key("serial", usage.serial))
        if usage.item is not None:
            keys.append(lookup_key("item", usage.item))
        # Where it was this number that led to the item, the item will do.
        if usage.di is not None and usage.found_by != "di":
            keys.append(lookup_key("item", usage.di))
    return [(key, position) for key in keys]
