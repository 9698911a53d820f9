"""`casecart messages`: the message list."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import examples, local, table, zone_of
from casecart.commands.message_list import OUTCOMES, ListMessages

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

    from casecart.commands.message_list import MessagePage
    from casecart.store import Outcome

__all__ = ["command", "message_table", "since", "until"]

_AGO = re.compile(r"(\d{1,6})(s|m|min|h|d|w)")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@click.command(
    name="messages",
    epilog=examples(
        ("casecart messages", "the newest"),
        ("casecart messages --outcome quarantined --since 2d", "what was put aside in two days"),
        ("casecart messages --since 2026-11-03 --until 2026-11-03", "of a day"),
        ("casecart messages --case case-5f0c...", "that have a line of the case, by the token that `line show` tells"),
        ("casecart messages --item SCREW-35 --lot L2026A", "with a line that has both"),
        ("casecart messages --serial SN-4711 --outcome processed", ""),
        ("casecart messages --control-id MSG00042 --json", "for a program"),
    ),
)
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only with this outcome.")
@click.option("--listener", help="Only from this listener.")
@click.option("--facility", help="Only of this facility.")
@click.option(
    "--type", "message_type", metavar="TYPE^EVENT", help="Only of this type, such as 'DFT^P03' (quote the ^)."
)
@click.option("--control-id", help="Only with this control id (MSH-10).")
@click.option(
    "--since",
    "since_text",
    metavar="WHEN",
    help="Only since then: 90s, 30m, 2h, 3d; or 2026-11-03, '2026-11-03 14:30'.",
)
@click.option("--until", "until_text", metavar="WHEN", help="Only before then; a day without a time counts to its end.")
@click.option("--case", metavar="TOKEN", help="Only with a line of this case, by its token.")
@click.option("--item", metavar="NUMBER", help="Only with a line of this item, as it was found to be.")
@click.option("--lot", help="Only with a line of this lot.")
@click.option("--serial", help="Only with a line of this serial number.")
@click.option(
    "--before", type=click.IntRange(min=1), metavar="POSITION", help="Only below this position: the next page."
)
@click.option("--limit", type=click.IntRange(1, 1000), default=25, show_default=True, help="How many.")
@json_option
@workspace_option
def command(
    *,
    root: Path,
    outcome: Outcome | None,
    listener: str | None,
    facility: str | None,
    message_type: str | None,
    control_id: str | None,
    since_text: str | None,
    until_text: str | None,
    case: str | None,
    item: str | None,
    lot: str | None,
    serial: str | None,
    before: int | None,
    limit: int,
    json: bool,
) -> int:
    """List the messages that came, newest first.

    What is asked of case, item, lot and serial number must stand in one line, as a channel made it of the message.

    A message that came again with the same bytes is counted (see `casecart status`) and not listed. Times are in the
    time zone of the facilities when they share one, else in UTC; a WHEN without a zone is read in the same. In JSON,
    times are in UTC.
    """
    with at_desk(root) as desk:
        zone_name, zone = zone_of(desk.site.time_zones)
        now = datetime.now(UTC)
        wanted = ListMessages(
            outcome=outcome,
            listener=listener,
            facility=facility,
            message_type=message_type,
            control_id=control_id,
            since=since(since_text, zone, now) if since_text is not None else None,
            until=until(until_text, zone, now) if until_text is not None else None,
            case=case,
            item=item,
            lot=lot,
            serial=serial,
            before=before,
            limit=limit,
        )
        page = desk.ask(wanted)
    if json:
        click.echo(as_json(page))
        return Exit.FINE
    if not page.messages:
        click.echo("No message came yet." if wanted == ListMessages(limit=limit) else "No message fits.")
        return Exit.FINE
    for line in message_table(page, zone_name, zone):
        click.echo(line)
    if page.before is not None:
        click.echo(f"There are older ones: add --before {page.before}")
    return Exit.FINE


def message_table(page: MessagePage, zone_name: str, zone: tzinfo) -> list[str]:
    """The list as a table."""
    header = ("POSITION", f"TIME ({zone_name})", "LISTENER", "TYPE", "CONTROL ID", "OUTCOME", "NOTES")
    rows = [
        (
            str(line.position),
            local(line.recorded_at, zone),
            line.listener,
            line.message_type or "-",
            line.control_id or "-",
            line.outcome,
            " ".join(line.notes),
        )
        for line in page.messages
    ]
    return table(header, rows, right={0})


def since(text: str, zone: tzinfo, now: datetime, option: str = "--since") -> datetime:
    """When a person means. Raises `click.BadParameter`.

    Args:
        text: a span back from now, or a date with or without a time.
        zone: of a time that names none.
        now: the present.
        option: that it was given with.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return now - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
        at = datetime.fromisoformat(text.strip())
        return at if at.tzinfo is not None else at.replace(tzinfo=zone)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"'{text}' is not a time; write 90s, 30m, 2h, 3d, 2026-11-03 or '2026-11-03 14:30'", param_hint=option
        ) from None


def until(text: str, zone: tzinfo, now: datetime) -> datetime:
    """The same where it ends: of a day, its end."""
    at = since(text, zone, now, "--until")
    try:
        date.fromisoformat(text.strip())
        return at + timedelta(days=1)
    except ValueError:
        return at
    except OverflowError:
        raise click.BadParameter(f"'{text}' has no day after it", param_hint="--until") from None
