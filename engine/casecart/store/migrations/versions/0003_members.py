"""PostgreSQL: several engines on one store, what each of them holds, and what waits in a partition."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.Text(collation="C")


def upgrade() -> None:
    """Makes the tables; a SQLite file has one engine and needs none."""
    if op.get_bind().dialect.name == "sqlite":
        return
    op.create_table(
        "member",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("roles", TEXT, nullable=False),
        sa.Column("place", TEXT, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "lease",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("holder", sa.LargeBinary()),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "partition"),
    )
    waiting = sa.text("outcome = 'waiting'")
    op.create_index("message_waiting", "message", ["partition", "position"], postgresql_where=waiting)


def downgrade() -> None:
    """Takes them away."""
    if op.get_bind().dialect.name == "sqlite":
        return
    op.drop_index("message_waiting", "message")
    op.drop_table("lease")
    op.drop_table("member")
