"""`casecart reconcile`: the ledger against what a destination says was moved on a day."""

from __future__ import annotations

import re
import sys
import time
from datetime import date
from typing import TYPE_CHECKING

import click

from casecart.cli.asking import not_read
from casecart.cli.desk import named_from_here
from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.reactor import in_reactor
from casecart.cli.text import counted, examples, printable, table
from casecart.commands.actor import local_actor
from casecart.commands.reconcile import ReconcileDay, reconcile_day
from casecart.runtime.destination import NotRead

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.commands.reconcile import DifferenceView, Reconciliation

__all__ = ["command"]

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_OFTEN = 0.5  # seconds between two words about what is being done


def _day(_: click.Context, __: click.Parameter, value: str) -> date:
    try:
        if _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise click.BadParameter(f"'{printable(value)}' is no day; write it as 2026-11-03.")


@click.command(
    name="reconcile",
    epilog=examples(
        ("casecart reconcile erp --day 2026-11-03", "every difference of that day of use"),
        ("casecart reconcile erp --day $(date -d yesterday +%F)", "each night; exits with 1 when there is one"),
        ("casecart reconcile erp --day 2026-11-03 --json | jq .differences", "for programs"),
    ),
)
@click.argument("destination")
@click.option("--day", required=True, callback=_day, metavar="YYYY-MM-DD", help="The day of use.")
@json_option
@workspace_option
def command(destination: str, day: date, root: Path, *, json: bool) -> int:
    """Compare the ledger with what a destination says was moved.

    Shows what was posted and is not there, or is otherwise; what was moved there and is not in the ledger, such as a
    movement typed by hand; and what casecart left there as a draft. It changes nothing. Exits with 0 when all agrees,
    with 1 when there is a difference, with 5 when the destination does not answer, and with 3 when it does not accept
    the key or does not let it see what was moved.

    It reads every row of that destination's ledger, about 100,000 a second, because a use may be told long after its
    day. The engine may run meanwhile: what it posts in between counts as on the way.
    """
    progress = _Progress()
    try:
        with named_from_here(root):
            wish = ReconcileDay(destination=destination, day=day)
            found = reconcile_day(root, wish, local_actor(), in_reactor, progress.told)
    except NotRead as trouble:
        progress.done()
        raise not_read(destination, trouble) from trouble
    finally:
        progress.done()
    if json:
        click.echo(as_json(found))
    else:
        for line in _lines(found):
            click.echo(printable(line))
    return Exit.FINE if found.agrees else Exit.WRONG


def _lines(found: Reconciliation) -> Iterator[str]:
    if found.differences:
        header = ("DIFFERENCE", "MESSAGE", "ITEM", "LOT", "POSTED", "MOVED", "FROM", "TO", "SHIPMENT")
        title, *rows = table(header, map(_cells, found.differences), right={4, 5})
        yield title
        for row, difference in zip(rows, found.differences, strict=True):
            yield row
            yield f"  {difference.words}"
        yield ""
    agree = f"{counted(found.agreeing, 'posting')} {'agrees' if found.agreeing == 1 else 'agree'}"
    way = f", {found.on_the_way:,} on the way" if found.on_the_way else ""
    differ = counted(len(found.differences), "difference")
    looked = f"{counted(found.movements, 'movement')} there and {counted(found.rows, 'row')} of the ledger looked at"
    yield f"{found.destination} on {found.day}: {agree}{way}, {differ}; {looked}"


def _cells(difference: DifferenceView) -> tuple[str, ...]:
    ledger, erp = difference.ledger, difference.erp
    about = ledger or erp
    first = difference.postings[0] if difference.postings else None
    more = f" +{len(difference.postings) - 1}" if len(difference.postings) > 1 else ""
    moved = erp is not None and erp.state == "done"
    return (
        difference.kind,
        f"{first.position} {first.place}{more}" if first is not None else "-",
        about.item if about is not None else "-",
        (about.lot if about is not None else "") or "-",
        ledger.quantity if ledger is not None else "-",
        erp.quantity if erp is not None and moved else "-",
        about.source if about is not None else "-",
        about.target if about is not None else "-",
        (erp.number or erp.state) if erp is not None else "-",
    )


class _Progress:
    """One line on a terminal that says what is being done."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0
        self._last = 0.0

    def told(self, words: str) -> None:
        """What is being done now; not more often than a person can read."""
        now = time.monotonic()
        if self._shown and now - self._last >= _OFTEN:
            self._last = now
            click.echo(f"\r{printable(words).ljust(self._width)}", err=True, nl=False)
            self._width = len(words)

    def done(self) -> None:
        """Leaves no trace of it."""
        if self._width:
            click.echo(f"\r{' ' * self._width}\r", err=True, nl=False)
            self._width = 0
