"""`casecart init`: a new workspace."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.options import DIRECTORY
from casecart.cli.text import examples
from casecart.commands.workspace import make_workspace
from casecart.workspace import WorkspaceError

__all__ = ["command"]


@click.command(
    name="init",
    epilog=examples(("casecart init ws", "in a new folder"), ("casecart init .", "in this one, if it is empty")),
)
@click.argument("directory", type=DIRECTORY, metavar="DIR")
def command(directory: Path) -> int:
    """Make a new workspace that runs.

    DIR gets a channel, its mapping, configuration and sample messages to begin with, secrets of its own and an empty
    store. It must be empty, or not be there yet; a git repository without files is fine.
    """
    try:
        written = make_workspace(directory)
    except WorkspaceError as error:
        raise Stop(Exit.WRONG, "; ".join(f"{found.place.file}: {found.message}" for found in error.findings)) from error
    click.echo(f"{directory} is a workspace: {len(written)} files.")
    click.echo("Keep a copy of var/secrets/keys in a safe place: postings are known by it.\n")
    click.echo("Next:")
    if directory.absolute() != Path.cwd():
        click.echo(f"  cd {shlex.quote(str(directory))}")
    click.echo("  casecart master import samples/master/*.csv --from erp")
    click.echo("  casecart run")
    click.echo("  casecart send samples/hl7v2/dft-hip-stem.hl7     # in another terminal, in the same folder")
    click.echo("  casecart messages")
    return Exit.FINE
