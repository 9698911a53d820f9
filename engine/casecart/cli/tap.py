"""`casecart tap`: what a channel makes of messages, as they come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from casecart.cli.exit import Exit
from casecart.cli.options import as_json, workspace_option
from casecart.cli.text import examples, local, printable, zone_of
from casecart.commands.stage import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo
    from pathlib import Path

    from casecart.commands.message_view import RunView
    from casecart.commands.tap import Tapped

__all__ = ["command"]

LOOK = 0.25
"""Seconds between looks."""


@click.command(
    name="tap",
    epilog=examples(
        ("casecart tap or-usage", "what it makes of each message that comes from now on"),
        ("casecart tap or-usage --stage verify --stage derive", "only exceptions and postings"),
        ("casecart tap or-usage --where \"usage.action == 'reverse'\" --limit 1", "the next credit"),
        ("casecart tap or-usage --json | jq .ledger", "a JSON document a line"),
    ),
)
@click.argument("channel")
@click.option(
    "--stage",
    "stages",
    type=click.Choice(STAGES),
    multiple=True,
    help="What is shown: the message (parse), documents (map), exceptions (verify), postings (derive).  "
    "[default: all but parse; repeat it for several]",
)
@click.option("--where", default="", metavar="CONDITION", help="Only messages with a document of which this is true.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="End after so many messages.")
@click.option(
    "--rate",
    type=click.IntRange(1, 200),
    default=20,
    show_default=True,
    metavar="N",
    help="Messages a second that are shown at most; the others are counted.",
)
@click.option("--reveal", is_flag=True, help="Show the messages themselves, patient data and all; each is audited.")
@click.option("--json", is_flag=True, help="Print a JSON document a line, for programs.")
@workspace_option
def command(  # noqa: PLR0917 - an option each
    channel: str,
    stages: tuple[str, ...],
    where: str,
    limit: int | None,
    rate: int,
    root: Path,
    *,
    reveal: bool,
    json: bool,
) -> int:
    """Show what a channel makes of messages, as they come.

    Ctrl-C ends it. It is read from the store, beside the engine, which does not notice: a tap goes on while the engine
    is started anew or takes a change. A message is shown when its work is committed, with the revision that it ran
    under. Values of messages are masked; documents and postings carry tokens in place of patients' identifiers.
    """
    # Who asks for help waits for no engine.
    from casecart.cli.desk import at_desk  # noqa: PLC0415 - as above
    from casecart.commands.tap import TapFrom, TapOn  # noqa: PLC0415 - as above

    wanted: frozenset[Any] = frozenset(stages or STAGES[1:])
    with at_desk(root, writing=reveal) as desk:
        _, zone = zone_of(desk.site.time_zones)
        marks, left = desk.ask(TapFrom(channel)), limit
        if not json:
            click.echo(f"--- what {channel} makes of messages from now on; end by Ctrl-C", err=True)
        while True:
            most = max(1, int(rate * LOOK)) if left is None else min(left, max(1, int(rate * LOOK)))
            found = desk.ask(TapOn(channel=channel, marks=marks, most=most, stages=wanted, where=where, body=reveal))
            marks = found.marks
            for tapped in found.seen:
                click.echo(as_json(tapped, one_line=True) if json else "\n".join(_lines(tapped, zone)))
            if found.passed:
                click.echo(f"--- {found.passed:,} more came and are not shown", err=True)
            left = None if left is None else left - len(found.seen)
            if left == 0:
                return Exit.FINE
            time.sleep(LOOK)


def _lines(tapped: Tapped, zone: tzinfo) -> Iterator[str]:
    head = tapped.envelope
    said = [
        local(head.recorded_at, zone, fraction=True)[11:],
        f"message {head.position}",
        head.message_type or head.schema,
        head.control_id or "no control id",
        f"{head.facility or '-'}/{head.peer or '-'}",
        f"{head.outcome} by revision {tapped.revision[:12]}",
    ]
    yield printable("  ".join(said))
    for line in (*_message(tapped), *_made(tapped.run), *_became(tapped)):
        yield f"  {printable(line)}"


def _message(tapped: Tapped) -> Iterator[str]:
    for segment in tapped.structure.segments if tapped.structure is not None else ():
        fields = "  ".join(f"{field.number}={field.masked}" for field in segment.fields)
        yield f"{segment.name or '???'}  {fields}"
    if tapped.body is not None:
        yield from tapped.body.text.replace("\n", "\r").rstrip("\r").split("\r")


def _made(run: RunView | None) -> Iterator[str]:
    if run is None:
        return
    for document in run.documents:
        yield f"{document.place}  {_fields(document.fields)}"
    for case in run.cases:
        yield f"{case.place}  {_fields(case.fields)}"
    for place in run.filtered:
        yield f"{place.place}  filtered: {place.reason}"
    if run.damaged:
        yield "DAMAGED: what was made of it came out of the store with another checksum, and is not shown"


def _became(tapped: Tapped) -> Iterator[str]:
    for exception in tapped.exceptions:
        yield f"{exception.place}  {exception.kind}: {exception.code}: {exception.cause}"
    for entry in tapped.ledger:
        for posting in entry.postings:
            what = f"{posting.kind} to {entry.destination}: {posting.state}"
            yield f"{posting.place}  {what}, {_fields(posting.payload)}"


def _fields(fields: dict[str, Any]) -> str:
    told = ((name, value) for name, value in fields.items() if value != "" and value is not None and name != "source")
    return ", ".join(f"{name} {value}" for name, value in told)
