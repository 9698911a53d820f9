"""`casecart docs`: pages about a workspace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import named_from_here
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.options import DIRECTORY, workspace_option
from casecart.cli.text import counted, examples, printable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]

MARK = ".casecart-docs"
"""Lists the pages in a folder that casecart made, so that it takes away its own ones only."""


_OURS = re.compile(r"(?:(?:channels|mappings)/)?[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)


@click.group(name="docs")
def command() -> None:
    """Make pages about a workspace."""


@command.command(
    name="build",
    epilog=examples(
        ("casecart docs build", "in var/docs of the workspace; open index.html"),
        ("casecart docs build --to /srv/www/channels", "where a web server has it"),
    ),
)
@click.option("--to", "target", type=DIRECTORY, metavar="DIR", help="The site's folder.  [default: var/docs]")
@workspace_option
def build(target: Path | None, root: Path) -> int:
    """Make a site of a workspace: a page a channel and mapping, from the YAML's own words, and the code tables.

    The pages are plain HTML without scripts, and the same files give the same pages. They tell who owns a channel,
    what it takes from whom, its steps, each field of its mappings with its sources, and its tests. Secrets and what a
    message said are on none. Pages of an earlier build that are not needed any more go.
    """
    from casecart.commands.workspace_site import pages  # noqa: PLC0415 - who asks for help waits for no engine

    with named_from_here(root):
        made = pages(root)
    folder = target if target is not None else root / "var" / "docs"
    try:
        _write(folder, made)
    except OSError as error:
        raise Stop(Exit.WRONG, f"{error.filename or folder} can't be written: {error.strerror}") from None
    number = sum(name.endswith(".html") for name in made)
    click.echo(f"{counted(number, 'page')} are made: open {printable(str(folder / 'index.html'))}")
    return Exit.FINE


def _write(folder: Path, made: dict[str, str]) -> None:
    mark = folder / MARK
    if folder.exists() and not mark.exists() and any(folder.iterdir()):
        raise Stop(Exit.WRONG, f"{folder} has files that are not of an earlier build: name an empty folder with --to")
    before = set(mark.read_text("utf-8").split("\n")) if mark.exists() else set()
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text("\n".join(sorted({*before, *made})), "utf-8")  # first: what is half made is still known as ours
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for name in before - set(made):
        if _OURS.fullmatch(name):  # whatever somebody wrote into the list
            (folder / name).unlink(missing_ok=True)
    mark.write_text("\n".join(sorted(made)), "utf-8")
