"""`casecart resume`: a paused destination goes on."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.options import workspace_option
from casecart.cli.text import examples, printable
from casecart.commands.switch import ResumeDestination

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command(
    name="resume",
    epilog=examples(
        ("casecart resume erp", "its postings go out from where they stopped"),
        ("casecart resume erp --reason 'period is closed'", "with a word for the audit trail"),
    ),
)
@click.argument("destination")
@click.option("--reason", default="", help="Why, for the audit trail.")
@workspace_option
def command(destination: str, reason: str, root: Path) -> int:
    """Send to a destination again.

    What waited goes out in order. A running engine obeys within a second.
    """
    with at_desk(root, writing=True) as desk:
        done = desk.do(ResumeDestination(destination=destination, reason=reason), key=uuid.uuid4().hex)
    click.echo(f"{printable(done.words)}.")
    return Exit.FINE
