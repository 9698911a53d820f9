"""A store that several engines work on: who lives, who holds what, and how one that lost it is kept from writing.

An engine that works on such a store is a *member*. What only one of them may do at a time is a *lease*; whoever takes
one over raises its epoch. A change that names the epoch it was made under (a *fence*) is not written once that is an
older one, however long the writer was stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from casecart.store.interface import Store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from casecart.store.records import Entry, Message

__all__ = ["Lease", "Member", "SharedStore"]


class Member(NamedTuple):
    """An engine at work on the store, or one that ended without saying so."""

    id: bytes
    """16 bytes, made at its start."""
    roles: str
    """Separated by spaces."""
    place: str
    """Host and process, for people."""
    started_at: int
    beat: int = 0
    """Counts up while it lives."""
    connected: bool = False
    """Whether it has a session with the server."""


class Lease(NamedTuple):
    """The right to do what one member does at a time."""

    name: str
    partition: int
    holder: bytes | None
    """A member; None: it was given back."""
    epoch: int


class SharedStore(Store, Protocol):
    """A store of which `shared` is true. One process is one member."""

    def meet(self, member: Member) -> tuple[list[Member], list[Lease]]:
        """Tells that this member lives, and gives all members and all leases as they are now."""

    def members(self) -> list[Member]:
        """All of them, for people."""

    def take(self, leases: Iterable[Lease], holder: bytes) -> list[Lease]:
        """Takes those of the leases that are still as they are given (epoch 0: nobody ever had it); each as it is now.

        Who held one can't write under it any more when this returns.
        """

    def give_back(self, leases: Iterable[Lease]) -> None:
        """Those that are still as they are given are nobody's from now on."""

    def part(self, member: bytes, marks: Collection[str] = ()) -> None:
        """This member is no more: its leases are nobody's; its cursors of these names, and what it ran, are gone."""

    def waiting_in(self, partitions: Collection[int], limit: int) -> list[Message]:
        """The first messages that wait in these partitions, by position.

        Nothing is passed over: what waits is found by that it waits, not by where a reader has come to. A reader that
        goes on from the last position it saw would miss what had a lower one and was committed later.
        """

    def busy(self, partitions: Collection[int]) -> set[int]:
        """In which of these partitions messages wait."""

    def still_waiting(self, positions: Collection[int]) -> set[int]:
        """Which of these messages wait."""

    def open_sequences(self, destination: str, limit: int) -> list[tuple[int, int]]:
        """(sequence, open postings) of the first open ledger rows of a destination, in order. Reads no row."""

    def entries_at(self, sequences: Collection[int]) -> list[Entry]:
        """Those of these ledger rows that are open, by sequence."""
