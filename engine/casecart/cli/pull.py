"""`casecart master pull`: master data as a destination has them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

import click

from casecart.cli.asking import asked, timeout_option
from casecart.cli.desk import named_from_here
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.importing import FILE, imported, shown_progress
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import counted, examples, printable
from casecart.commands.actor import local_actor
from casecart.commands.asking import destination_to_ask
from casecart.commands.master_pull import PullMaster, pull_master

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from casecart.commands.master_pull import PullAnswer
    from casecart.runtime.destination import MasterRead, OnHand, Readable

__all__ = ["pull"]

_STOCK = ("item", "location", "lot", "quantity", "unit")

_LIMIT = 1_800.0  # seconds: a large ERP has some hundred thousand lots


class _Read(NamedTuple):
    master: MasterRead
    stock: Sequence[OnHand]


@click.command(
    name="pull",
    epilog=examples(
        ("casecart master pull erp --dry-run", "what would change"),
        ("casecart master pull erp", "as the destination erp has it now"),
        ("casecart master pull erp --stock on-hand.csv", "with what is on hand, as a file"),
        ("casecart master pull inventory --from sap", "as what another system says"),
    ),
)
@click.argument("destination")
@click.option("--from", "source", default="erp", show_default=True, metavar="SYSTEM", help="The system it is.")
@click.option("--dry-run", is_flag=True, help="Show the difference, and write nothing.")
@click.option("--allow-removals", is_flag=True, help="Also when many lines go.")
@click.option("--stock", type=FILE, help="Write what is on hand to this file, as CSV.")
@timeout_option(_LIMIT)
@json_option
@workspace_option
def pull(
    destination: str,
    root: Path,
    source: str,
    *,
    dry_run: bool,
    allow_removals: bool,
    stock: Path | None,
    timeout: float,
    json: bool,
) -> int:
    """Bring master data in as a destination has them.

    Items with their identifiers, suppliers, locations and lots are asked of it and brought in as `casecart master
    import` brings files in: whole or not at all, and what belongs to another system becomes an exception. What this
    system said before and has no more is removed; what others said stays, and so does what a destination can't say.

    What is on hand is shown and not kept: it is the ERP's to know.
    """
    actor = local_actor()
    with named_from_here(root):
        whom = destination_to_ask(root, destination, actor)
        master, on_hand = asked(whom, _all, timeout)
    if stock is not None:
        _write(stock, on_hand)
    wish = PullMaster(destination=destination, source=source, allow_removals=allow_removals, dry_run=dry_run)
    with shown_progress(root, {f"{destination}/{name}" for name in master.tables}, f"what {destination} has") as told:
        answer = pull_master(root, wish, master, actor, told)
    if json:
        click.echo(as_json({"pull": answer, "on_hand": _figures(on_hand)}))
        return Exit.FINE
    for line in (*_shown(answer), *_shown_stock(on_hand, stock)):
        click.echo(printable(line))
    return Exit.FINE


async def _all(reader: Readable) -> _Read:
    master = await reader.master()
    return _Read(master, await reader.on_hand(None, None, None))


def _shown(answer: PullAnswer) -> Iterator[str]:
    for words, number in sorted(answer.passed_over.items()):
        yield f"Passed over: {words} ({number:,})."
    yield from imported(answer.changes)


def _shown_stock(on_hand: Sequence[OnHand], file: Path | None) -> Iterator[str]:
    figures = _figures(on_hand)
    items, lots, places = (counted(figures[f"{noun}s"], noun) for noun in ("item", "lot", "location"))
    yield f"On hand: {items}, {lots} and serial numbers, at {places}."
    if file is not None:
        yield f"{counted(len(on_hand), 'line')} in {file}"


def _figures(on_hand: Sequence[OnHand]) -> dict[str, int]:
    return {
        "items": len({row.item for row in on_hand}),
        "lots": len({(row.item, row.lot) for row in on_hand if row.lot}),
        "locations": len({row.location for row in on_hand}),
    }


def _write(file: Path, on_hand: Sequence[OnHand]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_STOCK)
    writer.writerows([getattr(row, name) for name in _STOCK] for row in on_hand)
    try:
        file.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise Stop(Exit.WRONG, f"{file} can't be written: {error.strerror}") from None
