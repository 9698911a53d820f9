"""`casecart reconcile`: the ledger against what a destination says was moved on a day."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import click

from casecart.cli.asking import not_read
from casecart.cli.desk import named_from_here
from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.progress import Progress
from casecart.cli.reactor import in_reactor
from casecart.cli.text import counted, examples, printable, table
from casecart.commands.actor import local_actor
from casecart.commands.reconcile import ReconcileDay, reconcile_day
from casecart.commands.reconcile_restored import reconcile_restored
from casecart.runtime.destination import NotRead

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.commands.reconcile import DifferenceView, Reconciliation
    from casecart.commands.reconcile_restored import ReconciledRestore

__all__ = ["command"]

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _day(_: click.Context, __: click.Parameter, value: str | None) -> date | None:
    if value is None:
        return None
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
        ("casecart reconcile erp --after-restore", "before it gets anything again"),
    ),
)
@click.argument("destination")
@click.option("--day", callback=_day, metavar="YYYY-MM-DD", help="The day of use.")
@click.option("--after-restore", is_flag=True, help="What it has had since the backup that was restored.")
@json_option
@workspace_option
def command(destination: str, day: date | None, root: Path, *, after_restore: bool, json: bool) -> int:
    """Compare the ledger with what a destination says was moved.

    Shows what was posted and is not there, or is otherwise; what was moved there and is not in the ledger, such as a
    movement typed by hand; and what casecart left there as a draft. It changes nothing. Exits with 0 when all agrees,
    with 1 when there is a difference, with 5 when the destination does not answer, and with 3 when it does not accept
    the key or does not let it see what was moved.

    It reads every row of that destination's ledger, about 100,000 a second, because a use may be told long after its
    day. The engine may run meanwhile: what it posts in between counts as on the way.

    With --after-restore it asks for all that casecart made there since the backup was taken, and remembers what the
    ledger does not know of it: that is not posted again, now or when the senders send their messages again. The
    destination stays paused; `casecart resume DESTINATION` lets it go on.
    """
    if after_restore == (day is not None):
        raise click.UsageError("Give --day YYYY-MM-DD, or --after-restore.")
    progress = Progress()
    try:
        with named_from_here(root):
            if day is None:
                return _restored(reconcile_restored(root, destination, local_actor(), in_reactor, progress.told), json)
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


def _restored(found: ReconciledRestore, json: bool) -> int:  # noqa: FBT001 - as click gives it
    click.echo(as_json(found) if json else "\n".join(map(printable, _found(found))))
    return Exit.FINE


def _found(found: ReconciledRestore) -> Iterator[str]:
    if found.found:
        header = ("REFERENCE", "SHIPMENT", "STATE", "HERE", "ITEM", "LOT", "MOVED", "FROM", "TO", "DAY")
        rows = [
            (
                each.reference,
                each.number or "-",
                each.state,
                "on the way" if each.line_known else "unknown",
                *((moved.item, moved.lot or "-", moved.quantity, moved.source, moved.target, moved.day or "-")),
            )
            for each in found.found
            for moved in each.movements
        ]
        yield from table(header, rows, right={6})
        yield ""
    name, at = found.destination, f"{found.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    if found.asked:
        looked = f"{counted(found.looked_at, 'reference')} of casecart's there"
        unknown = f"{len(found.found):,} of which the ledger knows nothing"
        yield f"{name} since {at} (and a day before): {looked}, {unknown}; {counted(found.rows, 'row')} looked at"
    yield f"{found.words}. {name} is reconciled, and still paused: `casecart resume {name}`"


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
