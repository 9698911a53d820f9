"""`casecart test --record`: what comes of messages now becomes what is expected of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from casecart.cli.deidentify import places
from casecart.cli.desk import named_from_here
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.options import as_json
from casecart.cli.text import printable
from casecart.cli.trying import file_of, read_bytes, stored_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from casecart.commands.record import Deidentification, RecordedTest

__all__ = ["Recording", "recorded", "recording_options"]

_F = TypeVar("_F", bound="Callable[..., Any]")

_PATIENTS: Final = (
    "what is stored are real patients' messages: add --deidentify, which replaces what says whose it is, or --as-it-is "
    "if you know that it may be kept in a file"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is to be recorded, and how."""

    record: str
    """A file, `-`, or a stored message."""
    channel: str
    name: str
    deidentify: bool
    as_it_is: bool
    keep: tuple[str, ...]
    allow: tuple[str, ...]
    listener: str | None
    peer: str | None
    version: str | None


def recording_options(function: _F) -> _F:
    """The options of recording, given to the command as `recording`; None: nothing is recorded."""

    @functools.wraps(function)
    def command(*arguments: Any, record: str | None, **more: Any) -> Any:  # noqa: ANN401 - as the command takes them
        told = {name: more.pop(name) for name in Recording.__dataclass_fields__ if name != "record"}
        if record is None and any(told.values()):
            name = next(name for name, value in told.items() if value).replace("_", "-")
            raise click.UsageError(f"--{name} belongs to --record, which names the message")
        return function(*arguments, recording=None if record is None else Recording(record=record, **told), **more)

    options = (
        click.option("--record", metavar="MESSAGE|FILE", help="Write a test of a file, or of a stored message."),
        click.option("--name", default="", metavar="TEXT", help="Of the test.  [default: says what comes]"),
        click.option("--channel", default="", metavar="NAME", help="That is tested.  [default: the one that takes it]"),
        click.option("--deidentify", is_flag=True, help="Replace what says whose the messages are."),
        click.option("--as-it-is", is_flag=True, help="Record a stored message with its patient."),
        click.option(
            "--keep",
            multiple=True,
            metavar="PLACE",
            callback=places,
            help="With --deidentify: a field (ZIM-4) or element that stays; serial: serial numbers stay. Repeatable.",
        ),
        click.option(
            "--allow",
            multiple=True,
            metavar="PLACE",
            callback=places,
            help="With --deidentify: a field or element that may hold what is replaced elsewhere. Repeatable.",
        ),
        click.option(
            "--listener", metavar="NAME", help="Through which it comes.  [default: the channel's that takes it]"
        ),
        click.option("--peer", metavar="NAME", help="From whom, for FHIR.  [default: the first that fits]"),
        click.option(
            "--version", type=click.Choice(("R4", "R4B", "R5")), help="Of FHIR.  [default: as the peer has it]"
        ),
    )
    made: Any = command
    for option in reversed(options):
        made = option(made)
    done: _F = made
    return done


def recorded(root: Path, wanted: Recording, which: tuple[str, ...], *, json: bool) -> int:
    """Records a test, and says where."""
    from casecart.commands.record import Record  # noqa: PLC0415 - who asks for help waits for no engine
    from casecart.commands.trying import cut  # noqa: PLC0415 - as above
    from casecart.formats.fhir import VERSIONS  # noqa: PLC0415 - as above

    if which:
        raise click.UsageError(f"with --record, name the channel by --channel {printable(which[0])}")
    if wanted.deidentify and wanted.as_it_is:
        raise click.UsageError("--deidentify and --as-it-is contradict each other")
    if (wanted.keep or wanted.allow) and not wanted.deidentify:
        raise click.UsageError("--keep and --allow belong to --deidentify")
    path = file_of(wanted.record)
    listener, peer, version, charset = wanted.listener, wanted.peer, wanted.version, None
    if path is not None or wanted.record == "-":
        bodies = cut(read_bytes(path))
    else:
        if not (wanted.deidentify or wanted.as_it_is):
            raise Stop(Exit.USAGE, f"there is no file {wanted.record}, and {_PATIENTS}")
        message = stored_message(root, wanted.record)
        bodies, charset, listener = [message.body], message.charset, listener or message.listener
        if message.schema.startswith("fhir"):  # HL7 v2 tells both itself
            number = message.schema.rpartition("/")[2]
            peer = peer or message.actor
            version = version or next((name for name, each in VERSIONS.items() if each == number), None)
    with named_from_here(root):
        done = Record(
            root=root,
            bodies=bodies,
            channel=wanted.channel,
            name=wanted.name,
            deidentification=_how(root, wanted) if wanted.deidentify else None,
            listener=listener,
            peer=peer,
            version=version,
            charset=charset,
        ).run()
    if json:
        click.echo(as_json(done))
    else:
        for line in _lines(done):
            click.echo(printable(line))
    return Exit.FINE


def _how(root: Path, wanted: Recording) -> Deidentification:
    from casecart.commands.deidentify import key_of  # noqa: PLC0415 - as in `recorded`
    from casecart.commands.record import Deidentification  # noqa: PLC0415 - as in `recorded`

    key, _ = key_of(root)
    return Deidentification(key=key, today=datetime.now(UTC).date(), keep=wanted.keep, allow=wanted.allow)


def _lines(done: RecordedTest) -> Iterator[str]:
    yield f"recorded '{done.test}' in {done.file}, and its messages in {done.input}; it passes"
    if done.replaced is None:
        yield "the messages are recorded as they are: with what they say of patients"
    else:
        told = "and nothing of them was found again; look at the files before you share them"
        yield f"{done.replaced:,} values were replaced, {told}"
    for note in done.notes:
        yield f"note: {note}"
