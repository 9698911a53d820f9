"""How a store stands, looked at without writing to it: whether it is there, is up, and is in use."""

from __future__ import annotations

from typing import NamedTuple

from casecart.store.failure import StoreBroken, StoreMisconfigured, StoreUnavailable
from casecart.store.location import SqliteFile, locate
from casecart.store.lock import is_held
from casecart.store.schema import REVISION

__all__ = ["Standing", "standing"]


class Standing(NamedTuple):
    """How a store stands.

    Attributes:
        code: of a finding: `store-unreachable`, `store-new`, `store-behind` or `store-ahead`; empty: all is well.
        words: for the person who must act; no secret.
        passing: whether an engine that starts sees to it.
        in_use: whether an engine is at work on it; of a database server that is asked of its members.
    """

    code: str = ""
    words: str = ""
    passing: bool = False
    in_use: bool = False


def standing(url: str) -> Standing:
    """Looks at the store of a URL, as `open_store` takes it."""
    from casecart.store.migration import connected, revision_of  # noqa: PLC0415 - it brings Alembic and a driver

    try:
        location = locate(url)
        in_use = isinstance(location, SqliteFile) and is_held(location.path)
        if isinstance(location, SqliteFile) and not location.path.exists():
            return Standing("store-new", f"there is no store yet: `casecart run` makes {location.place}", passing=True)
        with connected(url) as connection:
            revision = revision_of(connection)
    except (StoreUnavailable, StoreBroken, StoreMisconfigured) as error:
        return Standing("store-unreachable", str(error).rstrip("."))
    if revision is None:
        words = f"{location.place} has no tables of casecart yet: `casecart run` makes them"
        return Standing("store-new", words, passing=True, in_use=in_use)
    if revision < REVISION:
        words = (
            f"{location.place} was made by an older casecart (tables {revision}, wanted {REVISION}): `casecart run` "
            "brings it up, and `casecart migrate` does so now"
        )
        return Standing("store-behind", words, passing=True, in_use=in_use)
    if revision > REVISION:
        words = f"{location.place} was made by a newer casecart (tables {revision}, this one knows {REVISION})"
        return Standing("store-ahead", f"{words}: run that version", in_use=in_use)
    return Standing(in_use=in_use)
