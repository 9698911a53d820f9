"""`casecart status`: what waits where and why, and whether all is accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import age, counted, examples, megabytes, printable, table
from casecart.commands.status import ShowStatus
from casecart.runtime.certificate_marks import SOON

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.commands.balance import Balance
    from casecart.commands.status import DestinationStatus, Status

__all__ = ["command"]

_ENGINE = {
    "running": "running",
    "stopped": "stopped",
    "ended": "NOT RUNNING, and it was not stopped: start it, and it goes on where it was",
}


@click.command(
    name="status",
    epilog=examples(
        ("casecart status", ""),
        ("watch -n 2 casecart status", "as it changes"),
        ("casecart status --json | jq .balances.exact", "for monitoring"),
    ),
)
@json_option
@workspace_option
def command(root: Path, *, json: bool) -> int:
    """Show what waits where and why, and whether all is accounted for.

    For each listener what came and what became of it, for each destination what is on its way and when it is tried
    again. Below are two balances: every message that was received, and every line that was made of one, must be
    somewhere. Exits with 1 when one isn't.
    """
    with at_desk(root) as desk:
        status = desk.ask(ShowStatus())
    if json:
        click.echo(as_json(status))
    else:
        for line in _lines(status):
            click.echo(line)
    return Exit.WRONG if status.balances.exact is False else Exit.FINE


def _lines(status: Status) -> list[str]:
    lines = [
        f"workspace  {printable(status.workspace)} ({printable(status.organisation)})",
        f"store      {printable(status.store)}",
        f"engine     {_ENGINE[status.engine]}",
        f"revision   {printable(_revision(status))}",
    ]
    if (disk := status.disk) is not None:
        since = age(status.at - disk.since)
        lines.append(f"disk       NEARLY FULL for {since}: nothing is taken until there is room")
    lines.append("")
    if status.engines:
        rows = [(each.place, " ".join(each.roles), each.state, age(status.at - each.since)) for each in status.engines]
        lines += [*table(("ENGINE", "DOES", "STATE", "SINCE"), rows), ""]
    counts = [(listener.name, listener.counts) for listener in status.listeners]
    lines += _counters("LISTENER", counts)
    lines += _certificates(status)
    lines += _to_follow_up(status)
    if status.balances.channels:
        lines += ["", *_counters("CHANNEL", [(line.channel, line.terms) for line in status.balances.channels])]
    lines += ["", *_destinations(status), ""]
    hint = " (see `casecart worklist`)" if status.exceptions_open else ""
    lines.append(f"exceptions that wait for a person: {status.exceptions_open:,}{hint}")
    lines += [_balance("messages", balance, status) for balance in status.balances.messages]
    lines.append(_balance("lines", status.balances.lines, status))
    return [*lines, *_kept(status)]


def _revision(status: Status) -> str:
    """What runs; where engines run different ones, which runs which."""
    numbers = {each.revision for each in status.runs}
    one = len(numbers) == 1
    shown = [str(number) for number in numbers] if one else [f"{each.revision} on {each.place}" for each in status.runs]
    refused = {
        f"{each.refused} was NOT TAKEN{'' if len(status.runs) == 1 else f' by {each.place}'}: {each.reason}": None
        for each in status.runs
        if each.refused is not None
    }
    return ", ".join(shown or ["-"]) + (f" ({'; '.join(refused)})" if refused else "")


def _to_follow_up(status: Status) -> list[str]:
    known = {listener.name for listener in status.listeners if listener.kind}
    lines = []
    for name, count in sorted(status.to_follow_up.items()):
        gone = "" if name in known else ", which is no longer configured"
        lines.append(f"to be followed up by {printable(name)}{gone}: {counted(count, 'notification')}")
    return lines


def _certificates(status: Status) -> list[str]:
    """How long those hold that are shown to others."""
    lines = []
    shown = [(listener.name, listener.certificate_ends) for listener in status.listeners]
    shown += [(destination.name, destination.certificate_ends) for destination in status.destinations]
    for name, ends in shown:
        if ends is not None:
            left = ends - status.at
            if left.total_seconds() > 0:
                words = f"ends in {counted(left.days, 'day')}"
                words = words.upper() if left.days < SOON else words
            else:
                words = "HAS ENDED: others refuse it"
            lines.append(f"certificate of {printable(name)}: {words} ({ends.date().isoformat()})")
    return lines


def _counters(title: str, rows: list[tuple[str, dict[str, int]]]) -> list[str]:
    names = list(rows[0][1]) if rows else []
    header = (title, *(name.replace("_", " ").upper() for name in names))
    cells = [(name, *(f"{counts[term]:,}" for term in names)) for name, counts in rows]
    return table(header, cells, right=set(range(1, len(header))))


def _destinations(status: Status) -> list[str]:
    header = ("DESTINATION", "KIND", "STATE", "ON THE WAY", "OLDEST", "WHY")
    rows = [
        (
            destination.name,
            destination.kind or "not configured",
            destination.state,
            f"{destination.postings_open:,}",
            age(status.at - destination.oldest) if destination.oldest is not None else "-",
            _why(destination, status),
        )
        for destination in status.destinations
    ]
    return table(header, rows, right={3})


def _why(destination: DestinationStatus, status: Status) -> str:
    reasons = []
    if (paused := destination.paused) is not None:
        reasons.append(f"paused {age(status.at - paused.since)} ago by {paused.actor}: {paused.reason}")
    if (drain := destination.drain) is not None and drain.left:
        reasons.append(f"{drain.left:,} of which it is not known yet whether they had their effect")
    if (waited := destination.next_try) is not None:
        when = f"in {age(waited.at - status.at)}" if waited.at > status.at else "now"
        kind = f" ({waited.error})" if waited.error is not None else ""
        breaker = "" if waited.breaker == "closed" else f", breaker {waited.breaker}"
        reasons.append(f"{waited.code}{kind}{breaker}, next try {when}")
    return "; ".join(reasons)


def _kept(status: Status) -> list[str]:
    """What is worth a word about how long things are kept."""
    kept, words = status.retention, []
    if kept.deleted_bytes:
        words.append(f"{megabytes(kept.deleted_bytes)} deleted since yesterday")
    if kept.holds:
        words.append(counted(kept.holds, "legal hold"))
    if kept.behind_days:
        words.append(f"the clock is {counted(kept.behind_days, 'day')} ahead of what was deleted; is it right?")
    return [f"retention: {'; '.join(words)} (see `casecart retention show`)"] if words else []


def _balance(what: str, balance: Balance, status: Status) -> str:
    came_in = " + ".join(f"{amount:,} {term}" for term, amount in balance.came_in.items())
    is_in = " + ".join(f"{amount:,} {term.replace('_', ' ')}" for term, amount in balance.is_in.items() if amount)
    if balance.exact:
        verdict = "exact"
    elif status.balances.exact is None:
        verdict = "the engine is at work: look again when it rests"
    else:
        verdict = f"NOT EXACT: {abs(balance.difference):,} {'too many' if balance.difference < 0 else 'missing'}"
    return f"{what} ({printable(balance.of)}): {came_in} = {is_in or '0'}: {verdict}"
