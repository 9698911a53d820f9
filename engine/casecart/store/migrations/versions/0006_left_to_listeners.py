"""Wishes that are left to listeners, apart from those of people: neither has to read past the other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Makes the indexes."""
    rest = sa.text("substr(channel, 1, 7) <> 'follow:'")
    op.create_index("replay_rest", "replay", ["recorded_at", "hold"], sqlite_where=rest, postgresql_where=rest)
    op.create_index("replay_channel", "replay", ["channel", "position"])


def downgrade() -> None:
    """Takes them away."""
    op.drop_index("replay_channel", "replay")
    op.drop_index("replay_rest", "replay")
