"""Whether a store's tables are those that this program knows."""

from __future__ import annotations

from casecart.store.failure import StoreMisconfigured
from casecart.store.schema import REVISION

__all__ = ["check"]


def check(place: str, revision: str | None) -> None:
    """Raises `StoreMisconfigured` unless the store's tables are at this program's revision.

    Args:
        place: Where the store is, as it may be shown.
        revision: The store's; None when there are no tables of ours.
    """
    if revision is None:
        raise StoreMisconfigured(f"{place} has no casecart tables yet: make them with `casecart migrate`")
    if revision < REVISION:
        raise StoreMisconfigured(
            f"{place} was made by an older casecart (tables {revision}, wanted {REVISION}): "
            "bring it up with `casecart migrate`"
        )
    if revision > REVISION:
        raise StoreMisconfigured(
            f"{place} was made by a newer casecart (tables {revision}, this one knows {REVISION}): "
            "run that version, or restore a backup made before it"
        )
