"""`casecart retention`: how long what is kept, what is past its time, and what must be kept longer."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Literal

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import counted, examples, local, megabytes, printable, table, zone_of
from casecart.commands.legal_hold import AddLegalHold, ListLegalHolds, ReleaseLegalHold
from casecart.commands.retention import ShowRetention

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo
    from pathlib import Path

    from casecart.commands.legal_hold import LegalHoldView
    from casecart.commands.retention import RetentionView

__all__ = ["command"]


@click.group(name="retention")
def command() -> None:
    """How long what is kept; what must be kept longer."""


@command.command(
    name="show",
    epilog=examples(
        ("casecart retention show", "the rules, and what they would delete now"),
        ("casecart retention show --json | jq '.deleted'", "what went in the last seven days"),
    ),
)
@json_option
@workspace_option
def show(root: Path, *, json: bool) -> int:
    """Show how long what is kept, what is past its time now, and what was deleted lately.

    A running engine deletes all day long, a little at a time; what this shows as due goes by itself. It counts what is
    past its time one by one, which takes some seconds for a million messages.
    """
    with at_desk(root) as desk:
        zone_name, zone = zone_of(desk.site.time_zones)
        view = desk.ask(ShowRetention())
    if json:
        click.echo(as_json(view))
        return Exit.FINE
    for line in _lines(view, zone_name, zone):
        click.echo(printable(line))
    return Exit.FINE


def _lines(view: RetentionView, zone_name: str, zone: tzinfo) -> list[str]:
    rules = [
        (
            rule.kind,
            rule.rule if rule.rule != rule.kind else "-",
            f"{rule.days:g} d",
            "-" if rule.due is None else f"{rule.due:,}",
            "-" if rule.bytes is None else megabytes(rule.bytes),
        )
        for rule in view.rules
    ]
    lines = table(("WHAT", "OF", "KEPT", "DUE NOW", "SIZE"), rules, right={2, 3, 4})
    lines.append("identity, digest and ledger of each message, and the audit trail: kept for good")
    if view.needed:
        lines.append(f"past their time and still needed: {counted(view.needed, 'message')}")
    free = f", of which {megabytes(view.free_bytes)} are free for what comes" if view.free_bytes else ""
    lines += ["", f"store: {megabytes(view.store_bytes)}{free}"]
    if view.deleted:
        deleted = [
            (local(each.last_at, zone)[:10], each.kind, each.rule, f"{each.amount:,}", megabytes(each.bytes))
            for each in view.deleted
        ]
        lines += ["", *table((f"DELETED ({zone_name})", "WHAT", "BY RULE", "HOW MANY", "SIZE"), deleted, right={3, 4})]
    if view.holds:
        lines += ["", *_holds(view.holds, zone_name, zone)]
    return lines


def _holds(holds: Sequence[LegalHoldView], zone_name: str, zone: tzinfo) -> list[str]:
    rows = [(hold.id, hold.kind, hold.value, local(hold.since, zone)[:16], hold.actor, hold.reason) for hold in holds]
    return table(("HOLD", "ON", "WHICH", f"SINCE ({zone_name})", "BY", "REASON"), rows)


@command.group(
    name="hold",
    epilog=examples(
        ("casecart retention hold add --message 42 --reason 'claim 2026-117'", "until it is released"),
        ("casecart retention hold list", "with their ids"),
    ),
)
def hold() -> None:
    """Keep a message, a case or all of a facility whatever its age (legal hold)."""


@hold.command(
    name="add",
    epilog=examples(
        (
            "casecart retention hold add --message 42 --reason 'claim 2026-117'",
            "one message",
        ),
        ("casecart retention hold add --case case-3fa91c07 --reason 'claim 2026-117'", "by the case's token"),
        ("casecart retention hold add --facility NORTH --reason 'audit by the state'", "all of a facility"),
    ),
)
@click.option("--facility", metavar="NAME", help="All that came and comes for a facility.")
@click.option("--case", metavar="TOKEN", help="All messages of a case; `casecart line show` tells its token.")
@click.option("--message", metavar="REF", help="One message, by position, id or control id.")
@click.option("--reason", required=True, help="Why; shown to whoever wants to release it, and kept in the audit trail.")
@json_option
@workspace_option
def add(facility: str | None, case: str | None, message: str | None, reason: str, root: Path, *, json: bool) -> int:
    """Keep a message, a case or all of a facility until it is released, whatever its age.

    It holds from the moment in which this command answers, also for what comes later. What was deleted before does not
    come back.
    """
    named: list[tuple[Literal["facility", "case", "message"], str | None]] = [
        ("facility", facility),
        ("case", case),
        ("message", message),
    ]
    given = [(kind, value) for kind, value in named if value is not None]
    if len(given) != 1:
        raise click.UsageError("Name one of --facility, --case and --message.")
    kind, value = given[0]
    with at_desk(root, writing=True) as desk:
        done = desk.do(AddLegalHold(kind=kind, value=value, reason=reason), key=uuid.uuid4().hex)
    click.echo(as_json(done) if json else printable(f"{done.words[:1].upper()}{done.words[1:]}."))
    return Exit.FINE


@hold.command(
    name="list",
    epilog=examples(("casecart retention hold list", "what must be kept, by whom and why")),
)
@json_option
@workspace_option
def show_list(root: Path, *, json: bool) -> int:
    """List what must be kept whatever its age, the oldest first."""
    with at_desk(root) as desk:
        zone_name, zone = zone_of(desk.site.time_zones)
        holds = desk.ask(ListLegalHolds())
    if json:
        click.echo(as_json(holds))
        return Exit.FINE
    for line in _holds(holds, zone_name, zone) if holds else ["Nothing is held."]:
        click.echo(printable(line))
    return Exit.FINE


@hold.command(
    name="release",
    epilog=examples(
        ("casecart retention hold release 3fa91c07 --reason 'claim settled'", "by the id that the list has")
    ),
)
@click.argument("reference", metavar="ID")
@click.option("--reason", required=True, help="Why; the audit trail keeps it.")
@json_option
@workspace_option
def release(reference: str, reason: str, root: Path, *, json: bool) -> int:
    """Release a hold: what of it is past its time is deleted within hours, unless another hold keeps it."""
    with at_desk(root, writing=True) as desk:
        done = desk.do(ReleaseLegalHold(reference=reference, reason=reason), key=uuid.uuid4().hex)
    click.echo(as_json(done) if json else printable(f"{done.words[:1].upper()}{done.words[1:]}."))
    return Exit.FINE
