"""`casecart hl7 deidentify` and `casecart fhir deidentify`: a file without what says whose it is."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.options import workspace_option
from casecart.cli.text import counted, examples, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["command", "of_fhir", "places"]

_FILE: Final = click.Path(exists=True, dir_okay=False, allow_dash=True)
_PLACE: Final = re.compile(r"serial|[A-Z][A-Z0-9]{2}-[1-9]\d{0,2}|[A-Z][A-Za-z]+(?:\.[A-Za-z]+)+")


def places(_: click.Context, parameter: click.Parameter, value: Iterable[str]) -> tuple[str, ...]:
    """Fields and elements that somebody names."""
    for each in value:
        if not _PLACE.fullmatch(each):
            words = f"'{printable(each)}' is no field; write one such as ZIM-4, or an element such as Device.version"
            raise click.BadParameter(words, param_hint=parameter.opts[0])
    return tuple(value)


@click.command(
    name="deidentify",
    epilog=examples(
        ("casecart hl7 deidentify charges.hl7 > sample.hl7", "for a vendor who needs a sample"),
        ("casecart hl7 deidentify day.hl7 --keep ZIM-4 --out sample.hl7", "a field of yours that names items"),
        ("casecart hl7 deidentify charges.hl7 --keep serial", "serial numbers are what is tested"),
    ),
)
@click.argument("file", type=_FILE)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.  [default: to the output]"
)
@click.option(
    "--keep",
    multiple=True,
    metavar="PLACE",
    callback=places,
    help="A field (ZIM-4) or element (Device.version) whose values stay; serial: serial numbers stay. Repeatable.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="PLACE",
    callback=places,
    help="A field or element that may hold what is replaced elsewhere, since you looked. Repeatable.",
)
@workspace_option
def command(file: str, out: Path | None, root: Path, *, keep: tuple[str, ...], allow: tuple[str, ...]) -> int:
    """Replace what says whose messages these are.

    FILE holds HL7 v2 (one message, several, a batch, a capture of MLLP frames) or one FHIR resource or bundle as JSON;
    `-` is standard input. What comes out has the same structure. Names, numbers, addresses, serial numbers and all
    else that is not known to be harmless become other values of the same shape, the same one each time; a patient's
    dates move by one number of days; free text is taken out. Senders, codes, items, lots, quantities and prices stay.

    At the end everything that was replaced is looked for. Where something of it is left, nothing is written. It is
    no proof that nobody can be recognised: look at it before you hand it on.

    In a workspace the workspace's key is used, and the same value becomes the same one each time. Elsewhere a new key
    is made for each run. Exits with 1 when something can't be read, or would be left.
    """
    # Who asks for help waits for no engine.
    from casecart.commands.deidentify import DeidentifyFile, key_of  # noqa: PLC0415 - as above

    data = _read(file)
    key, lasting = key_of(root)
    made = DeidentifyFile(data=data, key=key, today=datetime.now(UTC).date(), keep=keep, allow=allow).run()
    if out is None:
        sys.stdout.buffer.write(made.data)
        sys.stdout.flush()
    else:
        try:
            out.write_bytes(made.data)
        except OSError as error:
            raise click.BadParameter(f"{out} can't be written: {error.strerror}", param_hint="--out") from None
    again = "" if lasting else "; another run gives other values, for there is no workspace with a key"
    told = f"{counted(made.messages, 'message')}: {made.replaced:,} values replaced, {made.kept:,} kept{again}"
    click.echo(told, err=True)
    return Exit.FINE


of_fhir = click.Command(
    name="deidentify",
    callback=command.callback,
    params=command.params,
    help=command.help,
    epilog=examples(
        ("casecart fhir deidentify bundle.json > sample.json", "for a vendor who needs a sample"),
        ("casecart fhir deidentify bundle.json --keep serial", "serial numbers are what is tested"),
    ),
)
"""The same, where somebody who has FHIR looks for it."""


def _read(file: str) -> bytes:
    """No more than may be de-identified, and a byte, so that too much is seen."""
    from casecart.formats.deidentify import LARGEST  # noqa: PLC0415 - as in `command`

    try:
        if file == "-":
            if sys.stdin is None or sys.stdin.closed:
                raise Stop(Exit.USAGE, "standard input is closed: name a file, or pipe a message in")
            return sys.stdin.buffer.read(LARGEST + 1)
        with Path(file).open("rb") as opened:
            return opened.read(LARGEST + 1)
    except OSError as error:
        raise click.BadParameter(f"{file} can't be read: {error.strerror}", param_hint="FILE") from None
