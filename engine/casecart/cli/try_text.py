"""What was tried, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.cli.text import counted, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from casecart.commands.try_view import (
        Tried,
        TriedBody,
        TriedField,
        TriedHold,
        TriedLine,
        TriedMessage,
        TriedPosting,
        TriedSource,
    )

__all__ = ["lines_of"]

_LONGEST = 60
"""Characters of a value in its column; a longer one stands there cut, and in `--json` whole."""

_MOST_BODY = 4_000
"""Characters of a body that are shown."""


def lines_of(tried: Tried) -> Iterator[str]:
    """All of it."""
    for note in tried.notes:
        yield printable(f"note: {note}")
    for message in tried.messages:
        if tried.notes or message.number > 1:
            yield ""
        yield from _message(tried.channel, message)
    yield ""
    yield f"nothing was sent or stored; {_spent(tried.milliseconds)}"


def _message(channel: str, message: TriedMessage) -> Iterator[str]:
    kind, name = message.message_type or "no message type", message.control_id or "no control id"
    yield printable(f"message {message.number}  {kind}  {name}")
    yield printable(f"  came as    {message.schema}, {counted(message.size, 'byte')}, of {message.sender or 'nobody'}")
    yield printable(f"  through    {message.listener}, peer {message.peer or '-'}, facility {message.facility or '-'}")
    if message.notes:
        yield printable(f"  notes      {' '.join(message.notes)}")
    if message.code:
        yield printable(f"  channel    {channel}: {message.code}: {message.why}")
    else:
        yield printable(f"  channel    {channel} takes it")
    for hold in message.held:
        yield from _hold(hold)
    for case in message.cases:
        yield printable(f"  noted      {case.channel} at {case.place}: {_pairs(case.fields)}")
    for change in message.changes:
        yield printable(f"  brings in  {change}")
    if message.accepted and not (message.lines or message.cases or message.changes or message.held):
        yield "  no lines   the mapping found none in it"
    yield from _parts(message)
    yield ""
    yield f"  {_spent(message.milliseconds)}"


def _parts(message: TriedMessage) -> Iterator[str]:
    """Its lines, and what goes out."""
    for line in message.lines:
        yield ""
        yield from _line(line)
    if message.postings:
        yield ""
        yield "due of other lines"
        for posting in message.postings:
            yield from _posting(posting)
    for out in message.out:
        yield ""
        yield from _out(out)


def _line(line: TriedLine) -> Iterator[str]:
    where = f" (line {line.segment.number}, byte {line.segment.offset})" if line.segment is not None else ""
    if (element := line.element) is not None:
        where = f" (line {element.line}:{element.column}, bytes {element.offset}-{element.offset + element.length})"
    name = f"  as line {line.line}" if line.line else ""
    yield printable(f"{line.place}{where}{name}: {line.became}")
    if line.reason:
        yield printable(f"  left out   {line.reason}")
    width = max((len(field.name) for field in line.fields), default=0)
    values = max((len(_cut(field.value)) for field in line.fields), default=0)
    for field in line.fields:
        yield f"  {field.name.ljust(width)}  {_cut(field.value).ljust(values)}  <- {_from(field)}".rstrip()
    if line.item:
        yield printable(f"  the item   {line.item}")
    for finding in line.findings:
        yield printable(f"  verify     {finding.code} ({finding.field}), {finding.then}: {finding.words}")
    if (route := line.route) is not None:
        told = f"entry {route.entry}{f', {route.when}' if route.when else ''}" if route.entry else "no entry fits"
        then = f"hold: {route.hold}" if route.hold else f"to {route.to} as {route.kind}"
        yield printable(f"  route      {told}: {then}")
    for hold in line.held:
        yield from _hold(hold)
    for posting in line.postings:
        yield from _posting(posting)
    if line.became == "no change":
        yield "  posting    none: it says what is posted already"


def _hold(hold: TriedHold) -> Iterator[str]:
    about = f" ({hold.field}{f' <- {hold.path}' if hold.path else ''})" if hold.field else ""
    yield printable(f"  {hold.kind.ljust(9)}  {hold.code}{about}: {hold.words}")


def _posting(posting: TriedPosting) -> Iterator[str]:
    payload = posting.payload
    what = " ".join(str(payload[name]) for name in ("action", "quantity", "unit", "item") if payload.get(name))
    yield printable(f"  posting    {posting.key}  {posting.kind} to {posting.destination}: {what}")


def _out(out: TriedBody) -> Iterator[str]:
    yield printable(f"to {out.destination}: {out.to}")
    if out.code:
        yield printable(f"  can't be written: {out.code}: {out.words}")
        return
    if out.words:
        yield printable(f"  ({out.words})")
    body = out.body.replace("\r\n", "\n").replace("\r", "\n")
    for row in body[:_MOST_BODY].rstrip("\n").split("\n"):
        yield f"  {printable(row)}"
    if len(body) > _MOST_BODY:
        yield f"  … and {len(body) - _MOST_BODY:,} characters more; --json shows all"


def _from(field: TriedField) -> str:
    """Where a value comes from: the step, or the sources that were asked."""
    if field.by != "map":
        before = f" (the message says {_cut(field.before)})" if field.before else ""
        return f"{field.by}{before}"
    if not field.sources:
        return "the mapping"
    told = " = ".join(_source(source) for source in field.sources if source.told)
    empty = [printable(source.path) for source in field.sources if not source.told]
    if not told:
        return f"the mapping: nothing at {', '.join(empty)}"
    through = f", table {printable(field.table)}" if field.table else ""
    token = ", a token" if field.token else ""
    return f"{told}{through}{token}"


def _source(source: TriedSource) -> str:
    at = source.at
    said = " | ".join(_cut(each) for each in source.told)
    where = (
        "" if at is None else f" at {at.segment} line {at.line}:{at.column}, bytes {at.offset}-{at.offset + at.length}"
    )
    return f"{printable(source.path)} <- '{said}'{where}"


def _cut(value: str) -> str:
    shown = printable(value)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def _pairs(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items())


def _spent(milliseconds: Mapping[str, float]) -> str:
    parts = ", ".join(f"{step} {spent:.1f}" for step, spent in milliseconds.items())
    return f"{sum(milliseconds.values()):.1f} ms ({parts})"
