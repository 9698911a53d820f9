"""The tables of every store, as SQLAlchemy metadata: the one place that says what a column is.

A table has the fields of its record (`casecart.store.records`, `casecart.store.applied`), in their order. Migrations
bring a store here; a test holds both together. The hot path does not go through SQLAlchemy: it hands records to the
driver as they are.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, MetaData, Table, text

from casecart.store.column import Xid8, number, octets, small, words

__all__ = [
    "REVISION",
    "audit",
    "balance",
    "body",
    "cursor",
    "event",
    "exception",
    "expiry",
    "known_case",
    "lease",
    "ledger",
    "legal_hold",
    "lookup",
    "lookup_filter",
    "lookup_log",
    "lookup_run",
    "master",
    "member",
    "message",
    "metadata",
    "process",
    "replay",
    "retained",
    "revision",
    "run",
    "running",
    "switch",
    "timer",
]

REVISION = "0007"
"""The newest migration: what a store must be at. Kept here so that opening a store needn't load Alembic."""

metadata = MetaData()


message = Table(
    "message",
    metadata,
    number("position", key=True),
    octets("id"),
    words("organisation"),
    words("facility"),
    octets("correlation_id", null=True),
    octets("causation_id", null=True),
    words("traceparent", null=True),
    number("occurred_at", null=True),
    number("recorded_at"),
    words("actor"),
    words("schema"),
    words("listener"),
    words("message_type"),
    words("sender"),
    words("control_id"),
    small("reuse", null=True),
    octets("digest"),
    small("partition"),
    words("outcome"),
    words("notes", null=True),
    words("source"),
    words("charset", null=True),
    # For readers in other processes: positions are given before the commit, so how far one may read is not told by the
    # position but by pg_snapshot_xmin over this.
    Column("xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()"), info={"only": "postgresql"}),
    # A null reuse is equal to nothing: such a message is not de-duplicated.
    Index("message_identity", "facility", "sender", "control_id", "reuse", unique=True),
    # Ids are ordered by time, so new ones go to the end of the tree.
    Index("message_id", "id", unique=True),
)
# All but the usual case: the waiting are counted by listener, and the rare outcomes found, without the log.
Index(
    "message_outcome",
    message.c.outcome,
    message.c.position,
    message.c.listener,
    sqlite_where=message.c.outcome != text("'processed'"),
    postgresql_where=message.c.outcome != text("'processed'"),
)

# What waits in a partition, for the engine that works it.
Index(
    "message_waiting",
    message.c.partition,
    message.c.position,
    postgresql_where=message.c.outcome == text("'waiting'"),
    info={"only": "postgresql"},
).ddl_if(dialect="postgresql")
# Bodies and runs go long before their message's row does. In PostgreSQL each lies in partitions by position that the
# store makes (casecart.store.postgresql_partitions), and goes a partition at a time. In SQLite the pages of rows that
# are deleted become free: those of a row that becomes shorter would not.
body = Table(
    "body",
    metadata,
    number("position", key=True),
    octets("data"),
    postgresql_partition_by="RANGE (position)",
)

run = Table(
    "run",
    metadata,
    number("position", key=True),
    words("channel", key=True),
    words("revision"),
    number("recorded_at"),
    octets("documents"),
    small("attempt", key=True),
    octets("tokens", null=True),
    sqlite_with_rowid=False,
    postgresql_partition_by="RANGE (position)",
)

ledger = Table(
    "ledger",
    metadata,
    number("sequence", key=True),
    number("position"),
    words("channel"),
    words("facility"),
    octets("case_key"),
    octets("order_key"),
    words("destination"),
    small("open"),
    number("recorded_at"),
    octets("postings"),
    octets("statements", null=True),
    Index("ledger_position", "position"),
)
# What is on its way, and nothing else; with what is summed up over it.
Index(
    "ledger_open",
    ledger.c.destination,
    ledger.c.sequence,
    ledger.c.open,
    ledger.c.recorded_at,
    sqlite_where=ledger.c.open > text("0"),
    postgresql_where=ledger.c.open > text("0"),
)

# What channels were told of cases: a row a field, so that whatever comes in whatever order, the newest word stands.
known_case = Table(
    "known_case",
    metadata,
    octets("case_key", key=True),
    words("channel", key=True),
    words("field", key=True),
    number("told_at"),
    number("position"),
    octets("value"),
    Index("known_case_position", "position"),
    sqlite_with_rowid=False,
)

exception = Table(
    "exception",
    metadata,
    octets("id", key=True),
    words("organisation"),
    words("facility"),
    number("position"),
    number("recorded_at"),
    words("actor"),
    words("channel"),
    words("place"),
    words("line"),
    words("code"),
    words("cause"),
    words("destination"),
    words("key"),
    words("state"),
    words("kind"),
    words("field"),
    words("subject"),
    words("proposal"),
    words("assignee"),
    words("reason"),
    number("changed_at"),
    Index("exception_position", "position"),
    Index("exception_state", "state", "id"),
    Index("exception_cause", "state", "cause"),
    sqlite_with_rowid=False,
)

replay = Table(
    "replay",
    metadata,
    octets("hold", key=True),
    number("position"),
    words("channel"),
    words("place"),
    number("recorded_at"),
    words("actor"),
    words("revision"),
    words("decision"),
    Index("replay_channel", "channel", "position"),
    sqlite_with_rowid=False,
)
# As `LEFT_TO` says; a partial index is used only where its condition is asked for word by word.
NOT_LEFT = text("substr(channel, 1, 7) <> 'follow:'")
Index("replay_rest", replay.c.recorded_at, replay.c.hold, sqlite_where=NOT_LEFT, postgresql_where=NOT_LEFT)

# Each store in its own way: PostgreSQL as a tree of rows, SQLite as a log and sorted runs of them
# (casecart.store.sqlite_lookup). A key is kind and hash together (casecart.store.lookup).
lookup = Table(
    "lookup",
    metadata,
    number("key", key=True),
    number("position", key=True),
    info={"only": "postgresql"},
)
lookup_log = Table("lookup_log", metadata, number("number", key=True), octets("data"), info={"only": "sqlite"})
lookup_run = Table(
    "lookup_run",
    metadata,
    number("run"),
    number("first"),
    number("chunk"),
    octets("data"),
    Index("lookup_run_first", "run", "first", "chunk", unique=True),
    info={"only": "sqlite"},
)
lookup_filter = Table(
    "lookup_filter", metadata, number("kind", key=True), number("run"), octets("data"), info={"only": "sqlite"}
)

master = Table(
    "master",
    metadata,
    number("position", key=True),
    words("kind"),
    words("facility"),
    words("key"),
    number("recorded_at"),
    words("actor"),
    words("source"),
    words("origin"),
    octets("data"),
    # 1: a newer version is known to stand over it.
    small("superseded"),
    Index("master_key", "kind", "key", "facility", "position"),
)
Index(
    "master_current",
    master.c.position,
    sqlite_where=master.c.superseded == text("0"),
    postgresql_where=master.c.superseded == text("0"),
)

balance = Table(
    "balance",
    metadata,
    words("facility", key=True),
    words("scope", key=True),
    words("name", key=True),
    # Each engine at work writes one of its own, so that none waits for another's row.
    small("shard", key=True),
    number("amount"),
    sqlite_with_rowid=False,
)

# One row a group commit: its first event's position, and all of them encoded together.
event = Table(
    "event",
    metadata,
    small("partition", key=True),
    number("position", key=True),
    small("count"),
    number("recorded_at"),
    octets("data"),
    sqlite_with_rowid=False,
)

timer = Table(
    "timer",
    metadata,
    words("owner", key=True),
    words("key", key=True),
    number("due_at"),
    words("data"),
    Index("timer_due", "due_at"),
    sqlite_with_rowid=False,
)

# Long-running work. Nothing writes it yet.
process = Table(
    "process",
    metadata,
    words("facility", key=True),
    words("definition", key=True),
    words("business_key", key=True),
    octets("id"),
    words("organisation"),
    octets("correlation_id", null=True),
    octets("causation_id", null=True),
    words("traceparent", null=True),
    number("occurred_at", null=True),
    number("recorded_at"),
    words("actor"),
    words("schema"),
    small("version"),
    words("state"),
    words("waiting_for", null=True),
    octets("data"),
    sqlite_with_rowid=False,
)

cursor = Table(
    "cursor",
    metadata,
    words("name", key=True),
    small("partition", key=True),
    number("position"),
    number("epoch"),
    sqlite_with_rowid=False,
)

# Engines at work, and what one of them at a time does (casecart.store.shared).
member = Table(
    "member",
    metadata,
    octets("id", key=True),
    words("roles"),
    words("place"),
    number("started_at"),
    number("beat"),
    info={"only": "postgresql"},
)
lease = Table(
    "lease",
    metadata,
    words("name", key=True),
    small("partition", key=True),
    octets("holder", null=True),
    number("epoch"),
    info={"only": "postgresql"},
)

switch = Table(
    "switch",
    metadata,
    words("destination", key=True),
    words("state"),
    words("actor"),
    words("reason"),
    number("recorded_at"),
    sqlite_with_rowid=False,
)

audit = Table(
    "audit",
    metadata,
    number("position", key=True),
    number("recorded_at"),
    words("actor"),
    words("command"),
    words("subject"),
    words("detail"),
    octets("digest"),
)

# What must be kept whatever its age, until a person releases it.
legal_hold = Table(
    "legal_hold",
    metadata,
    octets("id", key=True),
    words("kind"),
    words("value"),
    words("reason"),
    words("actor"),
    number("recorded_at"),
    sqlite_with_rowid=False,
)

# Messages past their time of which something is kept because it is still needed; looked at again from time to time.
retained = Table("retained", metadata, number("position", key=True))

# What was deleted: a row a day, kind and rule.
expiry = Table(
    "expiry",
    metadata,
    small("day", key=True),
    words("kind", key=True),
    words("rule", key=True),
    number("first"),
    number("last"),
    number("amount"),
    number("bytes"),
    number("recorded_at"),
    sqlite_with_rowid=False,
)

# The text of the workspace's files, and who runs it. The files come last: who looks for a number reads past none.
revision = Table(
    "revision",
    metadata,
    number("number", key=True),
    words("kind"),
    number("recorded_at"),
    words("actor"),
    words("note"),
    number("due_at", null=True),
    number("origin", null=True),
    number("cancelled_at", null=True),
    octets("digest"),
    octets("channels"),
    octets("files"),
)
running = Table(
    "running",
    metadata,
    octets("member", key=True),
    words("place"),
    number("number"),
    number("since"),
    number("refused"),
    words("reason"),
    sqlite_with_rowid=False,
)
