"""`casecart recall`: what was called back, and on whom it was used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.importing import FILE, importing
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import counted, examples, printable, table
from casecart.commands.master_import import ImportMaster
from casecart.commands.recall import TraceRecall

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.group(name="recall")
def command() -> None:
    """What was called back, and on whom it was used."""


@command.command(
    name="import",
    epilog=examples(
        ("casecart recall import recalls.csv --dry-run", "what would change"),
        ("casecart recall import recalls.csv --part", "some recalls; the others stay"),
    ),
)
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--from", "source", default="recalls", show_default=True, metavar="SYSTEM", help="Who says all this.")
@click.option("--dry-run", is_flag=True, help="Show the difference, and write nothing.")
@click.option("--part", is_flag=True, help="The files are some of the recalls: the others stay.")
@click.option("--allow-removals", is_flag=True, help="Also when many lines go.")
@json_option
@workspace_option
def bring_in(
    files: tuple[Path, ...], root: Path, source: str, *, dry_run: bool, part: bool, allow_removals: bool, json: bool
) -> int:
    """Bring a list of recalls in: by item or device identifier, with lots or serial numbers or ranges of them.

    Its columns are recall, di, item, lot_from, lot_to, serial_from, serial_to, reason and published. From then on, what
    is used of it is flagged; `casecart recall trace` finds what was used before.
    """
    wish = ImportMaster(
        files=files, source=source, table="recalls", part=part, allow_removals=allow_removals, dry_run=dry_run
    )
    return importing(root, wish, json=json)


@command.command(
    name="trace",
    epilog=examples(
        ("casecart recall trace Z-1234-2026", "every case that used something of it"),
        ("casecart recall trace --item SCREW-35 --lot L2026A", "without a recall"),
        ("casecart recall trace --item SCREW-35 --every-message", "reading everything, to be certain; it takes long"),
        ("casecart recall trace Z-1234-2026 --cases", "with the cases' numbers; the audit trail records it"),
    ),
)
@click.argument("number", required=False, metavar="[RECALL]")
@click.option("--item", help="The item, in place of a recall.")
@click.option("--lot", help="The lot.")
@click.option("--serial", help="The serial number.")
@click.option("--every-message", is_flag=True, help="Read all messages, and not only those that look-ups tell.")
@click.option("--cases", is_flag=True, help="Show the numbers of the cases, and not only tokens for them.")
@json_option
@workspace_option
def trace(
    number: str | None,
    root: Path,
    item: str | None,
    lot: str | None,
    serial: str | None,
    *,
    every_message: bool,
    cases: bool,
    json: bool,
) -> int:
    """Find every case on which something was used that is called back.

    A line of the item that does not tell its lot or serial number is shown as well: nobody knows that it is not of
    them. An item is found by its number and by its device identifiers.
    """
    with at_desk(root, writing=cases) as desk:
        wanted = TraceRecall(recall=number, item=item, lot=lot, serial=serial, every_message=every_message, cases=cases)
        found = desk.ask(wanted)
    if json:
        click.echo(as_json(found))
        return Exit.FINE
    header = ("CASE", "FACILITY", "USED ON", "ITEM", "QUANTITY", "MESSAGE", "PLACE", "STATE")
    rows = [
        (
            use.case,
            use.facility,
            str(use.used_on or "-"),
            use.item,
            f"{'-' if use.action == 'reverse' else ''}{use.quantity}",
            str(use.position),
            use.place,
            use.state,
        )
        for use in found.uses
    ]
    for line in table(header, rows, right={4, 5}) if rows else ():
        click.echo(printable(line))
    looked = counted(found.looked_at, "message")
    click.echo(f"{counted(len(found.uses), 'line')} in {counted(found.cases, 'case')}; {looked} looked at")
    return Exit.FINE
