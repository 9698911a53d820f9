"""`casecart try`: what a channel would make of a message, step by step; nothing is sent or stored."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk, named_from_here
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import examples
from casecart.cli.watching import watched
from casecart.commands.refusal import Refusal

if TYPE_CHECKING:
    from casecart.store import Message

__all__ = ["command", "file_of", "read_bytes", "stored_message"]


@click.command(
    name="try",
    epilog=examples(
        ("casecart try or-usage samples/hl7v2/dft-hip-stem.hl7", "every step of every line, and what would go out"),
        ("casecart try or-usage day.hl7 --json | jq '.messages[].lines[].became'", ""),
        ("casecart try fhir-procedures samples/fhir/procedure-hip-stem.json", "FHIR likewise"),
        ("casecart try or-usage 42", "a stored message, by position, id or control id"),
        ("casecart try or-usage charge.hl7 --watch", "again whenever a file of the workspace is saved"),
        ("pbpaste | casecart try or-usage -", "from the clipboard"),
    ),
)
@click.argument("channel")
@click.argument("message", metavar="MESSAGE")
@click.option("--listener", metavar="NAME", help="Through which it comes.  [default: the channel's that takes it]")
@click.option("--peer", metavar="NAME", help="From whom, for FHIR.  [default: the first that fits]")
@click.option(
    "--version", type=click.Choice(("R4", "R4B", "R5")), help="Of FHIR.  [default: as the peer is configured, else R4]"
)
@click.option("--watch", is_flag=True, help="Try it again whenever the workspace or the file is saved; end by Ctrl-C.")
@json_option
@workspace_option
def command(
    channel: str,
    message: str,
    root: Path,
    *,
    listener: str | None,
    peer: str | None,
    version: str | None,
    watch: bool,
    json: bool,
) -> int:
    """Try a message on a channel; nothing is sent or stored.

    MESSAGE is a file, `-` for standard input, or a message that is stored: its position, id or control id. A file holds
    HL7 v2 (one message, several, a batch, a capture of MLLP frames) or one FHIR resource or bundle as JSON. Several are
    worked in their order, and each counts as posted for those behind it.

    Each line is shown with its values and where they come from, what was decided, and what would go out. The engine's
    own code works them, in memory; an engine may run meanwhile. Master data
    and what is known of cases are read from the workspace's store, what was posted is not.

    What is shown holds what the message says of a patient. To look at a stored one is recorded in the audit trail.

    Exits with 1 when the channel doesn't take a message, or something would be held or can't be written; with 3 when
    the workspace has errors, which are shown as `casecart check` shows them.
    """
    # Who asks for help waits for no engine.
    from casecart.cli.try_text import lines_of  # noqa: PLC0415 - as above
    from casecart.commands.trying import Try, cut  # noqa: PLC0415 - as above

    stored: Message | None = None
    bodies: list[bytes] = []
    path = file_of(message)
    if path is None and message != "-":
        stored = stored_message(root, message)
    elif not watch or message == "-":
        bodies = cut(read_bytes(path))

    def once() -> int:
        wish = Try(
            root=root,
            channel=channel,
            source=message,
            bodies=cut(read_bytes(path)) if path is not None and watch else bodies,
            stored=stored,
            listener=listener,
            peer=peer,
            version=version,
        )
        with named_from_here(root):
            tried = wish.run()
        if json:
            click.echo(as_json(tried))
        else:
            for line in lines_of(tried):
                click.echo(line)
        return Exit.FINE if tried.fine else Exit.WRONG

    return watched(once, root, path) if watch else once()


def file_of(message: str) -> Path | None:
    """The file that somebody names; None: it is none, but perhaps a stored message."""
    path = Path(message)
    try:
        return path if message != "-" and path.exists() else None
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return None


def read_bytes(path: Path | None) -> bytes:
    """A file, or standard input; no more than may be tried, and a byte, so that too much is seen."""
    from casecart.commands.trying import LARGEST  # noqa: PLC0415 - as in `command`

    try:
        if path is not None:
            with path.open("rb") as file:
                return file.read(LARGEST + 1)
        if sys.stdin is None or sys.stdin.closed:
            raise Stop(Exit.USAGE, "standard input is closed: name a file, or pipe a message in")
        return sys.stdin.buffer.read(LARGEST + 1)
    except OSError as error:
        what = "standard input" if path is None else str(path)
        raise Stop(Exit.USAGE, f"{what} can't be read: {error.strerror}") from None


def stored_message(root: Path, reference: str) -> Message:
    """Raises `Stop` where it looks as if a file were meant."""
    from casecart.commands.trying import StoredMessage  # noqa: PLC0415 - as in `command`

    like_a_file = "/" in reference or reference.endswith((".hl7", ".json", ".txt", ".xml"))
    if like_a_file:
        raise Stop(Exit.WRONG, f"there is no file {reference}")
    try:
        with at_desk(root, writing=True) as desk:
            return desk.ask(StoredMessage(reference=reference))
    except Refusal as refused:
        if refused.code != "not-found":
            raise
        raise Stop(Exit.WRONG, f"there is no file '{reference}', and {refused.words}") from None
