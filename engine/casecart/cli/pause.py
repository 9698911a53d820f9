"""`casecart pause`: a destination gets nothing more, for now."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.options import workspace_option
from casecart.cli.text import examples, printable
from casecart.commands.switch import PauseDestination

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command(
    name="pause",
    epilog=examples(
        ("casecart pause erp --reason 'period is being closed'", "until `casecart resume erp`"),
        ("casecart pause erp -w /srv/casecart --reason 'ERP is being upgraded'", "of another workspace"),
    ),
)
@click.argument("destination")
@click.option("--reason", required=True, help="Why; shown to whoever finds it paused.")
@workspace_option
def command(destination: str, reason: str, root: Path) -> int:
    """Send nothing more to a destination, for now.

    Messages are still taken and acknowledged, and what is on its way is seen to its end; further postings wait in
    order. A running engine obeys within a second, one that is started later from its start.
    """
    with at_desk(root, writing=True) as desk:
        done = desk.do(PauseDestination(destination=destination, reason=reason), key=uuid.uuid4().hex)
    click.echo(f"{printable(done.words)}.")
    return Exit.FINE
