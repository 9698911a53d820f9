"""Bodies that can go before their messages do, by the partition in PostgreSQL; legal holds; what was deleted."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TYPES: dict[str, Any] = {"number": NUMBER, "small": sa.Integer(), "text": TEXT, "bytes": sa.LargeBinary()}

# As in the first: the columns, and the key. Only `retained` is a log.
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "legal_hold": (
        ("id bytes", "kind text", "value text", "reason text", "actor text", "recorded_at number"),
        ("id",),
    ),
    "retained": (("position number",), ("position",)),
    "expiry": (
        (
            "day small", "kind text", "rule text", "first number", "last number", "amount number", "bytes number",
            "recorded_at number",
        ),
        ("day", "kind", "rule"),
    ),
}  # fmt: skip

BODY = ("position number", "data bytes")
RUN = (
    "position number", "channel text", "revision text", "recorded_at number", "documents bytes", "attempt small",
    "tokens bytes null",
)  # fmt: skip
RUN_KEY = ("position", "channel", "attempt")


def upgrade() -> None:
    """Makes the tables; bodies go out of the messages' rows. In PostgreSQL what is there is the first partition."""
    for name, (columns, key) in TABLES.items():
        op.create_table(
            name, *map(column, columns), sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=name == "retained"
        )
    if op.get_bind().dialect.name != "postgresql":
        op.create_table("body", *map(column, BODY), sa.PrimaryKeyConstraint("position"))
        op.execute("insert into body (position, data) select position, body from message order by position")
        op.drop_column("message", "body")
        return
    end = op.get_bind().scalar(sa.text("select coalesce(max(position), 0) + 1 from message")) or 1
    by_position = "RANGE (position)"
    op.create_table(
        "body", *map(column, BODY), sa.PrimaryKeyConstraint("position"), postgresql_partition_by=by_position
    )
    if end > 1:
        op.execute(f"create table body_0_{end} partition of body for values from (minvalue) to ({end})")
        op.execute("insert into body (position, data) select position, body from message")
    op.drop_column("message", "body")
    op.rename_table("run", f"run_0_{end}")
    op.execute(f"alter index run_pkey rename to run_0_{end}_pkey")
    op.create_table("run", *map(column, RUN), sa.PrimaryKeyConstraint(*RUN_KEY), postgresql_partition_by=by_position)
    if end > 1:
        op.execute(f"alter table run attach partition run_0_{end} for values from (minvalue) to ({end})")
    else:
        op.drop_table("run_0_1")


def downgrade() -> None:
    """Takes it back; a body that was deleted is empty from then on."""
    op.add_column("message", sa.Column("body", sa.LargeBinary(), nullable=False, server_default=sa.text("''")))
    op.execute("update message set body = body.data from body where body.position = message.position")
    op.drop_table("body")
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("message", "body", server_default=None)
        op.rename_table("run", "run_after")
        op.execute("alter index run_pkey rename to run_after_pkey")
        op.create_table("run", *map(column, RUN), sa.PrimaryKeyConstraint(*RUN_KEY))
        op.execute("insert into run select * from run_after")
        op.drop_table("run_after")
    for name in TABLES:
        op.drop_table(name)


def column(declared: str) -> sa.Column[Any]:
    """A column as it is declared above."""
    name, kind, *null = declared.split()
    return sa.Column(name, TYPES[kind], nullable=bool(null), autoincrement=False)
