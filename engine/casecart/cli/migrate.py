"""`casecart migrate`: the store's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from casecart.cli.desk import named_from_here
from casecart.cli.exit import Exit
from casecart.cli.options import workspace_option
from casecart.cli.text import examples, printable
from casecart.commands.workspace import bring_up_store

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command(
    name="migrate",
    epilog=examples(
        ("casecart migrate", "the store of the workspace in this folder"),
        ("casecart migrate -w /srv/casecart", "of another one"),
    ),
)
@click.option("--without-copy", is_flag=True, help="Make no copy of an older SQLite file before it is brought up.")
@workspace_option
def command(root: Path, *, without_copy: bool) -> int:
    """Make the store's tables, or bring them up to this version.

    `casecart run` does the same when it starts: this is for sites where another person, or another database user, does
    it. All of it is done or nothing; a store that is up stays as it is.

    Tables can't be brought back down. So an older SQLite file is copied first, to FILE.before-REVISION beside it: an
    older casecart runs on that. Of PostgreSQL make a backup before (`casecart backup create`, with the older casecart).
    """
    with named_from_here(root):
        place = bring_up_store(root, keep=not without_copy)
    click.echo(f"The store is up: {printable(place)}")
    return Exit.FINE
