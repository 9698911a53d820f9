"""`casecart rollback`: engines run again what ran before."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import click

from casecart.cli.apply import confirmed, take_up, wait_option, yes_option
from casecart.cli.desk import at_desk
from casecart.cli.options import json_option, workspace_option
from casecart.cli.plan import planned
from casecart.cli.text import examples, printable
from casecart.commands.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.commands.desk import Desk
    from casecart.runtime.revision import Taken

__all__ = ["command"]


@click.command(
    name="rollback",
    epilog=examples(
        ("casecart rollback", "to what ran before; asks first"),
        ("casecart rollback 5 --yes --message 'mesh is held'", "to revision 5"),
        ("casecart history", "which there are"),
    ),
)
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--message", "-m", "note", default="", help="Why; the history keeps it.")
@wait_option
@yes_option
@json_option
@workspace_option
def command(number: int | None, root: Path, *, note: str, wait: float, yes: bool, json: bool) -> int:
    """Run again what ran before.

    The files of revision NUMBER (by default of the one that ran before) become a new revision, which every engine at
    work takes up as with `casecart apply`, and with which the next start begins. The files in the folder stay as they
    are: they differ from what runs then, and `casecart history show NUMBER --to DIR` writes those of a revision
    elsewhere. What was applied for a later time is cancelled.

    What was posted stays posted: this brings the configuration back, not the data.

    Exits with 1 when an engine would not take it, or the wait is over before all have it.
    """
    from casecart.commands.apply import RollBack, write  # noqa: PLC0415 - who asks for help waits for no engine
    from casecart.commands.starting import differ  # noqa: PLC0415 - as above

    with at_desk(root) as desk:
        origin, taken = _wanted(desk, number, root)
    plan, lines = planned(root, taken)
    if not json:
        click.echo(f"Back to revision {origin}.")
        for line in lines:
            click.echo(line)
    confirmed(f"Go back to revision {origin}?", yes=yes or json)
    with at_desk(root, writing=True) as desk:
        wish = RollBack(taken=taken, newest=plan.newest, note=note, origin=origin)
        done = write(desk, wish, key=uuid.uuid4().hex)
        if not json:
            click.echo(printable(f"{done.words[:1].upper()}{done.words[1:]}."))
        code = take_up(desk, wish.number, wait, json=json)
    if not json and differ(root, taken.files):
        click.echo(
            "The files in the folder differ from it: mend them before the next `casecart apply` "
            f"(`casecart history show {wish.number} --to DIR` writes these elsewhere)."
        )
    return code


def _wanted(desk: Desk, number: int | None, root: Path) -> tuple[int, Taken]:
    """The revision to go back to, and its workspace. Raises `Refusal`: there is none, or it runs."""
    from casecart.commands.history import ShowRollback  # noqa: PLC0415 - as above
    from casecart.commands.starting import checked_revision  # noqa: PLC0415 - as above

    revision = desk.ask(ShowRollback(number=number))
    if revision is None:
        raise Refusal("not-found", "there is nothing to go back to: nothing else ran before; see `casecart history`")
    return revision.number, checked_revision(revision, root)
