"""`casecart ask`: what a destination has, as it says itself."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import click

from casecart.cli.asking import asked, timeout_option
from casecart.cli.desk import named_from_here
from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import examples, printable, table
from casecart.commands.actor import local_actor
from casecart.commands.asking import destination_to_ask
from casecart.commands.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeVar

    from twisted.internet.defer import Deferred

    from casecart.runtime.destination import ErpItem, Readable

    _T = TypeVar("_T")

__all__ = ["command"]

_LIMIT = 60.0  # seconds


@click.group(
    name="ask",
    epilog=examples(
        ("casecart ask erp item 00643169001763", "by GTIN, or by the ERP's own number"),
        ("casecart ask erp on-hand SCREW-65-30", "everywhere, by lot"),
        ("casecart ask erp on-hand SCREW-65-30 --location OR-CORE --lot SC-88412", "one lot at one place"),
    ),
)
@click.argument("destination")
@click.pass_context
def command(context: click.Context, destination: str) -> None:
    """Ask a destination for an item, or for what is on hand."""
    context.obj = destination


@command.command(
    name="item",
    epilog=examples(
        ("casecart ask erp item 00643169001763", "by GTIN"),
        ("casecart ask erp item HIP-STEM-12", "by its number there"),
        ("casecart ask erp item HIP-STEM-12 --json", "for a program"),
    ),
)
@click.argument("identifier")
@timeout_option(_LIMIT)
@json_option
@workspace_option
@click.pass_obj
def item(destination: str, identifier: str, root: Path, *, timeout: float, json: bool) -> int:
    """Show an item as the destination has it.

    It is found by its number there or by any of its identifiers. Nothing changes, there or here. Exits with 1 when it
    has no such item, with 5 when it does not answer, and with 3 when it does not accept the key.
    """
    found = _asked(root, destination, lambda reader: reader.item(identifier), timeout)
    if not found:
        raise Refusal("not-found", f"'{destination}' has no item with the number or identifier '{identifier}'")
    if json:
        click.echo(as_json({"items": found}))
        return Exit.FINE
    for each in found:
        for line in _shown(each):
            click.echo(printable(line))
    return Exit.FINE


@command.command(
    name="on-hand",
    epilog=examples(
        ("casecart ask erp on-hand SCREW-65-30", "everywhere, by lot"),
        ("casecart ask erp on-hand SCREW-65-30 --location OR-CORE", "at one place, without those below it"),
        ("casecart ask erp on-hand HIP-STEM-12 --lot SN-4711", "one lot or serial number"),
    ),
)
@click.argument("item_number", metavar="ITEM")
@click.option("--location", metavar="CODE", help="Only there, and not at the places below it.")
@click.option("--lot", metavar="NUMBER", help="Only of this lot or serial number.")
@timeout_option(_LIMIT)
@json_option
@workspace_option
@click.pass_obj
def on_hand(
    destination: str, item_number: str, root: Path, location: str | None, lot: str | None, *, timeout: float, json: bool
) -> int:
    """Show how many of an item are on hand.

    By location and lot, as the destination says it now: each location has its own, without the places below it. Exits
    as `casecart ask DESTINATION item` does.
    """
    found = _asked(root, destination, lambda reader: reader.on_hand(item_number, location, lot), timeout)
    total = sum((row.quantity for row in found), Decimal(0))
    if json:
        click.echo(as_json({"item": item_number, "total": total, "rows": found}))
        return Exit.FINE
    rows = [(row.location, row.lot or "-", f"{row.quantity:f}", row.unit) for row in found]
    for line in table(("LOCATION", "LOT", "QUANTITY", "UNIT"), rows, right={2}) if rows else ():
        click.echo(printable(line))
    click.echo(printable(f"On hand of {item_number}: {total:f}{f' {found[0].unit}' if found else ''}"))
    return Exit.FINE


def _asked(root: Path, destination: str, question: Callable[[Readable], Deferred[_T]], timeout: float) -> _T:
    with named_from_here(root):
        return asked(destination_to_ask(root, destination, local_actor()), question, timeout)


def _shown(found: ErpItem) -> Iterator[str]:
    yield f"item {found.item or '(without a code)'}"
    yield f"  description  {found.description}"
    yield f"  status       {found.status}"
    yield f"  unit         {found.unit}"
    for name, flag in (("lot", found.lot), ("serial", found.serial)):
        yield f"  {name.ljust(11)}  {'not said' if flag is None else 'yes' if flag else 'no'}"
    if found.identifiers:
        yield "  identifiers"
    for kind, number in found.identifiers:
        yield f"    {number}{f' ({kind})' if kind else ''}"
