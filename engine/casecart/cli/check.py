"""`casecart check`: everything that is wrong in a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from casecart.cli.desk import from_here
from casecart.cli.exit import Exit
from casecart.cli.options import as_json, directory_argument, json_option
from casecart.cli.text import counted, examples, printable
from casecart.commands.workspace import check

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.commands.workspace import Checked

__all__ = ["command"]


@click.command(
    name="check",
    epilog=examples(
        ("casecart check", "the workspace in this folder"),
        ("casecart check ws", "another one"),
        ("casecart check --json | jq '.findings[].file'", ""),
    ),
)
@directory_argument
@json_option
def command(directory: Path | None, root: Path, *, json: bool) -> int:
    """Find everything that is wrong in a workspace.

    Reads configuration, channels with their tests, mappings and code tables, and prints one line for each finding:

    \b
      file:line:column error code What is wrong and what to do. Did you mean '...'?

    Nothing is run or stored. Exits with 1 when there is an error; warnings alone are fine.
    """  # noqa: D301 - click's mark for lines that are kept as they are
    root = directory or root
    checked = check(root, tests=True)
    if json:
        click.echo(as_json(_document(root, checked)))
    else:
        for finding in from_here(checked.findings, root):
            click.echo(printable(str(finding)))
        click.echo(_summary(checked))
    return Exit.WRONG if checked.errors else Exit.FINE


def _summary(checked: Checked) -> str:
    warnings = len(checked.findings) - checked.errors
    if checked.workspace is None:
        return f"{counted(checked.errors, 'error')}, {counted(warnings, 'warning')}"
    workspace = checked.workspace
    parts = {
        "channel": workspace.channels,
        "mapping": {**workspace.mappings, **workspace.outgoing},
        "table": workspace.tables,
        "listener": workspace.engine.listeners,
        "destination": workspace.engine.destinations,
    }
    found = f"no errors, {counted(warnings, 'warning')}" if warnings else "nothing is wrong"
    return f"{', '.join(counted(len(part), noun) for noun, part in parts.items())}: {found}"


def _document(root: Path, checked: Checked) -> dict[str, Any]:
    return {
        "workspace": str(root.absolute()),
        "errors": checked.errors,
        "warnings": len(checked.findings) - checked.errors,
        "findings": [
            {
                "file": finding.place.file,
                "line": finding.place.line,
                "column": finding.place.column,
                "severity": finding.severity,
                "code": finding.code,
                "message": finding.message,
                "suggestion": finding.suggestion,
            }
            for finding in checked.findings
        ],
    }
