"""`casecart line show`: one line of usage, from what was stated about it to what its destination confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk
from casecart.cli.exit import Exit
from casecart.cli.messages import message_table
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import age, counted, examples, local, printable, table, zone_of
from casecart.commands.line import ShowLine
from casecart.commands.message import AmbiguousReference
from casecart.commands.message_list import MessagePage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import tzinfo
    from decimal import Decimal
    from pathlib import Path

    from casecart.commands.line_view import LineException, LinePosting, LineStatement, LineStory

__all__ = ["command"]

_STANDS = {
    "even": "confirmed as it was stated",
    "due": "the engine posts what is due when it looks again",
    "on its way": "on its way",
    "held": "held: a posting was not taken and waits for a person",
    "rejected": "rejected by a person: nothing more is posted for it",
    "unsure": "nobody knows what became of a posting; nothing more is posted until a person says so",
    "waiting": "nothing is known of it but a credit that waits for its charge",
    "not taken": "nothing was posted for it: what was stated was not taken",
}
_EFFECTS = {"open": "on its way", "done": "confirmed", "none": "without effect", "unsure": "unknown effect"}
_PRODUCTS = {"item": "", "di": "di ", "charge_code": "code "}
"""Fields of a document by which people know a product; the first that is told will do."""

_PIECES = {"lot": "lot ", "serial": "serial ", "location": "at "}


@click.group(name="line")
def command() -> None:
    """Show one line of usage: what was stated, posted and confirmed."""


@command.command(
    name="show",
    epilog=examples(
        ("casecart line show 42", "the line of a message that has one, by its position"),
        ("casecart line show 42 'FT1[2]'", "one of several; or just 2"),
        ("casecart line show MSG00042 2", "by the control id"),
        ("casecart line show 'MSG00042#FT1[2]'", "by the source in a posting's payload"),
        ("casecart line show 42 2 --json | jq '.sums[].confirmed'", ""),
    ),
)
@click.argument("reference", metavar="MESSAGE")
@click.argument("place", metavar="[PLACE]", required=False)
@click.option("--channel", metavar="NAME", help="Whose line, where channels made different lines of the place.")
@json_option
@workspace_option
def show(reference: str, place: str | None, root: Path, channel: str | None, *, json: bool) -> int:
    """Show the whole story of a line of usage, by any statement about it.

    MESSAGE is a position, an id or a control id, and PLACE where the statement stands in it; a * marks it. The
    place of a credit leads to the line that it was taken for. A posting's key can't be looked up: name the source that
    its payload has. BYTES is where the segment begins in the message as stored, and its length. What was stated and
    not taken is shown while it waits for a person, or when it is asked for.
    """
    with at_desk(root) as desk:
        zone_name, zone = zone_of(desk.site.time_zones)
        try:
            story = desk.ask(ShowLine(reference=reference, place=place, channel=channel))
        except AmbiguousReference as several:
            for line in message_table(MessagePage(messages=several.messages, before=None), zone_name, zone):
                click.echo(line)
            raise
    if json:
        click.echo(as_json(story))
    else:
        for line in _lines(story, zone_name, zone):
            click.echo(printable(line).rstrip())
    return Exit.FINE


def _lines(story: LineStory, zone_name: str, zone: tzinfo) -> Iterator[str]:
    yield f"line {story.line}  of {story.case or 'no case'}  at {story.facility or 'no facility'}"
    yield f"  {_stands(story)}"
    if story.statements:
        yield ""
        yield from _statements("stated", story.statements, story, zone_name, zone)
    if story.waiting:
        yield ""
        yield from _statements("credits of the case that wait for their charge", story.waiting, story, zone_name, zone)
    if story.postings:
        yield ""
        yield "posted"
    for posting in story.postings:
        yield from _posting(posting, zone)
    if story.sums:
        yield ""
        yield from _sums(story)
    if story.exceptions:
        yield ""
        yield "exceptions"
    for exception in story.exceptions:
        yield from _exception(exception)
    if story.not_all_exceptions:
        yield "  and perhaps more: there are so many messages that not all were looked at"


def _stands(story: LineStory) -> str:
    words = _STANDS[story.stands]
    if story.stands == "even" and not story.postings:
        words = "nothing is to be posted for it"
    if story.stands == "on its way" and any(each.due for each in story.sums):
        words += "; what else is due is posted when the destination has answered"
    held = sum(each.became == "held" for each in story.statements) if story.stands != "not taken" else 0
    return f"{words}; {counted(held, 'statement')} beside that not taken, for a person to look at" if held else words


def _bytes(statement: LineStatement) -> str:
    if (deleted := statement.body_deleted) is not None:
        return "deleted" if deleted.at is None else f"deleted {deleted.at:%Y-%m-%d} ({deleted.rule})"
    return "-" if statement.segment is None else f"{statement.segment.offset}+{statement.segment.length}"


def _statements(
    title: str, statements: Sequence[LineStatement], story: LineStory, zone_name: str, zone: tzinfo
) -> Iterator[str]:
    header = ("MESSAGE", "CONTROL ID", "PLACE", "BYTES", f"CAME ({zone_name})", "SAYS", "OF", "AS")
    rows = [
        (
            f"{'*' if (each.position, each.place) == (story.position, story.place) else ''}{each.position}",
            each.control_id or "-",
            each.place,
            _bytes(each),
            local(each.recorded_at, zone),
            _says(each),
            _thing(each.document),
            _became(each, story.line),
        )
        for each in statements
    ]
    yield title
    for line in table(header, rows, right={0, 3}):
        yield f"  {line}"


def _says(statement: LineStatement) -> str:
    if statement.quantity is None:
        return statement.action or "-"
    if statement.replaces:
        return f"comes to {_plain(statement.quantity)}"
    word = "credit" if statement.action == "reverse" else "charge"
    return f"{word if statement.replaces is False else statement.action} {_plain(abs(statement.quantity))}"


def _became(statement: LineStatement, line: str) -> str:
    words: str = statement.became
    if statement.told_as != line:
        words += f", told as line {statement.told_as}"
    if statement.linked_by is not None:
        words += f", waited for message {statement.linked_by}"
    return words


def _posting(posting: LinePosting, zone: tzinfo) -> Iterator[str]:
    back = f" of {posting.reverses}" if posting.reverses else ""
    what = f"{posting.action} {_plain(posting.quantity)} {_thing(posting.document)}{back}"
    where = f"to {posting.destination}, for message {posting.position} {posting.place}"
    yield f"  {posting.revision}  {what}  {where}"
    proof = f" ({posting.proof}{f': {posting.reference}' if posting.reference else ''})" if posting.proof else ""
    effect = _EFFECTS[posting.effect]
    yield f"     {posting.state}{proof}, {effect}; key {posting.key}"
    states = []
    for before, state in zip([None, *posting.history], posting.history, strict=False):
        later = f" +{age(state.at - before.at)}" if before is not None else f" {local(state.at, zone)}"
        states.append(f"{state.state}{later}")
    yield f"     {', '.join(states)}; {counted(posting.attempts, 'attempt')}"
    if posting.words or posting.code:
        yield f"     answered: {posting.words or '-'} ({posting.code})"
    if posting.verdict is not None:
        verdict = posting.verdict
        at = f" {local(verdict.at, zone)}" if verdict.at is not None else ""
        reason = f": {verdict.reason}" if verdict.reason else ""
        yield f"     a person found it {verdict.outcome}{at}{reason}"


def _sums(story: LineStory) -> Iterator[str]:
    unsure = any(each.unsure for each in story.sums)
    header = ("DESTINATION", "THING", "STATED", "CONFIRMED", "ON ITS WAY", "DUE", *(["UNKNOWN"] if unsure else []))
    rows = [
        (
            each.destination,
            thing,
            *(_plain(amount) for amount in (each.stated, each.confirmed, each.on_its_way, each.due)),
            *([_plain(each.unsure)] if unsure else []),
        )
        for each, thing in zip(story.sums, _things([each.thing for each in story.sums]), strict=True)
    ]
    yield "in sum"
    for line in table(header, rows, right=range(2, len(header))):
        yield f"  {line}"


def _exception(exception: LineException) -> Iterator[str]:
    state = exception.state + (f", {exception.assignee}" if exception.assignee else "")
    about = f"posting {exception.key}" if exception.key else f"message {exception.position} {exception.place}"
    flagged = ", flagged" if exception.kind == "flagged" else ""
    yield f"  {exception.id}  {exception.code} ({state}{flagged}), {about}"
    yield f"     {exception.cause or '-'}{f' [{exception.reason}]' if exception.reason else ''}"


def _thing(document: Mapping[str, object]) -> str:
    product = next((name for name in _PRODUCTS if document.get(name)), "")
    pieces = [f"{_PRODUCTS[product]}{document[product]}"] if product else []
    pieces += [f"{word}{document[name]}" for name, word in _PIECES.items() if document.get(name)]
    return " ".join(pieces) or "-"


def _things(things: Sequence[Mapping[str, object]]) -> list[str]:
    """In short where that tells them apart, else with all that they differ by."""
    short = [_thing(each) for each in things]
    return [
        name if short.count(name) == 1 else " ".join(f"{field} {value}" for field, value in each.items())
        for name, each in zip(short, things, strict=True)
    ]


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"
