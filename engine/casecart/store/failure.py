"""How a store fails, and what that means for whoever asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from casecart.store.records import Fence

__all__ = [
    "DuplicateIdentity",
    "LeaseLost",
    "OutcomeUnknown",
    "RevisionTaken",
    "StoreBroken",
    "StoreInUse",
    "StoreMisconfigured",
    "StoreUnavailable",
]


class StoreUnavailable(Exception):
    """The store can't take a change now (disk full, database gone); none of it was acknowledged. Try again later."""


class OutcomeUnknown(StoreUnavailable):
    """The connection was lost in the middle of a commit: the change is there whole, or not at all; which is not known.

    What is kept in memory may be behind the store: go on as after a start. Only PostgreSQL raises it.
    """


class StoreBroken(Exception):
    """The store failed in a way that must not be retried (an I/O error on sync): stop, and start again to recover."""


class StoreInUse(Exception):
    """Another engine is at work on this store."""


class StoreMisconfigured(Exception):
    """The store can't be used as it is set up (its URL, its durability, its schema). The words say what to do."""


class DuplicateIdentity(Exception):
    """A message of the change has an identity that is in the log already; nothing was written (`Store.identities`)."""


class LeaseLost(Exception):
    """A change was made under a lease that somebody else has now; nothing was written.

    Args:
        lost: the fences that are over.
    """

    def __init__(self, lost: Collection[Fence]) -> None:
        super().__init__("A lease was lost to another engine")
        self.lost = frozenset(lost)


class RevisionTaken(Exception):
    """A revision of the change has a number that somebody gave to theirs meanwhile; nothing was written."""
