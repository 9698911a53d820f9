"""Alembic's way in: runs the migrations on the connection it was handed, in one transaction."""

from __future__ import annotations

from alembic import context

from casecart.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can do it, and Alembic assumes that it can't: a migration that fails leaves nothing behind.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
