"""`casecart send`: messages from files to a listener, and how each was answered."""

from __future__ import annotations

import re
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option
from casecart.cli.sender import Address, Answer, Sender, messages_in, with_new_id
from casecart.cli.sending import Outgoing, Report, Sending
from casecart.cli.text import counted, examples, printable
from casecart.cli.tls import client_options, client_tls
from casecart.formats.hl7v2 import Refused

if TYPE_CHECKING:
    from casecart.cli.tls import TlsFiles

__all__ = ["command"]

_LISTED = 50
"""More messages than these are summed up, and only those that were not accepted are listed."""

_FILE: click.ParamType[Any] = click.Path(exists=True, dir_okay=False, allow_dash=True)
_TO = re.compile(r"(?:(?P<host>\[[^\]]+\]|[^:\s]+):)?(?P<port>\d{1,5})")
_HIGHEST_PORT = 65_535


class _AddressType(click.ParamType[Address]):
    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        matched = _TO.fullmatch(str(value))
        if matched is None or not 0 < int(matched["port"]) <= _HIGHEST_PORT:
            self.fail(f"'{value}' is no address; write HOST:PORT, such as 127.0.0.1:2575 or [::1]:2575", param, ctx)
        return Address((matched["host"] or "127.0.0.1").strip("[]"), int(matched["port"]))


@click.command(
    name="send",
    epilog=examples(
        ("casecart send samples/hl7v2/*.hl7", "to the engine on this machine"),
        ("casecart send 10.1.2.3:2575 order.hl7", "to another one"),
        ("casecart send ehr:2575 order.hl7 --ca hospital.pem --cert us.pem --key us.key", "mutual TLS"),
        ("generate | casecart send - --count 1000 --new-ids", "what stdin says, a thousand times"),
        ("casecart send day.hl7 --new-ids --rate 50 --connections 4", "fifty a second, over four connections"),
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="[HOST:PORT] FILES...")
@click.option(
    "--to", "address", type=_AddressType(), default="127.0.0.1:2575", show_default=True, help="The receiver's address."
)
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="Send all of it so often.")
@click.option("--new-ids", is_flag=True, help="Give each message a control id (MSH-10) of its own.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="No more than so many messages a second.")
@click.option(
    "--connections",
    type=click.IntRange(1, 500),
    default=1,
    show_default=True,
    help="So many at once; between them there is no order.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.001),
    default=10.0,
    show_default=True,
    help="Seconds to wait for the connection, and for each answer.",
)
@click.option("--raw", is_flag=True, help="Send each file as it is, in one frame.")
@json_option
@client_options
def command(
    *,
    files: tuple[str, ...],
    address: Address,
    count: int,
    new_ids: bool,
    rate: float | None,
    connections: int,
    timeout: float,
    raw: bool,
    json: bool,
    tls: TlsFiles,
) -> int:
    """Send HL7 messages over MLLP, and show how they were answered.

    Each FILE holds one message or several, or a batch; `-` is stdin. Line ends are made HL7's CR, and captures of MLLP
    frames are unpacked, unless --raw is given. On a connection messages go out one by one, each after the answer to the
    one before it, and the answer's MSA-2 is checked against the message's control id.

    Exits with 1 when a message was not accepted (AE, AR, CE, CR), with 5 when one was not answered: then nothing more
    is sent. The same message again is acknowledged and not processed again: for a load, use --count with --new-ids.
    """
    address, names = _told_where(files, address)
    outgoing = [message for file in names for message in _outgoing(file, raw=raw)]
    if new_ids:
        _check_ids(outgoing)
    total = len(outgoing) * count
    repeated = (message for _ in range(count) for message in outgoing)
    report = Report(left=total)
    listed = not json and total <= _LISTED
    width = max((len(printable(message.label)) for message in outgoing), default=0)
    context = client_tls(tls)
    sending = Sending(
        lambda: Sender(address, timeout, context, tls.fingerprint), connections=connections, rate=rate, new_ids=new_ids
    )
    progress = None if listed or not sys.stderr.isatty() else click.progressbar(length=total, file=sys.stderr)
    try:
        for message, answer in sending.answers(repeated, report):
            if listed or not (json or answer.accepted):
                click.echo(_line(message, answer, width))
            if progress is not None:
                progress.update(1)
    finally:
        if progress is not None:
            progress.render_finish()
    if json:
        click.echo(as_json(_document(address, report)))
    elif total > 1:
        click.echo(_summary(report))
    if report.trouble:
        click.echo(f"Error: {printable(report.trouble)}", err=True)
        return Exit.NETWORK
    return Exit.FINE if all(answer.accepted for _, answer in report.answered) else Exit.WRONG


def _told_where(given: tuple[str, ...], otherwise: Address) -> tuple[Address, list[str]]:
    """The address where the first argument is one and not a file; and the files, which are there."""
    first, *rest = given
    matched = _TO.fullmatch(first)
    if matched is not None and not Path(first).exists():
        address = _AddressType().convert(first, None, None)
        if not rest:
            raise click.UsageError("Missing argument 'FILES...': what is to be sent?")
        return address, [_FILE.convert(file, None, None) for file in rest]
    return otherwise, [_FILE.convert(file, None, None) for file in given]


def _outgoing(file: str, *, raw: bool) -> list[Outgoing]:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{file} can't be read: {error.strerror}", param_hint="FILE") from None
    bodies = [data] if raw else messages_in(data)
    if not bodies:
        raise click.BadParameter(
            f"{file} holds no HL7 message: no line of it begins with MSH (--raw sends it as it is)", param_hint="FILE"
        )
    return [Outgoing(file, number, len(bodies) == 1, body) for number, body in enumerate(bodies, 1)]


def _check_ids(outgoing: list[Outgoing]) -> None:
    for message in outgoing:
        try:
            with_new_id(message.body)
        except Refused as refused:
            raise click.BadParameter(
                f"{message.label} can't get a new id: {refused.words}", param_hint="--new-ids"
            ) from None


def _line(message: Outgoing, answer: Answer, width: int) -> str:
    words = f"  {answer.words}" if answer.words and not answer.accepted else ""
    shown = f"{printable(message.label).ljust(width)}  {answer.code or '??'}  {answer.control_id or '(no control id)'}"
    return printable(f"{shown}  {answer.milliseconds:.1f} ms{words}")


def _summary(report: Report) -> str:
    codes = [answer.code or "no answer to it" for _, answer in report.answered]
    counts = ", ".join(f"{codes.count(code):,} {code}" for code in sorted(set(codes)))
    left = f", {report.left:,} not answered or not sent" if report.left else ""
    times = [answer.milliseconds for _, answer in report.answered]
    middle = (
        f"; half of the answers within {statistics.median(times):.1f} ms, all within {max(times):.1f} ms"
        if times
        else ""
    )
    pace = f"; {len(times) / report.seconds:,.0f} a second" if report.seconds and len(times) > 1 else ""
    return printable(f"{counted(len(codes), 'message')} answered{f': {counts}' if counts else ''}{left}{middle}{pace}")


def _document(address: Address, report: Report) -> dict[str, Any]:
    accepted = sum(answer.accepted for _, answer in report.answered)
    return {
        "to": str(address),
        "accepted": accepted,
        "not_accepted": len(report.answered) - accepted,
        "not_answered": report.left,
        "trouble": report.trouble,
        "seconds": round(report.seconds, 3),
        "messages": [
            {
                "file": message.file,
                "number": message.number,
                "control_id": answer.control_id,
                "code": answer.code,
                "accepted": answer.accepted,
                "milliseconds": round(answer.milliseconds, 3),
                "words": answer.words,
            }
            for message, answer in report.answered
        ],
    }
