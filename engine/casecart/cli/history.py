"""`casecart history`: what was applied, when, by whom and why; and what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.options import DIRECTORY, as_json, json_option, workspace_option
from casecart.cli.text import counted, examples, local, printable, table, zone_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo
    from pathlib import Path

    from casecart.commands.history import RevisionView
    from casecart.commands.workspace_change import FileChange

__all__ = ["command"]

_SIGNS = {"added": "+", "changed": "~", "removed": "-"}


@click.group(
    name="history",
    invoke_without_command=True,
    epilog=examples(
        ("casecart history", "the newest revisions"),
        ("casecart history show 7", "what it changed, and its files"),
        ("casecart history show 7 channels/or-usage.yaml", "one of them as it was"),
        ("casecart history diff 6 7", "line by line"),
    )
    + "\n\nA revision of kind `start` is what an engine began with, which nobody applied. Revisions are kept for good.",
)
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many.")
@click.option("--before", type=click.IntRange(min=1), metavar="NUMBER", help="Those below a number.")
@json_option
@workspace_option
@click.pass_context
def command(context: click.Context, root: Path, *, limit: int, before: int | None, json: bool) -> int:
    """List what was applied, when, by whom and why."""
    if context.invoked_subcommand is not None:
        return Exit.FINE
    from casecart.commands.history import ShowHistory  # noqa: PLC0415 - who asks for help waits for no engine

    with at_desk(root) as desk:
        zone_name, zone = zone_of(desk.site.time_zones)
        history = desk.ask(ShowHistory(before=before, limit=limit))
    if json:
        click.echo(as_json(history))
        return Exit.FINE
    if not history.revisions:
        click.echo("Nothing was applied yet, and nothing ran.")
        return Exit.FINE
    for line in _lines(history.revisions, zone_name, zone):
        click.echo(line)
    if history.before is not None:
        click.echo(f"There are older ones: casecart history --before {history.before}")
    return Exit.FINE


def _lines(revisions: Sequence[RevisionView], zone_name: str, zone: tzinfo) -> list[str]:
    rows = [
        (
            str(each.revision),
            local(each.at, zone)[:16],
            each.actor,
            each.kind if each.origin is None else f"rollback to {each.origin}",
            _state(each, zone),
            _changed(each),
            each.note,
        )
        for each in revisions
    ]
    return table(("NUMBER", f"WHEN ({zone_name})", "WHO", "HOW", "STATE", "CHANGED", "WHY"), rows, right={0})


def _state(each: RevisionView, zone: tzinfo) -> str:
    if each.engines:
        return "runs" if len(each.engines) == 1 else f"runs on {len(each.engines)}"
    if each.state == "scheduled" and each.due_at is not None:
        return f"from {local(each.due_at, zone)[:16]}"
    if each.refused:
        return "refused"
    return {"wanted": "next start", "cancelled": "cancelled"}.get(each.state, "")


def _changed(each: RevisionView) -> str:
    if each.damaged:
        return "DAMAGED"
    if not each.changed:
        return "-"
    more = f" and {len(each.changed) - 1} more" if len(each.changed) > 1 else ""
    return f"{_file(each.changed[0])}{more}"


def _file(change: FileChange) -> str:
    return f"{_SIGNS[change.kind]}{change.file}"


@command.command(
    name="show",
    epilog=examples(
        ("casecart history show 7", "what it changed, and its files"),
        ("casecart history show 7 channels/or-usage.yaml", "one of them as it was"),
        ("casecart history show 7 --to /tmp/seven", "all of them, into a new folder"),
        ("casecart history show 7 --values", "every value that it is run with, and where it was written"),
    ),
)
@click.argument("number", type=click.IntRange(min=1))
@click.argument("file", required=False)
@click.option("--to", "target", type=DIRECTORY, metavar="DIR", help="Write its files into a new or empty folder.")
@click.option("--values", is_flag=True, help="Every value that it is run with, and the file and line that it is from.")
@json_option
@workspace_option
def show(number: int, file: str | None, root: Path, *, target: Path | None, values: bool, json: bool) -> int:
    """Show a revision: who wanted it and why, what it changed, who runs it, and its files."""
    from casecart.commands.history import ShowRevision, ShowValues, export, no_file  # noqa: PLC0415 - as above

    if values:
        with at_desk(root) as desk:
            found = desk.ask(ShowValues(root=root, number=number, file=file))
        lines = table(("FROM", "WHAT", "VALUE"), [(each.at or "default", each.name, each.value) for each in found])
        click.echo(as_json({"values": found}) if json else "\n".join(line.rstrip() for line in lines))
        return Exit.FINE
    with at_desk(root) as desk:
        zone_name, zone = zone_of(desk.site.time_zones)
        shown = desk.ask(ShowRevision(number=number))
    if file is not None and file not in shown.files:
        raise no_file(file, shown)
    if target is not None:
        written = export(shown, target)
        click.echo(as_json({"files": written}) if json else f"{counted(written, 'file')} written to {target}.")
    elif json:
        click.echo(as_json(shown))
    elif file is not None:
        for line in shown.files[file].splitlines():
            click.echo(printable(line))
    else:
        for line in _shown(shown.revision, list(shown.files), zone_name, zone):
            click.echo(printable(line))
    return Exit.FINE


def _shown(each: RevisionView, files: Sequence[str], zone_name: str, zone: tzinfo) -> list[str]:
    how = each.kind if each.origin is None else f"rollback to revision {each.origin}"
    lines = [
        f"revision  {each.revision} ({how})",
        f"when      {local(each.at, zone)} ({zone_name})",
        f"who       {each.actor}",
        f"why       {each.note or '-'}",
        f"state     {_state(each, zone) or 'past'}",
    ]
    if each.due_at is not None:
        lines.append(f"due       {local(each.due_at, zone)} ({zone_name})")
    lines += [f"runs on   {place}" for place in each.engines]
    lines += [f"refused   by {place}: {reason}" for place, reason in each.refused.items()]
    changed = {change.file: change for change in each.changed}
    gone = [change.file for change in each.changed if change.kind == "removed"]
    lines += ["", f"{counted(len(files), 'file')} (+ added, ~ changed, - removed by it):"]
    return lines + [
        f"  {_SIGNS[changed[file].kind] if file in changed else ' '} {file}" for file in sorted({*files, *gone})
    ]


@command.command(
    name="diff",
    epilog=examples(
        ("casecart history diff 6 7", "what 7 has and 6 had not"),
        ("casecart history diff 7 6", "what going back would bring"),
    ),
)
@click.argument("old", type=click.IntRange(min=1))
@click.argument("new", type=click.IntRange(min=1))
@workspace_option
def diff(old: int, new: int, root: Path) -> int:
    """Compare the files of two revisions line by line. For the files in the folder see `casecart plan --diff`."""
    from casecart.commands.history import DiffRevisions  # noqa: PLC0415 - as above

    with at_desk(root) as desk:
        found = desk.ask(DiffRevisions(old=old, new=new))
    for line in found.split("\n") if found else ["They have the same files."]:
        click.echo(printable(line))
    return Exit.FINE
