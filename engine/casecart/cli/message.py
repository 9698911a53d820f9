"""`casecart message show` and `replay`: one message, all that was made of it, and to make it anew."""

from __future__ import annotations

import shutil
import textwrap
import uuid
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.messages import message_table
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import age, counted, examples, local, printable, zone_of
from casecart.commands.message import AmbiguousReference, ShowMessage
from casecart.commands.message_list import MessagePage
from casecart.commands.message_replay import ReplayMessage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo
    from pathlib import Path

    from casecart.commands.content import Body
    from casecart.commands.message import MessageView
    from casecart.commands.message_view import Envelope, LedgerView, PostingView, RunView

__all__ = ["command"]

_WIDEST = 160
_FIELDS = "  "


@click.group(name="message")
def command() -> None:
    """Show one message and all made of it, or have it worked again."""


@command.command(
    name="replay",
    epilog=examples(
        ('casecart message replay 42 --reason "the mapping is mended"', "by today's channel and master data"),
        ('casecart message replay MSG00042 --reason "the item is known now"', "by its control id"),
    ),
)
@click.argument("reference", metavar="REF")
@click.option("--reason", required=True, help="Why; the audit trail keeps it.")
@json_option
@workspace_option
def replay(reference: str, reason: str, root: Path, *, json: bool) -> int:
    """Work a stored message again, by today's channels and master data.

    What was posted is never posted again: a line that is another one today is flagged in the worklist. Lines that wait
    for a person are worked anew, and new ones are posted. A message that no channel wanted is offered to them again.
    """
    with at_desk(root, writing=True) as desk:
        done = desk.do(ReplayMessage(reference=reference, reason=reason), key=uuid.uuid4().hex)
    click.echo(as_json(done) if json else f"{done.words[:1].upper()}{done.words[1:]}.")
    return Exit.FINE


@command.command(
    name="show",
    epilog=examples(
        ("casecart message show 42", "by its position, as `casecart messages` lists it"),
        ("casecart message show MSG00042", "by its control id, where only one message has it"),
        ("casecart message show 42 --body", "with what it says of the patient; the audit trail records it"),
        ("casecart message show 42 --json | jq '.ledger[].postings[].state'", ""),
    ),
)
@click.argument("reference", metavar="REF")
@click.option(
    "--body", is_flag=True, help="Show the message itself, patient data and all; recorded in the audit trail."
)
@json_option
@workspace_option
def show(reference: str, root: Path, *, body: bool, json: bool) -> int:
    """Show one message and all that was made of it.

    REF is a position, an id or a control id. The message's structure is shown with its values masked: letters are x,
    digits 9. What channels made of it is shown as it is: documents and postings carry tokens in place of patients'
    identifiers.
    """
    with at_desk(root, writing=body) as desk:
        zone_name, zone = zone_of(desk.site.time_zones)
        try:
            view = desk.ask(ShowMessage(reference=reference, body=body))
        except AmbiguousReference as several:
            for line in message_table(MessagePage(messages=several.messages, before=None), zone_name, zone):
                click.echo(line)
            raise
    if json:
        click.echo(as_json(view))
    else:
        for line in _lines(view, zone_name, zone):
            click.echo(line)
    return Exit.FINE


_FOLLOWED = {
    "waiting": "is to follow it up, and hasn't yet",
    "held": "can't follow it up: a person must see to it (see `casecart worklist`)",
    "done": "has followed it up",
}


def _lines(view: MessageView, zone_name: str, zone: tzinfo) -> Iterator[str]:
    yield from _envelope(view.envelope, zone_name, zone)
    yield ""
    if (deleted := view.body_deleted) is not None:
        when = "" if deleted.at is None else f" on {local(deleted.at, zone)[:10]}, by the rule for {deleted.rule}"
        yield printable(f"body deleted{when}: it can't be shown or worked again; its identity and digest are kept")
    elif view.body is not None:
        yield from _body(view.body)
    else:
        yield from _structure(view)
    for run in view.runs:
        yield ""
        yield from _run(run)
    if view.followed:
        yield ""
    for followed in view.followed:
        yield printable(f"listener {followed.listener} {_FOLLOWED[followed.state]}")
    for entry in view.ledger:
        yield ""
        yield from _ledger(entry, zone)
    if view.exceptions:
        yield ""
        yield "exceptions"
    for exception in view.exceptions:
        where = " ".join(filter(None, [exception.channel, exception.place, exception.destination]))
        yield printable(f"  {exception.code} ({exception.state}){f' at {where}' if where else ''}: {exception.cause}")
    if view.related:
        related = ", ".join(f"{other.position} ({other.why})" for other in view.related)
        yield ""
        yield f"related    {related}"


def _envelope(envelope: Envelope, zone_name: str, zone: tzinfo) -> Iterator[str]:
    kind = envelope.message_type or "no message type"
    yield printable(
        f"message {envelope.position}  {kind}  {envelope.control_id or 'no control id'}  {envelope.outcome}"
    )
    yield f"  id         {envelope.id}"
    came = f"{local(envelope.recorded_at, zone, fraction=True)} ({zone_name})"
    size = counted(envelope.size, "byte")
    yield printable(f"  came       {came}, {size} from {envelope.source or 'unknown'} on {envelope.listener}")
    peer = envelope.peer or "no peer that is known"
    hl7 = envelope.schema.startswith("hl7v2")
    sender = f" (MSH-3|4 {envelope.sender or '-'})" if hl7 else f" ({envelope.schema})"
    yield printable(f"  peer       {peer}{sender}, facility {envelope.facility or '-'}")
    if envelope.occurred_at is not None:
        yield f"  written    {local(envelope.occurred_at, zone)} by the sender's clock{' (MSH-7)' if hl7 else ''}"
    if envelope.notes:
        yield printable(f"  notes      {' '.join(envelope.notes)}")
    if envelope.damaged:
        yield "  DAMAGED    the body in the store is not the one that was received: its checksum is another one"


def _structure(view: MessageView) -> Iterator[str]:
    structure, schema = view.structure, view.envelope.schema
    if structure.problem and not schema.startswith("hl7v2"):
        yield f"{schema}: only --body shows what is in it, and the audit trail records that"
        return
    if structure.problem:
        yield f"not an HL7 message: {structure.problem} (--body shows the bytes)"
        return
    yield "segments, values masked (--body shows them, and the audit trail records it)"
    for segment in structure.segments:
        name = segment.name or "???"
        fields = _FIELDS.join(
            f"{field.number}={field.masked}{f'… ({field.length:,})' if field.length > len(field.masked) else ''}"
            for field in segment.fields
        )
        nth = f"[{segment.occurrence}]" if segment.occurrence > 1 else ""
        yield from _wrapped(f"{name}{nth}".ljust(8) + fields)
    if structure.segments_left_out:
        yield f"  and {counted(structure.segments_left_out, 'more segment')}"
    for note in structure.notes:
        yield f"  note: {printable(note)}"


def _wrapped(text: str) -> list[str]:
    """As wide as the terminal is, and indented."""
    return textwrap.wrap(
        printable(text),
        max(60, min(shutil.get_terminal_size().columns, _WIDEST)),
        initial_indent="  ",
        subsequent_indent=" " * 10,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _body(body: Body) -> Iterator[str]:
    yield f"body, read as {body.charset}"
    for line in body.text.replace("\r\n", "\r").replace("\n", "\r").rstrip("\r").split("\r"):
        yield f"  {printable(line)}"


def _run(run: RunView) -> Iterator[str]:
    made = (
        f"noted {counted(len(run.cases), 'case')}" if run.cases else f"made {counted(len(run.documents), 'document')}"
    )
    revision = run.revision[:12] if run.number is None else f"{run.number}, {run.revision[:12]}"
    yield printable(f"channel {run.channel} (revision {revision}) {made}")
    if run.damaged:
        yield "  DAMAGED: its documents came out of the store with another checksum, and are not shown"
    for document in run.documents:
        fields = ", ".join(f"{name} {value}" for name, value in document.fields.items() if name != "source")
        yield from _wrapped(f"{document.place:<7} {fields}")
    for case in run.cases:
        fields = ", ".join(f"{name} {value or '(deleted)'}" for name, value in case.fields.items())
        yield from _wrapped(f"{case.place:<7} {fields}")
    for place in run.filtered:
        yield printable(f"  {place.place}  filtered: {place.reason}")
    for place in run.held:
        yield printable(f"  {place.place}  held: {place.reason}{f' ({place.field})' if place.field else ''}")


def _ledger(entry: LedgerView, zone: tzinfo) -> Iterator[str]:
    yield printable(f"postings to {entry.destination} (channel {entry.channel}, ledger {entry.sequence})")
    if entry.damaged:
        yield "  DAMAGED: they came out of the store with another checksum, and are not shown"
    for posting in entry.postings:
        yield from _posting(posting, zone)


def _posting(posting: PostingView, zone: tzinfo) -> Iterator[str]:
    proof = f" ({posting.proof}{f': {posting.reference}' if posting.reference else ''})" if posting.proof else ""
    sign = f"line {posting.line}, revision {posting.revision}"
    yield printable(f"  {posting.place}  {posting.kind}, {sign}: {posting.state}{proof}  key {posting.key}")
    states = []
    for before, state in zip([None, *posting.history], posting.history, strict=False):
        later = f" +{age(state.at - before.at)}" if before is not None else f" {local(state.at, zone)}"
        states.append(f"{state.state}{later}")
    yield f"    {', '.join(states)}; {counted(posting.attempts, 'attempt')}"
    if posting.words:
        yield printable(f"    last trouble: {posting.words} ({posting.code})")
