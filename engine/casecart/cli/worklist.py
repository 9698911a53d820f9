"""`casecart worklist`: what waits for a person, why, and what to do about it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk, named_from_here
from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import age, counted, examples, local, printable, table, zone_of
from casecart.commands.actor import local_actor
from casecart.commands.worklist import OPEN, STATES, CauseView, ListWorklist, ShowCause

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.commands.desk import Command, Done

__all__ = ["command"]

_REASON = click.option("--reason", required=True, help="Why this is right; the audit trail keeps it.")
_ITEMS = 20


@click.group(name="worklist", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Work what waits for a person, by its cause."""
    if context.invoked_subcommand is None:
        context.exit(context.invoke(show_list))


@command.command(
    name="list",
    epilog=examples(
        ("casecart worklist list", "what waits, by its cause; also as `casecart worklist`"),
        ("casecart worklist list --state fixed", "what was fixed"),
    ),
)
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True, help="Only in this state; may be repeated."
)
@json_option
@workspace_option
def show_list(states: tuple[str, ...] = (), root: Path | None = None, *, json: bool = False) -> int:
    """List what waits for a person, by its cause; what most lines wait for comes first."""
    from pathlib import Path  # noqa: PLC0415 - the default of a call without the command line

    with at_desk(root or Path()) as desk:
        found = desk.ask(ListWorklist(states=states or OPEN))
    if json:
        click.echo(as_json(found))
        return Exit.FINE
    now = datetime.now(UTC)
    rows = [
        (
            cause.id,
            cause.state + (f" ({cause.assignee})" if cause.assignee else ""),
            cause.facility or "-",
            _words(cause, now),
        )
        for cause in found.causes
    ]
    if not rows:
        click.echo("Nothing waits for a person." if not states else "Nothing is in that state.")
        return Exit.FINE
    for line in table(("ID", "STATE", "FACILITY", "CAUSE"), rows):
        click.echo(printable(line))
    click.echo("What to do about one: casecart worklist show ID")
    return Exit.FINE


def _words(cause: CauseView, now: datetime) -> str:
    flagged = " (posted)" if cause.kind == "flagged" else ""
    if not cause.channel and not cause.messages:
        how_many = counted(cause.exceptions, "exception")
    else:
        how_many = counted(cause.messages, "message")
        if cause.exceptions != cause.messages:
            how_many += f", {counted(cause.exceptions, 'line')}"
    return f"{cause.words}{flagged}: {how_many}, oldest {age(now - cause.oldest)}"


@command.command(
    name="show",
    epilog=examples(
        ("casecart worklist show 3fa91c07", "a cause, by the id that the list has"),
        ("casecart worklist show 3fa91c07 --json", "for a program"),
    ),
)
@click.argument("reference", metavar="ID")
@json_option
@workspace_option
def show(reference: str, root: Path, *, json: bool) -> int:
    """Show a cause: its lines, the items that may be meant, and what can be done about it."""
    with at_desk(root) as desk:
        zone_name, zone = zone_of(desk.site.time_zones)
        work = desk.ask(ShowCause(reference=reference))
    if json:
        click.echo(as_json(work))
        return Exit.FINE
    cause = work.cause
    click.echo(printable(f"{cause.id}  {_words(cause, datetime.now(UTC))}"))
    click.echo(printable(f"  {cause.code}, {cause.state}{f', {cause.assignee}' if cause.assignee else ''}"))
    header = ("EXCEPTION", "MESSAGE", "PLACE", "LINE", f"TIME ({zone_name})", "STATE", "REASON")
    rows = [
        (
            item.id,
            str(item.position or "-"),
            item.place or "-",
            item.line or "-",
            local(item.recorded_at, zone),
            item.state,
            item.reason,
        )
        for item in work.items[:_ITEMS]
    ]
    for line in table(header, rows, right={1}):
        click.echo(printable(f"  {line}"))
    if len(work.items) > _ITEMS:
        click.echo(f"  and {len(work.items) - _ITEMS:,} more")
    if work.candidates:
        click.echo("nearest items")
        near = [(each.number, each.description, each.why, f"{each.score:g}") for each in work.candidates]
        for line in table(("ITEM", "DESCRIPTION", "WHY", "SCORE"), near, right={3}):
            click.echo(printable(f"  {line}"))
    if cause.state in OPEN:
        click.echo("what can be done")
        for way in work.ways:
            click.echo(printable(f"  {way}"))
    return Exit.FINE


@command.command(
    name="fix",
    epilog=examples(
        ('casecart worklist fix 3fa91c07 --item SCREW-35 --reason "new GTIN"', "the number is that item's"),
        ('casecart worklist fix 3fa91c07 --item SCREW-35 --quantity 10 --reason "a box of ten"', ""),
        ('casecart worklist fix 3fa91c07 --value use --reason "their word for a charge"', "a row for the table"),
        ('casecart worklist fix 3fa91c07 --accept --reason "asked the theatre"', "post it all the same"),
        ('casecart worklist fix 3fa91c07 --reason "the mapping is mended"', "work the lines again, or post again"),
        ('casecart worklist fix 3fa91c07 --posted --reason "moved by hand"', "a posting that is in the books"),
    ),
)
@click.argument("reference", metavar="ID")
@click.option("--item", metavar="NUMBER", help="The item that is meant.")
@click.option("--quantity", default="1", show_default=True, help="How many of the item's unit the number names.")
@click.option("--here", is_flag=True, help="The number is the item's at the facility of these lines only.")
@click.option("--value", help="What the table makes of the code.")
@click.option("--accept", is_flag=True, help="Post the lines all the same; or take over what the other system says.")
@click.option(
    "--posted/--not-posted",
    default=None,
    help="What became of a posting that its destination did not take, or of which nobody knows.",
)
@_REASON
@json_option
@workspace_option
def fix(  # noqa: PLR0917 - click hands everything over by name
    reference: str,
    root: Path,
    item: str | None,
    quantity: str,
    value: str | None,
    reason: str,
    *,
    here: bool,
    accept: bool,
    posted: bool | None,
    json: bool,
) -> int:
    """Fix a cause, or a single exception, and have its lines worked again.

    What is fixed is final. Lines are worked again by today's channel and master data; what was posted is never posted
    again. A running engine does it within seconds.
    """
    # Only here: it loads the whole workspace's rooms.
    from casecart.commands.worklist_fix import FixCause, fix_cause  # noqa: PLC0415 - see above

    wish = FixCause(
        reference=reference,
        reason=reason,
        item=item,
        quantity=quantity,
        everywhere=not here,
        value=value,
        accept=accept,
        posted=posted,
    )
    with named_from_here(root):
        answer = fix_cause(root, wish, local_actor())
    if json:
        click.echo(as_json(answer))
        return Exit.FINE
    for words in answer.words:
        click.echo(printable(f"{words[:1].upper()}{words[1:]}."))
    again = f"; {counted(answer.replays, 'line')} to be worked again" if answer.replays else ""
    click.echo(f"{counted(answer.fixed, 'exception')} fixed{again}.")
    return Exit.FINE


@command.command(
    name="assign",
    epilog=examples(
        ("casecart worklist assign 3fa91c07 --to kim", ""), ("casecart worklist assign 3fa91c07 --to kim --json", "")
    ),
)
@click.argument("reference", metavar="ID")
@click.option("--to", required=True, metavar="WHO", help="Who takes care of it.")
@json_option
@workspace_option
def assign(reference: str, root: Path, to: str, *, json: bool) -> int:
    """Say who takes care of a cause."""
    from casecart.commands.worklist_state import AssignCause  # noqa: PLC0415 - only here

    return _do(root, AssignCause(reference=reference, to=to), json=json)


@command.command(
    name="park",
    epilog=examples(
        ('casecart worklist park 3fa91c07 --reason "waits for the supplier\'s answer"', ""),
        ('casecart worklist park 3fa91c07 --reason "see ticket 12" --json', "for a program"),
    ),
)
@click.argument("reference", metavar="ID")
@_REASON
@json_option
@workspace_option
def park(reference: str, root: Path, reason: str, *, json: bool) -> int:
    """Put a cause aside for now; it can be fixed or assigned at any time."""
    from casecart.commands.worklist_state import ParkCause  # noqa: PLC0415 - only here

    return _do(root, ParkCause(reference=reference, reason=reason), json=json)


@command.command(
    name="reject",
    epilog=examples(
        ('casecart worklist reject 3fa91c07 --reason "a test message"', ""),
        ('casecart worklist reject 3fa91c07 --reason "a test message" --json', "for a program"),
    ),
)
@click.argument("reference", metavar="ID")
@_REASON
@json_option
@workspace_option
def reject(reference: str, root: Path, reason: str, *, json: bool) -> int:
    """Say that lines are not to be posted, now or later. That is final."""
    from casecart.commands.worklist_state import RejectCause  # noqa: PLC0415 - only here

    return _do(root, RejectCause(reference=reference, reason=reason), json=json)


def _do(root: Path, wish: Command, *, json: bool) -> int:
    with at_desk(root, writing=True) as desk:
        done: Done = desk.do(wish, key=str(uuid.uuid4()))
    click.echo(as_json(done) if json else printable(f"{done.words}."))
    return Exit.FINE
