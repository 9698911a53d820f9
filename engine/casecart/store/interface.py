"""The one interface of every store: a change is written whole, in one durable transaction, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from casecart.store.records import (
        CaseRow,
        Count,
        Cursor,
        Entry,
        Event,
        Hold,
        Message,
        Outcome,
        Run,
        Settlement,
        Switch,
        Timer,
        Token,
    )

__all__ = [
    "AuditRecord",
    "Change",
    "DuplicateIdentity",
    "Identity",
    "KnownIdentity",
    "MessageFilter",
    "MessageHead",
    "OpenCount",
    "OutcomeUnknown",
    "Role",
    "Store",
    "StoreBroken",
    "StoreInUse",
    "StoreMisconfigured",
    "StoreUnavailable",
]


Role = Literal["engine", "person", "reader"]
"""One engine at a time may write. Beside it any number of persons may write what is `Change.personal`; all may read."""


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


class Identity(NamedTuple):
    """What makes a message the same message again, its bytes aside."""

    facility: str
    sender: str
    control_id: str


class KnownIdentity(NamedTuple):
    """A message of the log under an identity."""

    identity: Identity
    reuse: int
    digest: bytes
    position: int


class AuditRecord(NamedTuple):
    """Who did what, for the audit trail."""

    recorded_at: int
    actor: str
    command: str
    subject: str
    detail: str


@dataclass(slots=True)
class Change:
    """Everything one group commit writes, in one transaction.

    Its texts hold no NUL and no lone surrogate: where a store can't keep one, `write` raises `ValueError`.
    """

    messages: list[Message] = field(default_factory=list)
    outcomes: list[tuple[Outcome, str | None, int]] = field(default_factory=list)
    """Of messages stored earlier as waiting: outcome, notes, position."""
    runs: list[Run] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    """Written once; a token that is already there stays as it is."""
    counts: list[Count] = field(default_factory=list)
    """Several for the same counter are added up by the store."""
    events: list[Event] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    """Set, or moved when (owner, key) is there."""
    timers_done: list[tuple[str, str]] = field(default_factory=list)
    """(owner, key). Taken away first: a timer that went off may be set again by the same change."""
    cursors: list[Cursor] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)
    audit: list[AuditRecord] = field(default_factory=list)

    @property
    def personal(self) -> bool:
        """Whether it holds nothing but what a person's command writes beside the engine: switches and audit records."""
        return not replace(self, switches=[], audit=[])

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return any(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages a query wants; None means any."""

    outcome: Outcome | None = None
    listener: str | None = None
    facility: str | None = None
    message_type: str | None = None
    control_id: str | None = None
    since: int | None = None
    """recorded_at, µs."""


class MessageHead(NamedTuple):
    """A message without its body, as lists show it."""

    position: int
    id: bytes
    recorded_at: int
    facility: str
    listener: str
    actor: str
    message_type: str
    control_id: str
    outcome: Outcome
    notes: str | None
    size: int


class OpenCount(NamedTuple):
    """What is on its way to one destination."""

    destination: str
    entries: int
    postings: int
    oldest: int
    """recorded_at of the oldest entry, µs."""


class Store(Protocol):
    """A durable store. Calls block; each is short. One thread uses one instance.

    Any call may raise `StoreUnavailable` or `StoreBroken`. A change that names a row which is not there, or a key which
    is, is the latter: what the engine knows and what is stored are two things then.
    """

    def close(self) -> None:
        """Let go of files and connections; whatever was written stays."""

    # --- the hot path
    def reserve(self, kind: Literal["message", "entry"], count: int) -> int:
        """The first of `count` consecutive numbers, higher than any given before, also across restarts."""

    def write(self, change: Change) -> None:
        """All of the change in one transaction, durable when this returns.

        Raises:
            DuplicateIdentity: nothing was written.
        """

    def identities(self, identities: Iterable[Identity]) -> list[KnownIdentity]:
        """Every message of the log under one of these identities."""

    def case_rows(self, cases: Iterable[tuple[str, bytes]]) -> list[CaseRow]:
        """All ledger rows of these (facility, case_key), by sequence."""

    # --- going on after a stop, and windows over what does not fit in memory
    def waiting(self, after: int, limit: int) -> list[Message]:
        """Messages whose outcome is waiting, with a position above `after`, by position."""

    def open_entries(self, destination: str, after: int, limit: int) -> list[Entry]:
        """Ledger rows of a destination with open postings and a sequence above `after`, by sequence."""

    def cursors(self) -> list[Cursor]:
        """All of them."""

    def timers(self) -> list[Timer]:
        """All timers, by due_at."""

    def switches(self) -> list[Switch]:
        """The last word on each destination that anybody had one on."""

    # --- queries for people
    def messages(self, wanted: MessageFilter, before: int | None, limit: int) -> list[MessageHead]:
        """Newest first, below position `before` (keyset paging)."""

    def message(self, reference: int | bytes) -> Message | None:
        """By position or by id."""

    def runs(self, position: int) -> list[Run]:
        """What the channels made of a message."""

    def entries(self, position: int) -> list[Entry]:
        """The ledger rows a message caused, by sequence."""

    def holds(self, *, position: int | None = None, state: str | None = None, limit: int = 100) -> list[Hold]:
        """Exceptions, newest first."""

    def token(self, token: str) -> Token | None:
        """What a token stands for."""

    def counts(self) -> list[Count]:
        """Every counter with its total."""

    def waiting_counts(self) -> Mapping[str, int]:
        """Listener → messages waiting. Does not scan the log."""

    def open_counts(self) -> list[OpenCount]:
        """By destination. Does not scan the ledger."""

    def engine_at_work(self) -> bool:
        """Whether an engine has the store open now, on this machine or another."""

    def held_count(self) -> int:
        """Exceptions that are new or assigned."""

    def events(self, after: int, limit: int) -> list[tuple[int, Event]]:
        """Events with a position above `after`, dense and in order."""

    def audit(self, limit: int) -> Sequence[AuditRecord]:
        """Newest first."""
