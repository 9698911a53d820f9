"""`casecart audit`: who did what, and whether the trail is as it was written."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.messages import since
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import counted, examples, local, printable, table, zone_of
from casecart.commands.audit import ListAudit, ShowAuditHead, VerifyAudit, heads_in
from casecart.commands.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.commands.audit import VerifiedAudit

__all__ = ["command"]

_LONGEST = 100
"""Characters of a detail in the list."""


@click.group(name="audit")
def command() -> None:
    """Show who did what, and verify the audit trail."""


@command.command(
    name="list",
    epilog=examples(
        ("casecart audit list", "the newest"),
        ("casecart audit list --command worklist --since 2d", "what was done to exceptions in two days"),
        ("casecart audit list --actor alice --subject message", "whose messages she looked into or had worked again"),
        ("casecart audit list --json --limit 1000", "for a program"),
    ),
)
@click.option("--actor", metavar="NAME", help="Only what this person or program did.")
@click.option("--command", "what", metavar="NAME", help="Only this command, such as worklist.fix; worklist: all of it.")
@click.option("--subject", metavar="SUBJECT", help="Only about this, such as destination:erp; message: any of them.")
@click.option("--since", "since_text", metavar="WHEN", help="Only since then: 90s, 30m, 2h, 3d; or 2026-11-03.")
@click.option("--before", type=click.IntRange(min=1), metavar="POSITION", help="Only below this: the next page.")
@click.option("--limit", type=click.IntRange(1, 1000), default=25, show_default=True, help="How many.")
@json_option
@workspace_option
def list_(
    *,
    root: Path,
    actor: str | None,
    what: str | None,
    subject: str | None,
    since_text: str | None,
    before: int | None,
    limit: int,
    json: bool,
) -> int:
    """List who did what, newest first."""
    with at_desk(root) as desk:
        zone_name, zone = zone_of(desk.site.time_zones)
        begin = None if since_text is None else since(since_text, zone, datetime.now(UTC))
        page = desk.ask(ListAudit(actor=actor, command=what, subject=subject, since=begin, before=before, limit=limit))
    if json:
        click.echo(as_json(page))
        return Exit.FINE
    rows = [
        (str(each.position), local(each.recorded_at, zone), each.actor, each.command, each.subject, _told(each.detail))
        for each in page.records
    ]
    for line in table(("POSITION", f"TIME ({zone_name})", "WHO", "COMMAND", "SUBJECT", "DETAIL"), rows, right={0}):
        click.echo(line)
    if page.before is not None:
        click.echo(f"older ones: casecart audit list --before {page.before}")
    return Exit.FINE


@command.command(
    name="head",
    epilog=examples(
        ("casecart audit head >> /mnt/elsewhere/casecart-heads", "each night, to where nobody here may change it"),
        ("casecart audit head | logger -t casecart-audit -n syslog.example.org", "or to another machine's log"),
        ("casecart audit verify --head /mnt/elsewhere/casecart-heads", "later: the trail is held against all of them"),
    ),
)
@json_option
@workspace_option
def head(root: Path, *, json: bool) -> int:
    """Print where the trail ends, for keeping elsewhere.

    The position and the digest of the last record, which is a digest over all before it: who has it can tell later
    whether anything up to there was changed, cut off or written anew.
    """
    with at_desk(root) as desk:
        found = desk.ask(ShowAuditHead())
    if json:
        click.echo(as_json(found))
    else:
        at = found.at.isoformat(timespec="seconds").replace("+00:00", "Z")
        click.echo(printable(f"{found.head} {at} trail {found.trail or '-'} {found.store}"))
    return Exit.FINE


@command.command(
    name="verify",
    epilog=examples(
        ("casecart audit verify", "is every record as it was written, and none missing?"),
        ("casecart audit verify --head /mnt/elsewhere/casecart-heads", "and is it still the trail of then?"),
        ("casecart audit verify --head 42:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", ""),
    ),
)
@click.option("--head", "heads", multiple=True, metavar="FILE|POSITION:DIGEST", help="Exported by `audit head`.")
@json_option
@workspace_option
def verify(root: Path, heads: tuple[str, ...], *, json: bool) -> int:
    """Find what was altered, deleted, reordered or cut off.

    Each record's digest is over the one before it. Whoever may write to the database can, with enough care, write
    all of the trail anew: only a head that was exported before tells that. Exits with 1 when something is found.
    """
    exported = [each for text in heads for each in heads_in(_text(text))]
    with at_desk(root) as desk:
        found = desk.ask(VerifyAudit(heads=exported, told=_progress))
    if json:
        click.echo(as_json(found))
    else:
        for line in _verified(found):
            click.echo(printable(line))
    return Exit.FINE if found.sound else Exit.WRONG


def _text(given: str) -> str:
    """Of a file, or the head itself."""
    path = Path(given)
    try:
        return path.read_text("utf-8", "replace") if path.is_file() else given
    except OSError as error:
        raise Refusal("bad-value", f"{given} can't be read: {error.strerror}") from None


def _progress(records: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{records:,} records looked at", err=True, nl=False)


def _verified(found: VerifiedAudit) -> Iterator[str]:
    yield from (f"{finding.kind}: {finding.words}" for finding in found.findings)
    if found.findings_left_out:
        yield f"and {found.findings_left_out:,} more"
    yield f"{counted(found.records, 'record')}, head {found.head}"
    if found.sound:
        against = f" and agrees with {counted(found.compared, 'exported head')}" if found.compared else ""
        yield f"The trail is sound{against}."
        if not found.compared:
            yield "Whether all of it was written anew, only an exported head tells (`casecart audit head`, --head)."
    else:
        number = len(found.findings) + found.findings_left_out
        yield f"The trail is NOT as it was written: {counted(number, 'finding')}."


def _told(detail: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(detail, dict):
        said = ", ".join(f"{name}: {value}" for name, value in detail.items() if name != "key")
    else:
        said = detail if isinstance(detail, str) else msgspec.json.encode(detail).decode()
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
