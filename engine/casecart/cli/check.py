"""`casecart check`: everything that is wrong in a workspace, and with `--env` in the site that it is to run at."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import from_here
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.finding_formats import as_document, as_sarif, as_workflow_command
from casecart.cli.options import DIRECTORY, as_json, workspace_option
from casecart.cli.text import counted, examples, printable
from casecart.commands.site import CONFIGURATION
from casecart.commands.workspace import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.commands.workspace import Checked
    from casecart.workspace import Finding

__all__ = ["command"]


@click.command(
    name="check",
    epilog=examples(
        ("casecart check", "the workspace in this folder"),
        ("casecart check ws", "another one"),
        ("casecart check channels/or-usage.yaml mappings", "only what is found in these"),
        ("casecart check --env", "and the site: ports, secrets, store, destinations"),
        ("casecart check --format sarif > casecart.sarif", "for code review; github marks lines"),
        ("casecart check --json | jq '.findings[].file'", ""),
    )
    + "\n\n\b\nExit codes:\n  0 no error (warnings are fine)   1 an error   2 usage   3 no workspace there",
)
@click.argument("paths", nargs=-1, type=DIRECTORY, metavar="[PATH]...")
@click.option("--env", "site", is_flag=True, help="Look at the site too: this machine, and what it must reach.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json", "github", "sarif")),
    default="text",
    show_default=True,
    help="How findings are printed.",
)
@click.option("--json", is_flag=True, help="The same as --format json.")
@workspace_option
def command(paths: tuple[Path, ...], root: Path, form: str, *, site: bool, json: bool) -> int:
    """Find everything that is wrong in a workspace.

    Reads configuration, channels with their tests, mappings and code tables, and prints one line for each finding:

    \b
      file:line:column error code What is wrong and what to do. Did you mean '...'?

    PATH is a workspace, or files and folders in one: then the whole is read, and what is found in these is printed.

    Nothing is run, sent or stored. With --env this machine is looked at as well: that ports are free, secrets and
    certificates there, the store reachable, clock and disks well; and each destination and FHIR server is asked whether
    it is there and lets us in. That posts nothing.

    docs/reference/findings.md explains each code.
    """  # noqa: D301 - click's mark for lines that are kept as they are
    gc.disable()  # all that is read stays until the end: looking for what could go costs a tenth of the time
    root, only = _asked(paths, root)
    checked = check(root, tests=True)
    if site:
        from casecart.cli.site_check import with_site  # noqa: PLC0415 - it brings the reactor

        checked = with_site(root, checked)
    elsewhere = 0
    if only:
        within = _within(checked.findings, root, only)
        elsewhere = len(checked.findings) - len(within)
        checked = replace(checked, findings=within)
    _print(root, checked, "json" if json else form, elsewhere)
    return Exit.WRONG if checked.errors else Exit.FINE


def _asked(paths: Sequence[Path], root: Path) -> tuple[Path, list[Path]]:
    """The workspace, and what in it is asked about; nothing: all of it."""
    if not paths:
        return root, []
    there = [path if path.exists() or not (root / path).exists() else root / path for path in paths]
    roots = {path: _workspace_of(path) for path in there}
    first = roots[there[0]]
    lost = next((path for path in there if not path.exists()), None)
    if lost is not None and (len(there) > 1 or first != lost):  # alone, where no workspace is: it is told as one
        raise Stop(Exit.USAGE, f"there is no {lost}")
    if len({each.resolve() for each in roots.values()}) > 1:
        raise Stop(Exit.USAGE, "these are of several workspaces; name what is in one")
    return first, [path for path in there if path.resolve() != first.resolve()]


def _workspace_of(path: Path) -> Path:
    """The nearest folder, from the path on upwards, that is a workspace; the path itself if there is none."""
    above = [path, *path.parents] if path.is_absolute() else [path, *path.parents, *Path.cwd().parents]
    return next((each for each in above if (each / CONFIGURATION).is_file()), path)


def _within(findings: Sequence[Finding], root: Path, only: Sequence[Path]) -> tuple[Finding, ...]:
    """The findings in files, or below folders."""
    named = [path.resolve() for path in only]
    return tuple(
        finding
        for finding in findings
        if any((root / finding.place.file).resolve().is_relative_to(path) for path in named)
    )


def _print(root: Path, checked: Checked, form: str, elsewhere: int) -> None:
    seen = from_here(checked.findings, root)
    if form == "json":
        click.echo(as_json(as_document(root, checked.findings)))
    elif form == "sarif":
        click.echo(as_json(as_sarif(seen)))
    elif form == "github":
        for finding in seen:
            click.echo(printable(as_workflow_command(finding)))
    else:
        for finding in seen:
            click.echo(printable(str(finding)))
        click.echo(_summary(checked) + (f"; {counted(elsewhere, 'finding')} elsewhere" if elsewhere else ""))


def _summary(checked: Checked) -> str:
    warnings = len(checked.findings) - checked.errors
    if checked.errors or checked.workspace is None:
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
