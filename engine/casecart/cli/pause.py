"""`casecart pause`: a destination gets nothing more, for now."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.options import workspace_option
from casecart.cli.text import examples, printable
from casecart.commands.drain import ShowDrain
from casecart.commands.switch import PauseDestination

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.commands.desk import Desk
    from casecart.commands.drain import Drain

__all__ = ["command"]


LOOK = 0.5
"""Seconds between looks at how far a drain is."""


@click.command(
    name="pause",
    epilog=examples(
        ("casecart pause erp --reason 'period is being closed'", "until `casecart resume erp`"),
        ("casecart pause erp --drain --reason 'ERP is being upgraded'", "and wait until nothing is on its way"),
        ("casecart pause erp --drain --within 30 --reason 'upgrade'", "exits with 1 if that takes longer"),
    ),
)
@click.argument("destination")
@click.option("--reason", required=True, help="Why; shown to whoever finds it paused.")
@click.option("--drain", is_flag=True, help="See to its end what may have had its effect, and wait for that.")
@click.option(
    "--within",
    type=click.FloatRange(min=0, max=86_400),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a drain. It goes on after that, too.",
)
@workspace_option
def command(destination: str, reason: str, root: Path, within: float, *, drain: bool) -> int:
    """Send nothing more to a destination, for now.

    Messages are still taken and acknowledged, and further postings wait in order. A running engine obeys within a
    second, one that is started later from its start. A call that is under way is seen to its end. A posting of which
    it isn't known whether it had its effect stays so until the destination is resumed; with --drain it is looked up,
    or sent again with the same key, until that is known.
    """
    with at_desk(root, writing=True) as desk:
        wish = PauseDestination(destination=destination, reason=reason, drain=drain)
        done = desk.do(wish, key=uuid.uuid4().hex)
        click.echo(f"{printable(done.words)}.")
        return _drained(desk, destination, within) if drain else Exit.FINE


def _drained(desk: Desk, destination: str, within: float) -> Exit:
    """Tell how far it is, until it is drained or the time is over."""
    name, end, last = printable(destination), time.monotonic() + within, ""
    while True:
        drain = desk.ask(ShowDrain(destination=destination))
        if drain is None:
            click.echo(f"Somebody wants something else of {name} now: it is not being drained any more.")
            return Exit.WRONG
        if drain.left == 0:
            click.echo(f"{name} is drained: nothing is on its way to it. `casecart resume {name}` goes on.")
            return Exit.FINE
        words = _progress(name, drain)
        if words != last:
            click.echo(words)
        last = words
        if not drain.engine_at_work or time.monotonic() >= end:
            click.echo(f"{name} is not drained yet; the wish stays, and `casecart status` tells when it is done.")
            return Exit.WRONG
        time.sleep(LOOK)


def _progress(name: str, drain: Drain) -> str:
    if not drain.engine_at_work:
        return "No engine is at work: it is drained when one is started."
    if drain.left is None:
        return f"Waiting for the engine to look at {name} …"
    return f"{drain.left:,} posting{'' if drain.left == 1 else 's'} may have had an effect that is not known yet …"
