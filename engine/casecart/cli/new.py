"""`casecart new`: the beginning of a channel, mapping, table, listener or destination, which runs as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from casecart.cli.desk import from_here, named_from_here
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.options import DIRECTORY, workspace_option
from casecart.cli.text import examples, printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from casecart.workspace import Finding

__all__ = ["command"]

_LARGEST = 5_000_001
_UNUSED = frozenset({"unused-mapping", "unused-listener", "unused-destination", "unused-table"})


@click.group(
    name="new",
    epilog=examples(
        ("casecart new listener lab --kind mllp", "a way in, with a sender of its own"),
        ("casecart new mapping lab-usage --from sample.hl7", "by what the sample has"),
        ("casecart new channel lab-usage --from lab", "and a test of it"),
    ),
)
def command() -> None:
    """Begin a channel, mapping, table, listener or destination."""


@command.command(
    name="channel",
    epilog=examples(
        ("casecart new channel lab-usage --from lab", "by the mapping lab-usage"),
        ("casecart new channel lab-usage --from lab --accept 'DFT^P03' --map dft-usage", ""),
        ("casecart new channel carts --from or-mllp --peer cabinet --map dft-usage", "one sender's messages only"),
    ),
)
@click.argument("name")
@click.option("--from", "source", metavar="LISTENER", help="Whose messages.  [default: the one there is for such]")
@click.option("--peer", "peers", multiple=True, metavar="PEER", help="Only this sender's; may be repeated.")
@click.option(
    "--accept",
    multiple=True,
    metavar="TYPE",
    help="Message types, such as 'DFT^P03' (quote the ^); may be repeated.  [default: what the mapping reads]",
)
@click.option("--map", "mapping", metavar="MAPPING", help="What reads them.  [default: the mapping of this name]")
@click.option("--to", metavar="DESTINATION", help="Where lines go.  [default: the first destination]")
@click.option("--sample", type=DIRECTORY, metavar="FILE", help="A made-up message of the workspace, for the test.")
@workspace_option
def channel(
    name: str,
    *,
    source: str | None,
    peers: tuple[str, ...],
    accept: tuple[str, ...],
    mapping: str | None,
    to: str | None,
    sample: Path | None,
    root: Path,
) -> int:
    """Begin a channel, and a test of it.

    Writes channels/NAME.yaml and channels/NAME.test.yaml, and a made-up message where no sample is from its sender.
    What the mapping makes says which steps there are: usage is mapped and posted, cases are noted, master data brought
    in. Nothing is overwritten, and nothing is left behind when `casecart check` would find an error.
    """
    from casecart.commands.new_channel import add_channel  # noqa: PLC0415 - who asks for help waits for no engine

    with named_from_here(root):
        begun = add_channel(
            root, name, source=source, peers=peers, accept=accept, mapping=mapping, to=to, sample=sample
        )
    _written(begun.files)
    _warned(begun.warnings, begun.files, root)
    if not begun.sample:
        click.echo("There is no test: no shipped message fits the mapping. Name a made-up one with --sample FILE.")
    tests = [(f"casecart test {name}", "runs its test")] if begun.sample else []
    _next(*tests, (f"casecart try {name} {begun.sample or 'MESSAGE'} --watch", "shows each step, again on each save"))
    return Exit.FINE


@command.command(
    name="mapping",
    epilog=examples(
        ("casecart new mapping lab-usage --from sample.hl7", "the fields that the sample has"),
        ("casecart new mapping lab-usage --reads hl7v2 --each FT1", "without a sample"),
        ("casecart new mapping implants --reads fhir --each Procedure", ""),
    ),
)
@click.argument("name")
@click.option(
    "--reads", type=click.Choice(("hl7v2", "fhir")), help="What it reads.  [default: as the sample, or hl7v2]"
)
@click.option("--each", metavar="SEGMENT", help="What is a line: a segment such as FT1, or a FHIR resource type.")
@click.option("--from", "sample", type=DIRECTORY, metavar="SAMPLE", help="A message; what it has is proposed.")
@workspace_option
def mapping(name: str, reads: str | None, each: str | None, sample: Path | None, root: Path) -> int:
    """Begin a mapping that reads messages.

    Writes mappings/NAME.yaml, and the code tables that it needs and that are not there. The shipped mapping of such
    messages is the guide; with a sample, fields that it doesn't have are left out. Nothing that the sample says of a
    patient is written.
    """
    from casecart.commands.new_mapping import add_mapping  # noqa: PLC0415 - who asks for help waits for no engine

    body = None if sample is None else _read(sample)
    with named_from_here(root):
        drafted = add_mapping(root, name, reads, each, body)
    _written(drafted.files)
    _warned(drafted.warnings, drafted.files, root)
    if drafted.guide:
        click.echo(f"By the shipped mapping {drafted.guide}.")
    else:
        click.echo("No shipped mapping reads such messages: its paths are a guess, for you to mend.")
    if drafted.left_out:
        click.echo(f"The sample doesn't have: {', '.join(drafted.left_out)}.")
    look = () if sample is None or body is None or body.lstrip()[:1] == b"{" else (f"casecart hl7 show {sample}",)
    _next(
        *((each_look, "shows every value of it, with its path") for each_look in look),
        (f"casecart new channel {name} --from LISTENER", "a channel that uses it, and a test"),
    )
    return Exit.FINE


@command.command(
    name="table",
    epilog=examples(
        ("casecart new table colours", "mappings/tables/colours.csv"),
        ("casecart new table colours -w ws", "in another workspace; then: casecart table set colours R red -w ws"),
    ),
)
@click.argument("name")
@workspace_option
def table(name: str, root: Path) -> int:
    """Begin a code table, which turns a sender's codes into ours.

    Writes mappings/tables/NAME.csv with its header. A mapping uses it by `table: NAME`.
    """
    from casecart.commands.new_mapping import add_table  # noqa: PLC0415 - who asks for help waits for no engine

    with named_from_here(root):
        drafted = add_table(root, name)
    _written(drafted.files)
    _warned(drafted.warnings, drafted.files, root)
    _next((f"casecart table set {name} CODE VALUE", "adds a row"))
    return Exit.FINE


@command.command(
    name="listener",
    epilog=examples(
        ("casecart new listener lab --kind mllp", "on a port that is free in this configuration"),
        ("casecart new listener lab --kind mllp --set port=2600", ""),
        ("casecart new listener drops --kind file", "from a folder"),
    ),
)
@click.argument("name")
@click.option("--kind", required=True, metavar="KIND", help="mllp, http, file, fhir, or another that is installed.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A key of that kind; may be repeated.")
@workspace_option
def listener(name: str, kind: str, given: tuple[str, ...], root: Path) -> int:
    """Begin a listener: a block more in config/engine.yaml.

    What stands there stays as it is. The keys are those that the kind requires; your editor, or the reference page,
    knows the others.
    """
    return _component(root, "listener", name, kind, given)


@command.command(
    name="destination",
    epilog=examples(
        ("casecart new destination erp --kind tryton --set url=https://erp.example.org/hospital", ""),
        ("casecart new destination stock --kind file", "each posting as a file"),
        ("casecart new destination billing --kind mllp --set host=10.1.2.3", "as HL7 v2 messages"),
    ),
)
@click.argument("name")
@click.option("--kind", required=True, metavar="KIND", help="file, rest, mllp, tryton, or another that is installed.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A key of that kind; may be repeated.")
@workspace_option
def destination(name: str, kind: str, given: tuple[str, ...], root: Path) -> int:
    """Begin a destination: a block more in config/engine.yaml.

    What stands there stays as it is. Secrets are referred to by environment variables, which are named afterwards.
    """
    return _component(root, "destination", name, kind, given)


def _component(root: Path, sort: str, name: str, kind: str, given: tuple[str, ...]) -> int:
    from casecart.commands.new_component import add_component  # noqa: PLC0415 - who asks for help waits for no engine

    values = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not value.strip():
            raise click.BadParameter(f"'{printable(each)}' is not KEY=VALUE", param_hint="--set")
        values[key] = value
    with named_from_here(root):
        added = add_component(root, sort, name, kind, values)
    click.echo("config/engine.yaml has it now:\n")
    for line in added.lines:
        click.echo(f"  {printable(line)}".rstrip())
    click.echo("")
    _warned(added.warnings, ("config/engine.yaml",), root)
    steps = [(f"export {variable}=…", "before `casecart run`: the secret") for variable in added.secrets]
    use = ("casecart new channel NAME --from " if sort == "listener" else "casecart new channel NAME --to ") + name
    _next(*steps, (use, "a channel that uses it"))
    return Exit.FINE


def _read(sample: Path) -> bytes:
    try:
        with sample.open("rb") as stream:
            return stream.read(_LARGEST)
    except OSError as error:
        raise Stop(Exit.USAGE, f"{sample} can't be read: {(error.strerror or 'unknown reason').lower()}") from error


def _written(files: Iterable[str]) -> None:
    for file in files:
        click.echo(f"{printable(file)} is written")


def _warned(warnings: Iterable[Finding], files: Iterable[str], root: Path) -> None:
    """What is to be said of what was written; of the rest `casecart check` tells."""
    named = set(files)
    # That nothing names it yet is what the next step is for.
    own = [each for each in warnings if each.place.file in named and each.code not in _UNUSED]
    for finding in from_here(own, root):
        click.echo(printable(str(finding)))


def _next(*steps: tuple[str, str]) -> None:
    click.echo("\nNext:")
    width = max(len(typed) for typed, _ in steps)
    for typed, about in steps:
        click.echo(printable(f"  {typed.ljust(width)}  # {about}"))
