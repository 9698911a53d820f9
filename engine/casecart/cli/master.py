"""`casecart master`: items, suppliers, locations and the rest, brought in, looked at and handed out."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.importing import FILE, importing
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.pull import pull
from casecart.cli.text import counted, examples, local, printable, table, zone_of
from casecart.commands.master_import import ImportMaster
from casecart.commands.master_view import ExportMaster, ShowMaster, ShowMasterHistory, ShowOwners

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.group(name="master")
def command() -> None:
    """Bring items, suppliers and places in, and look at them."""


command.add_command(pull)


@command.command(
    name="import",
    epilog=examples(
        ("casecart master import items.csv identifiers.csv --from erp --dry-run", "what would change"),
        ("casecart master import items.csv identifiers.csv --from erp", "both together, or neither"),
        ("casecart master import today.csv --as items --part --from erp", "some items; the others stay"),
        ("casecart master import --gudid device.txt identifiers.txt", "packaging and brands from a GUDID release"),
    ),
)
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--from", "source", metavar="SYSTEM", help="The system that says all this, such as erp.")
@click.option("--dry-run", is_flag=True, help="Show the difference, and write nothing.")
@click.option("--part", is_flag=True, help="The files are parts of their tables: what they lack stays.")
@click.option("--as", "as_table", metavar="TABLE", help="What the files are, where their names don't tell.")
@click.option("--gudid", is_flag=True, help="The files are device.txt and identifiers.txt of a GUDID release.")
@click.option("--allow-removals", is_flag=True, help="Also when many lines go.")
@json_option
@workspace_option
def bring_in(
    files: tuple[Path, ...],
    root: Path,
    source: str | None,
    *,
    dry_run: bool,
    part: bool,
    as_table: str | None,
    gudid: bool,
    allow_removals: bool,
    json: bool,
) -> int:
    """Bring tables of master data in.

    A file is called after its table (items.csv, identifiers-2026.csv) and is all that its system says of it: what it
    said before and lacks now is removed. All files are looked at together; one bad line refuses all of them, and
    nothing is half written. The same files again change nothing. A running engine follows within seconds.
    """
    if source is None and not gudid:
        raise click.UsageError("Say which system the files are from: --from erp")
    wish = ImportMaster(
        files=files,
        source=source or "gudid",
        table=as_table,
        part=part,
        gudid=gudid,
        allow_removals=allow_removals,
        dry_run=dry_run,
    )
    return importing(root, wish, json=json)


@command.command(
    name="export",
    epilog=examples(
        ("casecart master export items > items.csv", ""),
        ("casecart master export identifiers --to identifiers.csv", ""),
    ),
)
@click.argument("table_name", metavar="TABLE")
@click.option("--to", type=FILE, help="Write to this file, and not to the screen.")
@workspace_option
def hand_out(table_name: str, root: Path, to: Path | None) -> int:
    """Hand a table out as CSV. To import it again changes nothing."""
    with at_desk(root) as desk:
        lines = desk.ask(ExportMaster(table=table_name))
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows(lines)
    if to is None:
        click.echo(written.getvalue(), nl=False)
        return Exit.FINE
    try:
        to.write_text(written.getvalue(), encoding="utf-8")
    except OSError as error:
        raise Stop(Exit.WRONG, f"{to} can't be written: {error.strerror}") from None
    click.echo(f"{counted(len(lines) - 1, 'line')} in {to}")
    return Exit.FINE


@command.command(
    name="show",
    epilog=examples(
        ("casecart master show item SCREW-35", ""),
        ("casecart master show dimension cost_center 4711", "a key of two parts"),
    ),
)
@click.argument("kind")
@click.argument("key", nargs=-1, required=True)
@json_option
@workspace_option
def show(kind: str, key: tuple[str, ...], root: Path, *, json: bool) -> int:
    """Show a document as it is now, with what facilities have of their own."""
    with at_desk(root) as desk:
        zone_name, zone = zone_of(desk.site.time_zones)
        found = desk.ask(ShowMaster(kind=kind, key=key))
    if json:
        click.echo(as_json(found))
        return Exit.FINE
    for view in found:
        where = f" at {view.facility}" if view.facility else ""
        click.echo(printable(f"{view.kind} {' '.join(view.key)}{where}"))
        for name, value in view.fields.items():
            if isinstance(value, list):
                click.echo(f"  {name}")
                for row in value:
                    click.echo(printable(f"    {_pairs(row)}"))
            else:
                shown = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
                click.echo(printable(f"  {name.ljust(15)} {shown}"))
        changed = f"{local(view.recorded_at, zone)} ({zone_name}) by {view.actor} from {view.origin} ({view.source})"
        click.echo(printable(f"  last changed    {changed}"))
    return Exit.FINE


def _pairs(row: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value}" for name, value in row.items())


@command.command(
    name="history",
    epilog=examples(
        ("casecart master history item SCREW-35", ""), ("casecart master history supplier ACME --json", "")
    ),
)
@click.argument("kind")
@click.argument("key", nargs=-1, required=True)
@json_option
@workspace_option
def history(kind: str, key: tuple[str, ...], root: Path, *, json: bool) -> int:
    """Show how a document came to be as it is: who said what, when, in which file."""
    with at_desk(root) as desk:
        zone_name, zone = zone_of(desk.site.time_zones)
        versions = desk.ask(ShowMasterHistory(kind=kind, key=key))
    if json:
        click.echo(as_json(versions))
        return Exit.FINE
    for version in versions:
        when = f"{local(version.recorded_at, zone)} ({zone_name})"
        click.echo(printable(f"{when}  {version.actor}, from {version.origin} ({version.source})"))
        for words in version.changes or ["nothing is different"]:
            click.echo(printable(f"  {words}"))
    return Exit.FINE


@command.command(
    name="owners", epilog=examples(("casecart master owners", ""), ("casecart master owners --json", "for a program"))
)
@json_option
@workspace_option
def owners(root: Path, *, json: bool) -> int:
    """Show which systems may say what (config/ownership.yaml), as it is in force.

    What another system says becomes an exception, and changes nothing.
    """
    with at_desk(root) as desk:
        rows = desk.ask(ShowOwners())
    if json:
        click.echo(as_json(rows))
        return Exit.FINE
    shown = [
        (row.kind, row.group, row.facility or "all", ", ".join(row.owners) or "everybody", row.place) for row in rows
    ]
    for line in table(("KIND", "GROUP", "FACILITY", "OWNERS", "DECLARED AT"), shown):
        click.echo(printable(line))
    return Exit.FINE
