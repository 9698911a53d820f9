"""`casecart apply`: engines run what the files say, without a restart."""

from __future__ import annotations

import sys
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.options import as_json, directory_argument, json_option
from casecart.cli.plan import planned, right
from casecart.cli.progress import Progress
from casecart.cli.text import examples, local, printable, zone_of
from casecart.commands.moment import microseconds, moment
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

    from casecart.commands.apply import TakenUp
    from casecart.commands.desk import Desk
    from casecart.commands.plan import Plan

__all__ = ["command", "confirmed", "due", "take_up", "wait_option", "yes_option"]

LOOK = 0.5
"""Seconds between looks at who took it up."""

_AT = "--at"

wait_option = click.option(
    "--wait",
    type=click.FloatRange(min=0, max=86_400),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until every engine at work runs it.",
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Don't ask.")


@click.command(
    name="apply",
    epilog=examples(
        ("casecart apply", "shows the plan, asks, and waits until it runs"),
        ("casecart apply --yes --message 'mesh from the new vendor'", "without asking"),
        ("casecart apply --at 2026-11-23T02:00 --message 'with the EHR upgrade'", "at a later time"),
        ("casecart apply --cancel 9", "not at that time after all"),
        ("casecart apply --yes --json | jq .engines", "for scripts"),
    ),
)
@click.option("--message", "-m", "note", default="", help="Why; the history keeps it.")
@click.option(_AT, "at", metavar="TIME", help="When, in the facilities' zone or with an offset.  [default: now]")
@click.option("--cancel", type=click.IntRange(min=1), metavar="NUMBER", help="Cancel one that waits for its time.")
@wait_option
@yes_option
@json_option
@directory_argument
def command(
    directory: Path | None,
    root: Path,
    *,
    note: str,
    at: str | None,
    cancel: int | None,
    wait: float,
    yes: bool,
    json: bool,
) -> int:
    """Run what the files say, without a restart.

    The files are checked and the plan is shown (see `casecart plan`). Then they are kept in the store as a revision,
    and every engine at work on it takes the revision up: what did not change goes on undisturbed. An engine that can't
    (a port is taken, a certificate can't be read) goes on with what it ran, whole, and this command tells why.

    From the first `apply` on, `casecart run` begins with what was applied last, not with the files.

    Exits with 1 when the files have errors, an engine would not take it, or the wait is over before all have it.
    """
    root = directory or root
    if cancel is not None:
        return _cancelled(root, cancel, json=json)
    from casecart.commands.apply import Apply, write  # noqa: PLC0415 - who asks for help waits for no engine

    taken = right(root, json=json)
    if taken is None:
        return Exit.WRONG
    with at_desk(root) as desk:  # a time that can't be is told before anybody reads a plan
        due_at = None if at is None else due(at, *zone_of(desk.site.time_zones))
    plan, lines = planned(root, taken)
    if not json:
        for line in lines:
            click.echo(line)
    if plan.nothing:
        return _nothing(plan.revision, json=json)
    if due_at is None:
        _must_be_taken(plan)
    confirmed("Apply this?", yes=yes or json)
    with at_desk(root, writing=True) as desk:
        wish = Apply(taken=taken, newest=plan.newest, note=note, due_at=due_at)
        done = write(desk, wish, key=uuid.uuid4().hex)
        _say(f"{done.words[:1].upper()}{done.words[1:]}.", json=json)
        if due_at is not None:
            return _later(desk, wish.number, due_at, json=json)
        return take_up(desk, wish.number, wait, json=json)


def _nothing(revision: int | None, *, json: bool) -> int:
    if json:
        click.echo(as_json({"revision": revision, "applied": False, "engines": []}))
    else:
        click.echo("There is nothing to apply.")
    return Exit.FINE


def _must_be_taken(plan: Plan) -> None:
    """Raises `Stop` where it is known already that no engine would take it."""
    fixed = [each.change.name for each in plan.changes if each.change.restart]
    if fixed and plan.engines:
        words = f"engines at work can't change {listed(fixed)}: stop them, apply, and start them again"
        raise Stop(Exit.WRONG, words)


def confirmed(question: str, *, yes: bool) -> None:
    """Asks, unless that is not wanted. Ends the command where the answer is no, or nobody is there to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody is there to ask: say --yes.")
    click.confirm(question, abort=True)


def _later(desk: Desk, number: int, due_at: int, *, json: bool) -> int:
    zone_name, zone = zone_of(desk.site.time_zones)
    if json:
        click.echo(as_json({"revision": number, "applied": True, "due_at": moment(due_at), "engines": []}))
    else:
        when = local(moment(due_at), zone)[:16]
        click.echo(f"It runs from {when} ({zone_name}) on; `casecart apply --cancel {number}` takes it back.")
    return Exit.FINE


def take_up(desk: Desk, number: int, wait: float, *, json: bool) -> int:
    """Waits until every engine at work runs a revision, or would not take it, and tells."""
    from casecart.commands.apply import ShowTakeUp  # noqa: PLC0415 - as in `command`

    progress, end = Progress(), time.monotonic() + wait
    try:
        while True:
            up = desk.ask(ShowTakeUp(number=number))
            if up.decided or time.monotonic() >= end:
                break
            waiting = [engine.place for engine in up.engines if engine.state == "waits"]
            progress.told(f"Waiting for {', '.join(waiting)} to take revision {number} up …")
            time.sleep(min(LOOK, max(0.0, end - time.monotonic())))
    finally:
        progress.done()
    return _told(desk, up, json=json)


def _told(desk: Desk, up: TakenUp, *, json: bool) -> int:
    code = Exit.FINE if up.decided and not up.refused else Exit.WRONG
    taken_back = bool(up.refused) and len(up.refused) == len(up.engines)
    if taken_back:
        _take_back(desk, up)
    if json:
        states = [{"place": each.place, "state": each.state, "reason": each.reason} for each in up.engines]
        document = {"revision": up.revision, "applied": not taken_back, "due_at": None, "engines": states}
        click.echo(as_json(document))
        return code
    if not up.engines:
        click.echo("No engine is at work: it runs from the next start on.")
    for each in up.engines:
        if each.state == "runs":
            click.echo(printable(f"{each.place} runs revision {up.revision}."))
        elif each.state == "refused":
            click.echo(printable(f"{each.place} would not take it, and runs {each.runs} on: {each.reason}"))
        else:
            click.echo(
                printable(f"{each.place} has not taken it up yet, and runs {each.runs}; see `casecart history`.")
            )
    if taken_back:
        click.echo(f"Nobody runs revision {up.revision}, and it is taken back: mend the cause, and apply again.")
    return code


def _take_back(desk: Desk, up: TakenUp) -> None:
    """What no engine can run must not be what the next start runs."""
    from casecart.commands.apply import CancelRevision  # noqa: PLC0415 - as in `command`

    reason = "; ".join(f"{engine.place}: {engine.reason}" for engine in up.refused)
    desk.do(CancelRevision(number=up.revision, reason=reason), key=uuid.uuid4().hex)


def _cancelled(root: Path, number: int, *, json: bool) -> int:
    from casecart.commands.apply import CancelRevision  # noqa: PLC0415 - as in `command`

    with at_desk(root, writing=True) as desk:
        done = desk.do(CancelRevision(number=number), key=uuid.uuid4().hex)
    click.echo(as_json(done) if json else f"{done.words[:1].upper()}{done.words[1:]}.")
    return Exit.FINE


def _say(words: str, *, json: bool) -> None:
    if not json:
        click.echo(printable(words))


def due(text: str, zone_name: str, zone: tzinfo) -> int:
    """When a person means, µs since 1970.

    Args:
        text: a date and a time, with an offset or without.
        zone_name: what the zone is called.
        zone: of a time that names none.

    Raises:
        click.BadParameter: it is no time, or one that is not there, or is there twice, where clocks are set.
    """
    try:
        at = datetime.fromisoformat(text.strip())
        if at.tzinfo is not None:
            return microseconds(at)
        first, second = at.replace(tzinfo=zone, fold=0), at.replace(tzinfo=zone, fold=1)
        there = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == at
        twice = first.utcoffset() != second.utcoffset()
        found = microseconds(first)
    except (ValueError, OverflowError):
        words = f"'{text}' is not a time; write 2026-11-23T02:00, or 2026-11-23T02:00-06:00"
        raise click.BadParameter(words, param_hint=_AT) from None
    if not there:
        words = f"there is no {text} in {zone_name}: clocks are set forward over it"
        raise click.BadParameter(words, param_hint=_AT)
    if twice:
        words = (
            f"{text} comes twice in {zone_name}, where clocks are set back: say the offset, as in {first.isoformat()}"
        )
        raise click.BadParameter(words, param_hint=_AT)
    return found
