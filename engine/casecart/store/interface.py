"""The one interface of every store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from casecart.store.applied import Revision, RevisionHead, Running
    from casecart.store.change import AuditEntry, AuditRecord, Change
    from casecart.store.due import Due, Freed, StoreSize
    from casecart.store.records import (
        CaseRow,
        Count,
        Cursor,
        Entry,
        Event,
        Expiry,
        Hold,
        HoldGroup,
        KnownCase,
        LegalHold,
        MasterVersion,
        Message,
        Outcome,
        Replay,
        Run,
        Switch,
        Timer,
        Token,
    )

__all__ = ["ALL_POSTINGS", "Identity", "KnownIdentity", "MessageFilter", "MessageHead", "OpenCount", "Role", "Store"]


ALL_POSTINGS = 2**31 - 1
"""More postings than are ever asked for at once."""

Role = Literal["engine", "person", "reader"]
"""An engine writes everything; how many may at a time, `Store.shared` says. Beside it any number of persons may write
what is `Change.personal`, and one at a time master data; all may read."""


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
    until: int | None = None
    """Recorded before this, µs."""
    positions: tuple[int, ...] | None = None
    """One of these; some hundreds at most."""


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

    @property
    def shared(self) -> bool:
        """Whether any number of engines may be at work on it (`SharedStore`); else a second one is refused."""

    def close(self) -> None:
        """Let go of files and connections; whatever was written stays."""

    # --- the hot path
    def reserve(self, kind: Literal["message", "entry"], count: int) -> Sequence[int]:
        """So many numbers in order, higher than any given before, also across restarts.

        In a shared store: higher than any of a change that was written before. Numbers of ledger rows are higher than
        those in the rows of all that `lock` was called for since the last write.
        """

    def lock(self, keys: Collection[int]) -> None:
        """Before an engine reads what it will change, or what decides it: for these keys (`lookup_key`, `case_lookup`).

        No other engine gets past this for one of them until the next `write` or `let_go` of this one. It does nothing
        where one engine is at work at a time.
        """

    def let_go(self) -> None:
        """What was locked is not changed after all. Does nothing when nothing is locked."""

    def write(self, change: Change) -> None:
        """All of the change in one transaction, durable when this returns. Whatever it raises, nothing is locked then.

        Raises:
            DuplicateIdentity: nothing was written.
            RevisionTaken: as well.
            LeaseLost: as well.
        """

    def identities(self, identities: Iterable[Identity]) -> list[KnownIdentity]:
        """Every message of the log under one of these identities."""

    def case_rows(self, cases: Iterable[tuple[str, bytes]]) -> list[CaseRow]:
        """All ledger rows of these (facility, case_key), by sequence."""

    def known_cases(self, case_keys: Collection[bytes]) -> list[KnownCase]:
        """What channels were told of these cases, by key, channel and field."""

    def looked_up(self, keys: Iterable[int], *, limit: int) -> list[int]:
        """Positions of messages that may have one of these values (`lookup_key`), in order; at most `limit` of each.

        Where there are more, it is the newest but for messages that were worked again later.
        """

    # --- master data
    def master_lock(self) -> AbstractContextManager[None]:
        """For the one who writes master data. On entry what somebody appended and never published is removed.

        Raises:
            StoreInUse: another one is at it.
        """

    def append_master(self, versions: Sequence[MasterVersion]) -> int:
        """Adds versions, which nobody sees until a change publishes them; the last one's position.

        A transaction of its own, during which the engine waits: some thousands of versions at most. The position in a
        record is not looked at. Only within `master_lock`.
        """

    def tidy_master(self, limit: int) -> int:
        """Marks versions that newer ones stand over, so that `master` needn't give them.

        It looks at up to `limit` published versions in a transaction of its own, and tells how many; 0: nothing is left
        to do. Only within `master_lock`.
        """

    def published_master(self) -> int:
        """The position up to which master data are published."""

    def master(self, after: int, limit: int, *, current: bool) -> list[MasterVersion]:
        """Published versions with a position above `after`, by position.

        Args:
            after: a position.
            limit: of the list.
            current: leave out removals, and versions known to be stood over by newer ones. Not all may be known.
        """

    def master_history(self, kind: str, key: str) -> list[MasterVersion]:
        """Published versions of a document, of all facilities, newest first."""

    def master_holding(self, kind: str, pieces: Collection[bytes]) -> list[MasterVersion]:
        """Published versions of a kind, by position, whose data hold one of these runs of bytes; of none, all.

        Reads past all of the kind: for few pieces, and for people.
        """

    # --- going on after a stop, and windows over what does not fit in memory
    def waiting(self, after: int, limit: int) -> list[Message]:
        """Messages whose outcome is waiting, with a position above `after`, by position."""

    def open_entries(self, destination: str, after: int, limit: int, postings: int = ALL_POSTINGS) -> list[Entry]:
        """Ledger rows of a destination with open postings and a sequence above `after`, by sequence.

        The last one is that with which they have `postings` open ones, or more.
        """

    def entries_of(self, destination: str, after: int, limit: int) -> list[Entry]:
        """Ledger rows of a destination with a sequence above `after`, by sequence. Reads past those of others."""

    def cursors(self) -> list[Cursor]:
        """All of them."""

    def timers(self, owner: str | None = None) -> list[Timer]:
        """All timers, or those of an owner, by due_at."""

    def switches(self) -> list[Switch]:
        """The last word on each destination that anybody had one on."""

    # --- the revisions of the workspace
    def revisions(self, before: int | None, limit: int) -> list[RevisionHead]:
        """Newest first, below a number."""

    def revision(self, number: int) -> Revision | None:
        """With its files."""

    def wanted_revision(self, now: int) -> int | None:
        """What engines shall run at a moment, in µs: the newest that was applied or rolled back to and is due.

        None: nothing was ever applied; an engine then runs the files it finds at its start. An engine that runs
        something takes up what is wanted when that is another number than it was when it looked last. Asked often.
        """

    def running(self) -> list[Running]:
        """What each engine said last that it runs; also engines that have ended since."""

    # --- queries for people
    def messages(self, wanted: MessageFilter, before: int | None, limit: int) -> list[MessageHead]:
        """Newest first, below position `before` (keyset paging)."""

    def message(self, reference: int | bytes) -> Message | None:
        """By position or by id."""

    def runs(self, position: int) -> list[Run]:
        """What the channels made of a message."""

    def entries(self, position: int) -> list[Entry]:
        """The ledger rows a message caused, by sequence."""

    def hold(self, identifier: bytes) -> Hold | None:
        """One exception."""

    def holds(
        self, *, states: Collection[str] = (), group: HoldGroup | None = None, limit: int = 100, **equal: str | int
    ) -> list[Hold]:
        """Exceptions, newest first.

        Args:
            states: any of these; of none, any.
            group: of this cause, whatever their state.
            limit: of the list.
            equal: values of their fields, such as `position=4711` or `code="item-unknown"`.
        """

    def hold_groups(self, states: Collection[str], limit: int) -> list[HoldGroup]:
        """Exceptions in these states, grouped; the largest groups first."""

    def replays(self, limit: int) -> list[Replay]:
        """Wishes that are not done yet, oldest first, but for those that are left to listeners."""

    def left(self, listener: str, limit: int, after: int = 0) -> list[Replay]:
        """Wishes that are left to a listener (`LEFT_TO`), of messages with a position above `after`, by position."""

    def left_counts(self) -> Mapping[str, int]:
        """Listener → wishes that are left to it. Reads past all of them."""

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

    def events(self, after: int, limit: int, *, partition: int = 0) -> list[tuple[int, Event]]:
        """Events of a partition with a position above `after`, dense and in order. Each engine at work writes one."""

    def event_heads(self) -> Mapping[int, int]:
        """The newest position of each partition of the events."""

    def audit(self, limit: int) -> Sequence[AuditRecord]:
        """Newest first."""

    def audit_after(self, after: int, limit: int) -> list[AuditEntry]:
        """With a position above `after`, by position."""

    def audit_before(self, before: int | None, limit: int) -> list[AuditEntry]:
        """Newest first, below position `before`."""

    # --- all that is stored, to verify it
    def messages_after(self, after: int, limit: int) -> list[Message]:
        """With a position above `after`, by position."""

    def runs_between(self, first: int, last: int) -> list[Run]:
        """Of the messages from one position to another."""

    def entries_after(self, after: int, limit: int) -> list[Entry]:
        """Of all destinations, with a sequence above `after`, by sequence."""

    def known_cases_after(self, after: tuple[bytes, str, str], limit: int) -> list[KnownCase]:
        """Of all cases, with a (case_key, channel, field) above `after`, in that order."""

    def unsound(self) -> list[str]:
        """What the database itself finds wrong with its files; for people. Reads all of them."""

    def audit_head(self) -> tuple[int, int] | None:
        """What is kept of the trail's end beside it: position and `head_mark`; None where nothing is."""

    # --- how long things are kept
    def expire(self, due: Due, limit: Callable[[], int]) -> Iterator[list[Freed]]:
        """Deletes what is past its time and not needed, a bounded step each time the iterator is asked.

        A step is a transaction of its own (a change may be written between two) and tells what went; the iterator ends
        when nothing is left to do now. A message's row, identity and digest, and the ledger, are never touched.

        What is needed stays: of a message that waits, has an open exception, a posting on its way or a wish to be
        replayed, or stands under a legal hold.

        Args:
            due: how long what is kept.
            limit: asked before each step: how many messages it may look at.
        """

    def overdue(self, due: Due) -> list[Freed]:
        """What `expire` would delete now of bodies and documents, by rule; and as kind `needed` what is past and stays.

        Reads past all of it: seconds for a million messages.
        """

    def legal_holds(self) -> list[LegalHold]:
        """All of them, oldest first."""

    def expiries(self, since: int = 0) -> list[Expiry]:
        """What was deleted from this day (since 1970) on, newest first."""

    def expired(self, position: int) -> list[Expiry]:
        """Deletions that may have taken something of the message at a position, newest first."""

    def size(self) -> StoreSize:
        """What the store takes on its disk."""
