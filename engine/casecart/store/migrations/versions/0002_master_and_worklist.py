"""Master data, work on exceptions, replays of single lines, statements, and look-ups by lot and serial number."""

from __future__ import annotations

from array import array
from typing import Any
from zlib import crc32

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TYPES: dict[str, Any] = {"number": NUMBER, "small": sa.Integer(), "text": TEXT, "bytes": sa.LargeBinary()}

# As in the first: the columns, and the key. Only `master` is a log.
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "replay": (
        (
            "hold bytes", "position number", "channel text", "place text", "recorded_at number", "actor text",
            "revision text", "decision text",
        ),
        ("hold",),
    ),
    "master": (
        (
            "position number", "kind text", "facility text", "key text", "recorded_at number", "actor text",
            "source text", "origin text", "data bytes", "superseded small",
        ),
        ("position",),
    ),
}  # fmt: skip

LOOKUPS: dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "postgresql": {"lookup": (("key number", "position number"), ("key", "position"))},
    "sqlite": {
        "lookup_log": (("number number", "data bytes"), ("number",)),
        "lookup_filter": (("kind number", "run number", "data bytes"), ("kind",)),
        "lookup_run": (("run number", "first number", "chunk number", "data bytes"), ()),
    },
}

# Tables that grow: what they are made of after this, their key, and what is in a new column of a row that is there.
RUN = ("position number", "channel text", "revision text", "recorded_at number", "documents bytes")
EXCEPTION = (
    "id bytes", "organisation text", "facility text", "position number", "recorded_at number", "actor text",
    "channel text", "place text", "line text", "code text", "cause text", "destination text", "key text", "state text",
)  # fmt: skip
GROWN: dict[str, tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]] = {
    "run": (RUN, {"attempt small": "0", "tokens bytes null": "null"}, ("position", "channel", "attempt")),
    "exception": (
        EXCEPTION,
        {
            "kind text": "'held'",
            "field text": "''",
            "subject text": "''",
            "proposal text": "''",
            "assignee text": "''",
            "reason text": "''",
            "changed_at number": "0",
        },
        ("id",),
    ),
}
TOKEN = ("token text", "facility text", "kind text", "value text", "recorded_at number")
TOKEN_KEY = ("facility", "kind", "token")
KEYS_BEFORE = {"run": ("position", "channel"), "exception": ("id",)}

EXCEPTION_INDEXES = {
    "exception_position": ["position"],
    "exception_state": ["state", "id"],
    "exception_cause": ["state", "cause"],
}


def upgrade() -> None:
    """Makes the tables, and the others grow."""
    for name, (columns, key) in TABLES.items():
        op.create_table(name, *map(column, columns), sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=name == "master")
    for name, (columns, key) in LOOKUPS[op.get_bind().dialect.name].items():
        op.create_table(name, *map(column, columns), *([sa.PrimaryKeyConstraint(*key)] if key else []))
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("lookup_run_first", "lookup_run", ["run", "first", "chunk"], unique=True)
    op.create_index("master_key", "master", ["kind", "key", "facility", "position"])
    partial = sa.text("superseded = 0")
    op.create_index("master_current", "master", ["position"], sqlite_where=partial, postgresql_where=partial)
    op.add_column("ledger", sa.Column("statements", sa.LargeBinary()))
    op.drop_index("ledger_case", "ledger")
    for name, (before, new, key) in GROWN.items():
        if op.get_bind().dialect.name == "sqlite":
            _rebuild(name, (*before, *new), key, [*names(before), *new.values()])
        else:
            for declared, value in new.items():
                op.add_column(name, column(declared, value))
                if not declared.endswith(" null"):
                    op.alter_column(name, names([declared])[0], server_default=None)
            if key != KEYS_BEFORE[name]:
                op.drop_constraint(f"{name}_pkey", name)
                op.create_primary_key(f"{name}_pkey", name, list(key))
    _look_up_what_is_there()
    op.drop_table("token")


def _look_up_what_is_there() -> None:
    """Tokens go to the runs whose documents have them; cases, tokens, lots, serial numbers and items get look-ups."""
    bind = op.get_bind()
    execute = bind.exec_driver_sql
    values = {token: (token, kind, value) for token, kind, value in execute("select token, kind, value from token")}
    rows: set[tuple[int, int]] = {
        (int.from_bytes(bytes(case_key)[:4], "big"), position)
        for position, case_key in execute("select position, case_key from ledger").fetchall()
    }
    for position, channel, data in execute("select position, channel, documents from run").fetchall():
        given: dict[str, tuple[str, str, str]] = {}
        for usage in _documents(bytes(data)):
            given |= {said: values[said] for said in usage.values() if isinstance(said, str) and said in values}
            told = [(kind, usage.get(kind)) for kind in ("lot", "serial", "item")]
            rows.update((_key(kind, value), position) for kind, value in told if value)
        rows.update((_key("token", token), position) for token in given)
        if given:
            tokens = msgspec.msgpack.encode(list(given.values()))
            where = sa.text("update run set tokens = :tokens where position = :position and channel = :channel")
            bind.execute(where, {"tokens": tokens, "position": position, "channel": channel})
    if not rows:
        return
    if bind.dialect.name == "sqlite":
        ordered = sorted(rows)
        packed = array("q", [*(key for key, _ in ordered), *(position for _, position in ordered)]).tobytes()
        bind.execute(sa.text("insert into lookup_log (number, data) values (1, :data)"), {"data": packed})
    else:
        wanted = [{"key": key, "position": position} for key, position in rows]
        bind.execute(sa.text("insert into lookup (key, position) values (:key, :position)"), wanted)


def _documents(made: bytes) -> list[dict[str, Any]]:
    """The documents of a run of that time: [schema, [[place, line, document], ...], ...]."""
    try:
        return [document for _, _, document in msgspec.msgpack.decode(made)[1]]
    except (msgspec.DecodeError, IndexError, TypeError, ValueError):
        return []  # nothing that this program wrote


def _key(kind: str, value: str) -> int:
    """As look-ups are keyed with this revision; later ones may do otherwise."""
    return ("case", "serial", "token", "lot", "item").index(kind) << 32 | crc32(value.encode())


def downgrade() -> None:
    """Takes all of it away; of a line that was worked again only the first run is left."""
    op.execute("delete from run where attempt > 0")
    op.drop_column("ledger", "statements")
    op.create_index("ledger_case", "ledger", ["facility", "case_key"])
    op.create_table("token", *map(column, TOKEN), sa.PrimaryKeyConstraint(*TOKEN_KEY), sqlite_with_rowid=False)
    for name, (before, new, key) in GROWN.items():
        if op.get_bind().dialect.name == "sqlite":
            _rebuild(name, before, KEYS_BEFORE[name], names(before))
        else:
            for declared in new:
                op.drop_column(name, names([declared])[0])
            if key != KEYS_BEFORE[name]:  # it went with its column
                op.create_primary_key(f"{name}_pkey", name, list(KEYS_BEFORE[name]))
    for name in TABLES | LOOKUPS[op.get_bind().dialect.name]:
        op.drop_table(name)


def _rebuild(name: str, columns: tuple[str, ...], key: tuple[str, ...], values: list[str]) -> None:
    """SQLite can't give a table another key."""
    indexes = EXCEPTION_INDEXES if name == "exception" else {}
    for index in indexes:
        op.drop_index(index, name)
    op.rename_table(name, f"{name}_before")
    op.create_table(name, *map(column, columns), sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=False)
    op.execute(f"insert into {name} select {', '.join(values)} from {name}_before")  # noqa: S608 - our own names
    op.drop_table(f"{name}_before")
    for index, indexed in indexes.items():
        op.create_index(index, name, indexed)


def names(columns: tuple[str, ...] | list[str]) -> list[str]:
    """Without their types."""
    return [declared.split()[0] for declared in columns]


def column(declared: str, value: str | None = None) -> sa.Column[Any]:
    """A column as it is declared above, and what it is in rows that are there."""
    name, kind, *null = declared.split()
    default = None if value is None or null else sa.text(value)
    return sa.Column(name, TYPES[kind], nullable=bool(null), autoincrement=False, server_default=default)
