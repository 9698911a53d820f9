"""The first tables: log, ledger, worklist, and the seams that later work stands on."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from casecart.store.column import Xid8

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TYPES: dict[str, Any] = {"number": NUMBER, "small": sa.Integer(), "text": TEXT, "bytes": sa.LargeBinary()}

# name: the columns as "name type", a `?` behind the type where it may be null; the columns of its key.
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "message": (
        (
            "position number", "id bytes", "organisation text", "facility text", "correlation_id bytes?",
            "causation_id bytes?", "traceparent text?", "occurred_at number?", "recorded_at number", "actor text",
            "schema text", "listener text", "message_type text", "sender text", "control_id text", "reuse small?",
            "digest bytes", "partition small", "outcome text", "notes text?", "source text", "charset text?",
            "body bytes",
        ),
        ("position",),
    ),
    "run": (
        ("position number", "channel text", "revision text", "recorded_at number", "documents bytes"),
        ("position", "channel"),
    ),
    "ledger": (
        (
            "sequence number", "position number", "channel text", "facility text", "case_key bytes",
            "order_key bytes", "destination text", "open small", "recorded_at number", "postings bytes",
        ),
        ("sequence",),
    ),
    "exception": (
        (
            "id bytes", "organisation text", "facility text", "position number", "recorded_at number", "actor text",
            "channel text", "place text", "line text", "code text", "cause text", "destination text", "key text",
            "state text",
        ),
        ("id",),
    ),
    "token": (
        ("token text", "facility text", "kind text", "value text", "recorded_at number"),
        ("facility", "kind", "token"),
    ),
    "balance": (
        ("facility text", "scope text", "name text", "shard small", "amount number"),
        ("facility", "scope", "name", "shard"),
    ),
    "event": (
        ("partition small", "position number", "count small", "recorded_at number", "data bytes"),
        ("partition", "position"),
    ),
    "timer": (("owner text", "key text", "due_at number", "data text"), ("owner", "key")),
    "process": (
        (
            "facility text", "definition text", "business_key text", "id bytes", "organisation text",
            "correlation_id bytes?", "causation_id bytes?", "traceparent text?", "occurred_at number?",
            "recorded_at number", "actor text", "schema text", "version small", "state text", "waiting_for text?",
            "data bytes",
        ),
        ("facility", "definition", "business_key"),
    ),
    "cursor": (("name text", "partition small", "position number", "epoch number"), ("name", "partition")),
    "switch": (
        ("destination text", "state text", "actor text", "reason text", "recorded_at number"),
        ("destination",),
    ),
    "audit": (
        (
            "position number", "recorded_at number", "actor text", "command text", "subject text", "detail text",
            "digest bytes",
        ),
        ("position",),
    ),
}  # fmt: skip

# Kept by a number that only grows: rows lie in its order, and SQLite's row id is that number.
LOGS = ("message", "ledger", "audit")

# name: table, columns, unique, and where it is partial
INDEXES: dict[str, tuple[str, list[str], bool, str | None]] = {
    "message_identity": ("message", ["facility", "sender", "control_id", "reuse"], True, None),
    "message_id": ("message", ["id"], True, None),
    "message_outcome": ("message", ["outcome", "position", "listener"], False, "outcome != 'processed'"),
    "ledger_case": ("ledger", ["facility", "case_key"], False, None),
    "ledger_position": ("ledger", ["position"], False, None),
    "ledger_open": ("ledger", ["destination", "sequence", "open", "recorded_at"], False, "open > 0"),
    "exception_position": ("exception", ["position"], False, None),
    "exception_state": ("exception", ["state", "id"], False, None),
    "exception_cause": ("exception", ["state", "cause"], False, None),
    "timer_due": ("timer", ["due_at"], False, None),
}

# The numbers that a store gives out.
SEQUENCES = ("message_position", "entry_sequence")


def upgrade() -> None:
    """Makes everything."""
    for name, (columns, key) in TABLES.items():
        op.create_table(
            name,
            *(column(declared) for declared in columns),
            sa.PrimaryKeyConstraint(*key),
            sqlite_with_rowid=name in LOGS,
        )
    for name, (table, indexed, unique, where) in INDEXES.items():
        partial = sa.text(where) if where else None
        op.create_index(name, table, indexed, unique=unique, sqlite_where=partial, postgresql_where=partial)
    if op.get_bind().dialect.name == "postgresql":
        writer = sa.Column("xid", Xid8, server_default=sa.text("pg_current_xact_id()"), nullable=False)
        op.add_column("message", writer)
        for name in SEQUENCES:
            op.execute(sa.schema.CreateSequence(sa.Sequence(name)))


def downgrade() -> None:
    """Removes everything, with all that is in it."""
    for name in TABLES:
        op.drop_table(name)
    if op.get_bind().dialect.name == "postgresql":
        for name in SEQUENCES:
            op.execute(sa.schema.DropSequence(sa.Sequence(name)))


def column(declared: str) -> sa.Column[Any]:
    """A column of the list above."""
    name, kind = declared.split()
    return sa.Column(name, TYPES[kind.rstrip("?")], nullable=kind.endswith("?"), autoincrement=False)
