"""`casecart hl7`: what is in a file of HL7 v2 messages, and what a path finds there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casecart.cli.deidentify import command as deidentify
from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option
from casecart.cli.shown_file import ShownFile
from casecart.cli.text import examples, printable
from casecart.commands.content import body_of
from casecart.formats.hl7v2 import Refused, read_header
from casecart.formats.hl7v2.compile import compile_paths
from casecart.formats.hl7v2.file import messages_of
from casecart.formats.hl7v2.path import Path as Hl7Path
from casecart.formats.hl7v2.path import PathError, parse_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.formats.hl7v2.compile import Value

__all__ = ["command"]

_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)


@click.group(
    name="hl7",
    epilog=examples(
        ("casecart hl7 show samples/hl7v2/dft-hip-stem.hl7", "every value with its path and its field's name"),
        ("casecart hl7 get samples/hl7v2/dft-hip-stem.hl7 FT1-7.1", "one value"),
        ("casecart hl7 deidentify charges.hl7 > sample.hl7", "without what says whose they are"),
    ),
)
def command() -> None:
    """Look into files of HL7 v2 messages, and de-identify them."""


@command.command(
    name="show",
    epilog=examples(
        ("casecart hl7 show charges.hl7", ""),
        ("casecart hl7 show charges.hl7 | grep FT1", "the lines of charges"),
        ("xclip -o | casecart hl7 show -", "from the clipboard"),
    ),
)
@click.argument("file", type=_FILE)
@json_option
def show(file: str, *, json: bool) -> int:
    r"""Show every value in a file of HL7 v2 messages: its path, its field's name, what it says.

    FILE holds one message or several, a batch, or a capture of MLLP frames; `-` is standard input. The path of a value
    is the one that a mapping or `hl7 get` finds it by. Field names are those of the message's own version (MSH-12), up
    to 2.8.2. Escape sequences are decoded. `·` is a blank where none is expected: at an end, or beside another;
    `\x1d`, `\t`, `\n` are control characters; long values are cut.

    Exits with 1 when something in the file can't be read, or a batch in it is not whole.
    """
    shown = ShownFile(_read(file))
    if json:
        click.echo(as_json({"file": file, **shown.document()}))
    else:
        for line in shown.lines():
            click.echo(line)
    for problem in shown.problems:
        click.echo(f"Error: {printable(file)}: {printable(problem)}", err=True)
    return Exit.WRONG if shown.problems else Exit.FINE


@command.command(
    name="get",
    epilog=examples(
        ("casecart hl7 get charges.hl7 PV1-19.1", "of each message"),
        ("casecart hl7 get charges.hl7 'PID-3[*].1'", "of every repetition"),
        ("casecart hl7 get charges.hl7 FT1-7.1 --each FT1", "of every charge"),
        ("casecart hl7 get charges.hl7 \"OBX[OBX-3.1 = '74711-3']-5\" | casecart udi -", ""),
    ),
)
@click.argument("file", type=_FILE)
@click.argument("path")
@click.option(
    "--each", metavar="SEGMENT", help="Look in each group that this segment begins, as a mapping's `each` does."
)
@json_option
def get(file: str, path: str, each: str | None, *, json: bool) -> int:
    """Print what a mapping's path finds in the messages of a file, a value a line.

    Without --each a path means the first segment of its name; with `[*]` every repetition is read. Values are printed
    as they are, and on a terminal with control characters made visible.

    Exits with 1 when nothing is there, or a message can't be read; with 2 when PATH is none.
    """
    where = _path(path)
    if each is not None and not _SEGMENT.fullmatch(each):
        raise click.BadParameter(f"'{printable(each)}' is no segment; write one such as FT1", param_hint="--each")
    bodies = messages_of(_read(file))
    if not bodies:
        click.echo(f"Error: {printable(file)} holds no HL7 message: no line of it begins with MSH", err=True)
        return Exit.WRONG
    extract = compile_paths([where], each=each)
    found, problems = [], []
    for number, body in enumerate(bodies, 1):
        try:
            read = body_of(body, None)
            values = [each_value for (value,) in extract(read.text, read.charset) for each_value in _all(value)]
            control_id = read_header(body).control_id.decode(read.charset)
        except Refused as refused:
            problems.append(f"message {number}: {refused.code}: {refused.words}")
            continue
        found.append((number, control_id, values))
    _print(file, str(where), found, json=json)
    for problem in problems:
        click.echo(f"Error: {printable(file)}: {printable(problem)}", err=True)
    return Exit.FINE if not problems and any(values for _, _, values in found) else Exit.WRONG


command.add_command(deidentify)


def _print(file: str, path: str, found: list[tuple[int, str, list[str]]], *, json: bool) -> None:
    if json:
        messages: list[dict[str, Any]] = [
            {"number": number, "control_id": control_id, "values": values} for number, control_id, values in found
        ]
        click.echo(as_json({"file": file, "path": path, "messages": messages}))
        return
    as_is = not sys.stdout.isatty()
    for value in (value for _, _, values in found for value in values):
        click.echo(value if as_is else printable(value))


def _all(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif value is not None:
        yield from value


def _path(text: str) -> Hl7Path:
    try:
        path = parse_path(text)
    except PathError as error:
        raise click.BadParameter(f"'{printable(text)}', column {error.column}: {error.message}") from None
    if isinstance(path.segment, str):
        words = f"'{path.segment}' is the name that a mapping binds; write the segment itself, such as PRT-10.1"
        raise click.BadParameter(words)
    return path


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{file} can't be read: {error.strerror}", param_hint="FILE") from None
