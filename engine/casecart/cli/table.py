"""`casecart table`: code tables, and changes to their files."""

from __future__ import annotations

import os
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import named_from_here
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.options import DIRECTORY, as_json, json_option, workspace_option
from casecart.cli.text import counted, examples, printable, table
from casecart.commands.code_table import (
    TableChange,
    TableRow,
    TableView,
    import_rows,
    look_up,
    remove_rows,
    set_row,
    table_file,
    tables_of,
)
from casecart.workspace.table import MATCHES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["command"]

_DAY = click.DateTime(["%Y-%m-%d"])
_MOST = 6


@click.group(name="table")
def command() -> None:
    """Show code tables, and change them."""


@command.command(
    name="show",
    epilog=examples(
        ("casecart table show", "all of them, and who uses them"),
        ("casecart table show transaction-type", "its rows"),
        ("casecart table show transaction-type CG", "what this code is today"),
        ("casecart table show transaction-type CG --on 2026-12-31", "and on another day"),
    ),
)
@click.argument("name", required=False)
@click.argument("code", required=False)
@click.option("--on", "day", type=_DAY, metavar="DAY", help="The day on which the code came.  [default: today]")
@json_option
@workspace_option
def show(name: str | None, code: str | None, day: datetime | None, root: Path, *, json: bool) -> int:
    """Show the tables, the rows of one, or what a code is."""
    with named_from_here(root):
        if name is not None and code is not None:
            return _code(look_up(root, name, code, day.date() if day is not None else date.today()), json=json)  # noqa: DTZ011 - the day of whoever asks
        views = tables_of(root, name)
    if json:
        click.echo(as_json({"tables": views}))
    else:
        for line in _all(views) if name is None else _one(views[0]):
            click.echo(line)
    return Exit.FINE


@command.command(
    name="used-by",
    epilog=examples(
        ("casecart table used-by transaction-type", "the fields that go through it, and their channels"),
        ("casecart table used-by transaction-type --json | jq -r '.uses[].channels[]'", ""),
    ),
)
@click.argument("name")
@json_option
@workspace_option
def used_by(name: str, root: Path, *, json: bool) -> int:
    """Tell which fields of which mappings go through a table."""
    with named_from_here(root):
        (view,) = tables_of(root, name)
    if json:
        click.echo(as_json({"table": view.name, "uses": view.uses}))
    else:
        for line in _uses(view):
            click.echo(line)
    return Exit.FINE


@command.command(
    name="set",
    epilog=examples(
        ("casecart table set transaction-type CHG use", "a new row, or another value"),
        ("casecart table set transaction-type CHG use --about 'as CG' --from 2027-01-01", "from that day on"),
        ("casecart table set charge-group 100..199 implant --match range", ""),
        ("casecart table set transaction-type CHG --remove", "its rows go"),
    ),
)
@click.argument("name")
@click.argument("code")
@click.argument("value", required=False)
@click.option("--about", metavar="TEXT", help="For people: why, or what it means.")
@click.option("--match", type=click.Choice(MATCHES), help="What the code stands for.  [default: exact]")
@click.option("--from", "first", type=_DAY, metavar="DAY", help="The first day on which the row holds.")
@click.option("--to", "last", type=_DAY, metavar="DAY", help="The last day.")
@click.option("--remove", is_flag=True, help="Take the rows of the code out.")
@json_option
@workspace_option
def put_in(  # noqa: PLR0917 - an option each
    name: str,
    code: str,
    value: str | None,
    about: str | None,
    match: str | None,
    first: datetime | None,
    last: datetime | None,
    root: Path,
    *,
    remove: bool,
    json: bool,
) -> int:
    """Put a row into a table's file, or change it. The other lines stay as they are.

    With --match range the code is the first and the last number, 100..199; with --match pattern * in it is any text
    and ? is one character. The code * is for all others. A row of the same code that holds on the day of --from ends
    on the day before. Nothing is written if the workspace
    could not be run with it. A running engine takes the change as any other of the workspace.
    """
    if remove == (value is not None):
        raise click.UsageError("Give a VALUE, or --remove.")
    with named_from_here(root):
        if value is None:
            return _told(remove_rows(root, name, code), json=json)
        given = {
            "about": about,
            "match": None if match == "exact" else match,
            "valid_from": None if first is None else first.date().isoformat(),
            "valid_to": None if last is None else last.date().isoformat(),
        }
        row = {"code": code, "value": value, **{column: cell for column, cell in given.items() if cell is not None}}
        return _told(set_row(root, name, row), json=json)


@command.command(
    name="import",
    epilog=examples(
        ("casecart table import transaction-type codes.csv --dry-run", "what would change"),
        ("casecart table import transaction-type codes.csv", "rows are added and changed, none goes"),
        ("casecart table import transaction-type codes.csv --replace", "the file is the table from now on"),
    ),
)
@click.argument("name")
@click.argument("file", type=DIRECTORY, metavar="FILE")
@click.option("--replace", is_flag=True, help="Rows that the file has not go.")
@click.option("--dry-run", is_flag=True, help="Show the difference, and write nothing.")
@json_option
@workspace_option
def bring_in(name: str, file: Path, root: Path, *, replace: bool, dry_run: bool, json: bool) -> int:
    """Bring the rows of a CSV file into a table; it is made if it isn't there.

    The file has the columns of a code table, of which code and value are enough.
    """
    with named_from_here(root):
        done = import_rows(root, name, file, replace=replace, dry=dry_run)
    return _told(done, json=json)


@command.command(
    name="export",
    epilog=examples(
        ("casecart table export transaction-type > codes.csv", ""),
        ("casecart table export transaction-type --to codes.csv", "which must not be there yet"),
    ),
)
@click.argument("name")
@click.option("--to", "target", type=DIRECTORY, metavar="FILE", help="Write it there.  [default: standard output]")
@workspace_option
def export(name: str, target: Path | None, root: Path) -> int:
    """Give a table as CSV, as its file has it."""
    with named_from_here(root):
        text = table_file(root, name)
    if target is None:
        click.echo(text, nl=False)
        return Exit.FINE
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as stream:
            stream.write(text.encode())
    except OSError as error:
        raise Stop(Exit.WRONG, f"{target} can't be written: {(error.strerror or 'unknown reason').lower()}") from None
    click.echo(f"{printable(str(target))} is written.")
    return Exit.FINE


def _code(row: TableRow | None, *, json: bool) -> Exit:
    if json:
        click.echo(as_json({"row": row}))
    elif row is None:
        click.echo("There is no row for it: such a line is a case for the worklist.")
    else:
        click.echo(f"{printable(row.value)}{_of_row(row)}")
    return Exit.FINE if row is not None else Exit.WRONG


def _of_row(row: TableRow) -> str:
    """Which row it is."""
    said = [f"line {row.line}"]
    if row.match != "exact":
        said.append(f"{row.match} {row.code}")
    if row.code == "*" and row.match == "exact":
        said.append("the row for every other code")
    said += [f"from {row.valid_from}"] * (row.valid_from is not None) + [f"to {row.valid_to}"] * (
        row.valid_to is not None
    )
    return printable(f"  ({', '.join(said)}){f'  {row.about}' if row.about else ''}")


def _all(views: Sequence[TableView]) -> Iterator[str]:
    if not views:
        yield "There is no code table. `casecart table import NAME FILE` makes one."
        return
    rows = [
        (view.name, f"{len(view.rows):,}", ", ".join(dict.fromkeys(use.mapping for use in view.uses)) or "nobody")
        for view in views
    ]
    yield from table(("table", "rows", "used by"), rows, right={1})


def _one(view: TableView) -> Iterator[str]:
    columns = [
        (name, [str(value or "") for value in values])
        for name, values in (
            ("code", [row.code for row in view.rows]),
            ("value", [row.value for row in view.rows]),
            ("match", [row.match if row.match != "exact" else "" for row in view.rows]),
            ("from", [row.valid_from for row in view.rows]),
            ("to", [row.valid_to for row in view.rows]),
            ("about", [row.about for row in view.rows]),
        )
    ]
    shown = [(name, values) for name, values in columns if name in {"code", "value"} or any(values)]
    yield from table([name for name, _ in shown], zip(*(values for _, values in shown), strict=True))
    yield ""
    yield from _uses(view)


def _uses(view: TableView) -> Iterator[str]:
    if not view.uses:
        yield "No field goes through it."
    for use in view.uses:
        channels = f", of {', '.join(use.channels)}" if use.channels else ", which no channel uses"
        yield printable(f"{use.file}:{use.line}  {use.field} of {use.mapping}{channels}")


def _told(done: TableChange, *, json: bool) -> Exit:
    if json:
        click.echo(as_json(done))
        return Exit.FINE
    parts = [(done.added, "added"), (done.changed, "changed"), (done.removed, "removed")]
    said = [f"{counted(len(names), 'row')} {what} ({_named(names)})" for names, what in parts if names]
    if not said:
        click.echo(f"{printable(done.file)} says so already: nothing is changed.")
        return Exit.FINE
    same = f", {done.same:,} the same" if done.same else ""
    click.echo(f"{printable(done.file)}: {'; '.join(said)}{same}{'' if done.written else '. Nothing is written'}.")
    return Exit.FINE


def _named(names: Sequence[str]) -> str:
    shown = printable(", ".join(names[:_MOST]))
    return shown if len(names) <= _MOST else f"{shown} and {len(names) - _MOST:,} more"
