"""What channels are told of cases: their department and location."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "known_case",
        sa.Column("case_key", sa.LargeBinary(), nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("field", TEXT, nullable=False),
        sa.Column("told_at", NUMBER, nullable=False, autoincrement=False),
        sa.Column("position", NUMBER, nullable=False, autoincrement=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("case_key", "channel", "field"),
        sqlite_with_rowid=False,
    )
    op.create_index("known_case_position", "known_case", ["position"])


def downgrade() -> None:
    """Takes it away."""
    op.drop_index("known_case_position", "known_case")
    op.drop_table("known_case")
