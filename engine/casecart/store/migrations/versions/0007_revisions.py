"""Revisions of the workspace, and which of them the engines run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "revision",
        sa.Column("number", NUMBER, nullable=False, autoincrement=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("recorded_at", NUMBER, nullable=False, autoincrement=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("due_at", NUMBER, nullable=True, autoincrement=False),
        sa.Column("origin", NUMBER, nullable=True, autoincrement=False),
        sa.Column("cancelled_at", NUMBER, nullable=True, autoincrement=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("channels", sa.LargeBinary(), nullable=False),
        sa.Column("files", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "running",
        sa.Column("member", sa.LargeBinary(), nullable=False),
        sa.Column("place", TEXT, nullable=False),
        sa.Column("number", NUMBER, nullable=False, autoincrement=False),
        sa.Column("since", NUMBER, nullable=False, autoincrement=False),
        sa.Column("refused", NUMBER, nullable=False, autoincrement=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("member"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Takes them away."""
    op.drop_table("running")
    op.drop_table("revision")
