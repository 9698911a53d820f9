"""The store: message log, ledger, worklist and the seams of later work, behind one interface."""

from __future__ import annotations

from casecart.store.applied import (
    ONLY_ENGINE,
    Revision,
    RevisionHead,
    RevisionKind,
    Running,
    TooLarge,
    decode_channels,
    decode_files,
    encode_channels,
    encode_files,
    files_digest,
)
from casecart.store.change import AuditEntry, AuditRecord, Change
from casecart.store.due import Due, Freed, StoreSize
from casecart.store.failure import (
    DuplicateIdentity,
    LeaseLost,
    OutcomeUnknown,
    RevisionTaken,
    StoreBroken,
    StoreInUse,
    StoreMisconfigured,
    StoreUnavailable,
)
from casecart.store.interface import Identity, KnownIdentity, MessageFilter, MessageHead, OpenCount, Role, Store
from casecart.store.location import SqliteFile, locate
from casecart.store.lookup import case_lookup, encode_tokens, lookup_key
from casecart.store.records import (
    LEFT_TO,
    OPEN_STATES,
    CaseRow,
    Count,
    Cursor,
    Entry,
    Event,
    Expiry,
    Fence,
    Hold,
    HoldChange,
    HoldGroup,
    KnownCase,
    LegalHold,
    MasterVersion,
    Message,
    Outcome,
    Replay,
    Run,
    Settlement,
    Switch,
    Timer,
    Token,
    storable,
)
from casecart.store.seal import Damaged, DamagedBody
from casecart.store.shared import Lease, Member, SharedStore

__all__ = [
    "LEFT_TO",
    "ONLY_ENGINE",
    "OPEN_STATES",
    "AuditEntry",
    "AuditRecord",
    "CaseRow",
    "Change",
    "Count",
    "Cursor",
    "Damaged",
    "DamagedBody",
    "Due",
    "DuplicateIdentity",
    "Entry",
    "Event",
    "Expiry",
    "Fence",
    "Freed",
    "Hold",
    "HoldChange",
    "HoldGroup",
    "Identity",
    "KnownCase",
    "KnownIdentity",
    "Lease",
    "LeaseLost",
    "LegalHold",
    "MasterVersion",
    "Member",
    "Message",
    "MessageFilter",
    "MessageHead",
    "OpenCount",
    "Outcome",
    "OutcomeUnknown",
    "Replay",
    "Revision",
    "RevisionHead",
    "RevisionKind",
    "RevisionTaken",
    "Role",
    "Run",
    "Running",
    "Settlement",
    "SharedStore",
    "SqliteFile",
    "Store",
    "StoreBroken",
    "StoreInUse",
    "StoreMisconfigured",
    "StoreSize",
    "StoreUnavailable",
    "Switch",
    "Timer",
    "Token",
    "TooLarge",
    "case_lookup",
    "decode_channels",
    "decode_files",
    "encode_channels",
    "encode_files",
    "encode_tokens",
    "files_digest",
    "locate",
    "lookup_key",
    "migrate",
    "open_store",
    "storable",
]


def migrate(url: str, *, patience: float = 30.0, keep: bool = True) -> None:
    """Brings a store's tables up, all of it or nothing; one that is up stays as it is, even while an engine uses it.

    Args:
        url: As for `open_store`. A SQLite file is made where there is none; a PostgreSQL database must be there.
        patience: Seconds to wait for another process that migrates the store.
        keep: Make a copy of a SQLite file beside it before an older one is brought up.

    Raises:
        StoreInUse: An engine is at work on a store that must be migrated.
        StoreMisconfigured: The URL is wrong, or the store newer than this program.
        StoreUnavailable: It can't be reached or made now.
    """
    from casecart.store import migration  # noqa: PLC0415 - who only opens a store needn't wait for Alembic to load

    migration.migrate(url, patience=patience, keep=keep)


def open_store(url: str, *, role: Role) -> Store:
    """Opens a store that `migrate` made.

    Args:
        url: ``sqlite:///var/casecart.db`` (a relative path), ``sqlite:////srv/casecart.db`` or ``postgresql://…``.
        role: A SQLite file takes one engine at a time, a PostgreSQL database any number; persons and readers beside.

    Raises:
        StoreInUse: Another engine is at work on a SQLite file.
        StoreMisconfigured: The URL is wrong, the store not migrated or too new, or its commits would not be durable.
        StoreUnavailable: It can't be reached now.
    """
    location = locate(url)
    # Each with its driver; and who opens none needn't wait for SQLAlchemy.
    if isinstance(location, SqliteFile):
        from casecart.store.sqlite import SQLiteStore  # noqa: PLC0415 - as above

        return SQLiteStore(location.path, role)
    from casecart.store.postgresql import PostgreSQLStore  # noqa: PLC0415 - as above

    return PostgreSQLStore(location.url, role)
