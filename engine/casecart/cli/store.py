"""`casecart store verify`: whether all that is stored is as it was written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import counted, examples, printable
from casecart.commands.store_verify import VerifyStore

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.group(name="store")
def command() -> None:
    """Verify all that is stored."""


@command.command(
    name="verify",
    epilog=examples(
        ("casecart store verify", "reads everything; the engine may run meanwhile"),
        ("casecart store verify --json | jq .findings", "for a program"),
    ),
)
@json_option
@workspace_option
def verify(root: Path, *, json: bool) -> int:
    """Read all that is stored, and find what is not as it was written.

    Every checksum of messages, documents, postings, statements, master data and decisions; the audit trail; SQLite's
    own check of its file; and, unless an engine changes them meanwhile, the counters of both balances against the
    rows. Nothing is changed. Exits with 1 when something is found.
    """
    with at_desk(root) as desk:
        found = desk.ask(VerifyStore(told=_progress))
    if sys.stderr.isatty():
        click.echo("\r" + " " * 60 + "\r", err=True, nl=False)
    if json:
        click.echo(as_json(found))
        return Exit.FINE if found.sound else Exit.WRONG
    for finding in found.findings:
        click.echo(printable(f"{finding.kind}: {finding.where}: {finding.words}"))
    if found.findings_left_out:
        click.echo(f"and {found.findings_left_out:,} more")
    click.echo("looked at " + ", ".join(f"{kind} {number:,}" for kind, number in found.looked_at.items()))
    if not found.counted:
        click.echo("The counters were not held against the rows: an engine changed both. Try again when it rests.")
    number = counted(len(found.findings) + found.findings_left_out, "finding")
    click.echo("All is as it was written." if found.sound else f"NOT all is as it was written: {number}.")
    return Exit.FINE if found.sound else Exit.WRONG


def _progress(kind: str, number: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{kind} {number:,}".ljust(40), err=True, nl=False)
