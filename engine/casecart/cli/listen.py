"""`casecart listen`: plays a receiver, shows what comes and answers as told."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec

from casecart.cli.exit import Exit
from casecart.cli.receiver import REPLIES, Receiver
from casecart.cli.shown_file import ShownFile
from casecart.cli.text import counted, examples, printable
from casecart.cli.tls import server_options, server_tls

if TYPE_CHECKING:
    from casecart.cli.receiver import Received, Reply
    from casecart.cli.tls import TlsFiles

__all__ = ["command"]

_AT = re.compile(r"(?:(?P<host>\[[^\]]+\]|[^:\s]+):)?(?P<port>\d{1,5})")
_HIGHEST_PORT = 65_535
_SPAN = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(ms|s|m|)")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0}


class _SpanType(click.ParamType[float]):
    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        matched = _SPAN.fullmatch(str(value))
        if matched is None:
            self.fail(f"'{printable(str(value))}' is no time; write one such as 2s or 500ms", param, ctx)
        return float(matched[1]) * _SECONDS[matched[2]]


class _AddressType(click.ParamType[tuple[str, int]]):
    name = "port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        matched = _AT.fullmatch(str(value))
        host = (matched["host"] or "127.0.0.1").strip("[]") if matched else ""
        try:
            ip_address(host)
        except ValueError:
            matched = None
        if matched is None or int(matched["port"]) > _HIGHEST_PORT:
            words = (
                f"'{printable(str(value))}' is no PORT or ADDRESS:PORT of this machine, such as 2575 or 0.0.0.0:2575"
            )
            self.fail(words, param, ctx)
        return host, int(matched["port"])


@click.command(
    name="listen",
    epilog=examples(
        ("casecart listen 2576", "shows what comes, and accepts it"),
        ("casecart listen 2576 --ack AE --delay 2s", "refuses each message after two seconds"),
        ("casecart listen 2576 --ack none", "lets the sender wait"),
        ("casecart listen 2576 --brief --save came --count 100", "a hundred messages, each into a file"),
        ("casecart listen 0.0.0.0:2576 --cert receiver.pem --key receiver.key --ca senders.pem", "mutual TLS"),
    ),
)
@click.argument("address", metavar="[ADDRESS:]PORT", type=_AddressType())
@click.option(
    "--ack",
    "reply",
    type=click.Choice(REPLIES),
    default="auto",
    show_default=True,
    help="The answer to each message. auto: AA or CA, as it asks for; none: nothing; close: hang up; garbage: no HL7.",
)
@click.option("--delay", type=_SpanType(), default=0.0, metavar="TIME", help="Before each answer: 2s, 500ms.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many messages.")
@click.option("--save", type=click.Path(file_okay=False, path_type=Path), help="Keep each message here as NUMBER.hl7.")
@click.option("--brief", is_flag=True, help="One line a message, without its values.")
@click.option("--json", is_flag=True, help="Print one JSON document a message, each in a line of its own.")
@server_options
def command(
    *,
    address: tuple[str, int],
    reply: str,
    delay: float,
    count: int | None,
    save: Path | None,
    brief: bool,
    json: bool,
    tls: TlsFiles,
) -> int:
    r"""Play a receiver of HL7 messages: show them, answer as told.

    They come over MLLP. For tests: nothing is stored but by --save. Listens on this machine only, unless an ADDRESS is
    given; PORT 0 is any that is free. `·` is a blank where none is expected, `\x1d` a control character. Ends with
    Ctrl-C, or after --count.

    Exits with 1 when something came that is no message, with 5 when the port is taken.
    """
    host, port = address
    shown = _Shown(save, brief=brief, json=json)
    try:
        receiver = Receiver(
            host,
            port,
            reply=cast("Reply", reply),
            delay=delay,
            tls=server_tls(tls),
            told=shown.show,
            count=count,
        )
    except OSError as error:
        click.echo(f"Error: can't listen on {host}:{port}: {os.strerror(error.errno or 0)}", err=True)
        return Exit.NETWORK
    where = f"[{host}]" if ":" in host else host
    click.echo(f"listens on {where}:{receiver.port}{' with TLS' if tls.cert else ''}; Ctrl-C ends it", err=True)
    if not ip_address(host).is_loopback and not tls.cert:
        click.echo("everybody who reaches this machine can send to it, and what they send is not encrypted", err=True)
    try:
        receiver.serve()
    except KeyboardInterrupt:
        pass
    except OSError as error:
        click.echo(f"Error: what came can't be kept or shown: {error.strerror}", err=True)
        return Exit.WRONG
    click.echo(f"{counted(shown.messages, 'message')} came{shown.problems_in_words}", err=True)
    return Exit.WRONG if shown.problems else Exit.FINE


class _Shown:
    """Prints what comes, and keeps it."""

    def __init__(self, folder: Path | None, *, brief: bool, json: bool) -> None:
        self._folder, self._brief, self._json = folder, brief, json
        self._next = 1
        self.messages = self.problems = 0
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise click.BadParameter(f"{folder}: {error.strerror}", param_hint="--save") from None

    @property
    def problems_in_words(self) -> str:
        return f", and {self.problems} that can't be read" if self.problems else ""

    def show(self, received: Received) -> None:
        if received.problem:
            self.problems += 1
        else:
            self.messages += 1
        kept = self._keep(received.body) if self._folder is not None else ""
        at = datetime.now(UTC)
        if self._json:
            document = self._document(received, at, kept)
            sys.stdout.write(f"{msgspec.json.encode(document).decode()}\n")
        else:
            sys.stdout.write("".join(f"{line}\n" for line in self._lines(received, at, kept)))
        sys.stdout.flush()

    def _lines(self, received: Received, at: datetime, kept: str) -> list[str]:
        stamp = at.astimezone().isoformat(" ", "milliseconds")[:23]
        into = f", kept as {kept}" if kept else ""
        what = received.problem or counted(len(received.body), "byte")
        lines = [printable(f"{stamp}  {received.number}  {received.source}  {what}, answered {received.reply}{into}")]
        shown = ShownFile(received.body).lines() if received.body else iter(())
        if self._brief:
            return [*lines, *(f"  {line}" for line in islice(shown, 2, 3))]
        return [*lines, *islice(shown, 2, None), ""]

    def _document(self, received: Received, at: datetime, kept: str) -> dict[str, Any]:
        content = {} if self._brief else {"content": ShownFile(received.body).document()}
        return {
            "number": received.number,
            "at": at.isoformat().replace("+00:00", "Z"),
            "source": received.source,
            "size": len(received.body),
            "problem": received.problem,
            "answered": received.reply,
            "file": kept,
            **content,
        }

    def _keep(self, body: bytes) -> str:
        """Under a name that says nothing of the message, and is nobody's yet."""
        assert self._folder is not None  # noqa: S101 - who calls has looked
        while True:
            path = self._folder / f"{self._next:06}.hl7"
            self._next += 1
            try:
                with path.open("xb") as file:
                    file.write(body)
            except FileExistsError:
                continue
            return str(path)
