"""`casecart fhir`: the subscriptions by which a FHIR server notifies us."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NoReturn

import click

from casecart.cli.asking import timeout_option
from casecart.cli.deidentify import of_fhir as deidentify
from casecart.cli.desk import at_desk, named_from_here
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.reactor import in_reactor
from casecart.cli.text import examples, printable
from casecart.commands.fhir_change import At
from casecart.commands.fhir_listener import fhir_listener
from casecart.commands.fhir_status import ShowCursors, fhir_status
from casecart.commands.fhir_subscription import Subscribe, resume, subscribe, unsubscribe
from casecart.runtime.fhir_server import FhirTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path
    from typing import TypeAlias, TypeVar

    from twisted.internet.defer import Deferred

    from casecart.commands.fhir_change import Changed, Line
    from casecart.commands.fhir_listener import FhirListener
    from casecart.commands.fhir_status import FhirStatus, SubscriptionView
    from casecart.runtime.fhir_server import FhirServer

    _T = TypeVar("_T")

    Ask: TypeAlias = Callable[[FhirServer, Any], Coroutine[Deferred[Any], Any, _T]]

__all__ = ["command"]

_LIMIT = 120.0  # seconds
_PERIOD = re.compile(r"([1-9]\d{0,5})(s|m|h)|none")
_UNITS = {"s": 1, "m": 60, "h": 3600}
_LONGEST_PERIOD = 24 * 3600
_NOT_LET_IN = frozenset({401, 403})


@click.group(
    name="fhir",
    epilog=examples(
        ("casecart fhir status ehr", "what the server offers, and how its subscriptions stand"),
        ("casecart fhir subscribe ehr --endpoint https://casecart.example:8443/ehr", "have it notify us"),
        ("casecart fhir resume ehr", "after it gave up"),
        ("casecart fhir unsubscribe ehr", "have it notify us no more"),
        ("casecart fhir deidentify bundle.json", "a file without what says whose it is"),
    ),
)
def command() -> None:
    """Subscribe to a FHIR server's notifications; de-identify."""


def _period(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    match = _PERIOD.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"'{printable(value)}' is no time; write it as 60s, 5m or 1h, or none.")
    seconds = int(match[1]) * _UNITS[match[2]] if match[1] else 0
    if seconds > _LONGEST_PERIOD:
        raise click.BadParameter("more than a day between two signs of life tells nothing.")
    return seconds


def _secret(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    secret = os.environ.get(value)
    if not secret:
        raise click.BadParameter(f"the environment variable {printable(value)} is not set.")
    return secret


_ENDPOINT = "The address at which the server reaches us, where its path alone doesn't tell."
_secret_option = click.option(
    "--secret-env",
    "token",
    callback=_secret,
    metavar="NAME",
    help="An environment variable with the bearer token to show, if not the peer's own.",
)


command.add_command(deidentify)


@command.command(
    name="status",
    epilog=examples(
        ("casecart fhir status ehr", ""),
        ("casecart fhir status ehr --json | jq '.subscriptions[].status'", "for programs"),
        ("casecart fhir status ehr || mail -s 'EHR subscription' oncall", "exits with 1 when something is wrong"),
    ),
)
@click.argument("listener")
@click.option("--endpoint", metavar="URL", help=_ENDPOINT)
@timeout_option(_LIMIT)
@json_option
@workspace_option
def status(listener: str, endpoint: str | None, root: Path, *, timeout: float, json: bool) -> int:
    """Show what a FHIR server offers, and how its subscriptions stand.

    LISTENER is one of kind fhir. Its server is asked as the configuration says, with or without a running engine.
    Shown are the subscriptions that lead to the address of the peer that the listener hears: whether each is active,
    how many events the server has counted, and up to which they are here. Nothing changes, there or here. Exits with 1
    when something is wrong, with 5 when the server does not answer, and with 3 when it does not let us in.
    """
    with at_desk(root) as desk:
        cursors = desk.ask(ShowCursors())
    with named_from_here(root):
        of = fhir_listener(root, listener)
        found = _asked(of, lambda server, _: fhir_status(server, of, cursors, endpoint), timeout)
    if json:
        click.echo(as_json(found))
    else:
        for line in _shown(found):
            click.echo(printable(line))
    return Exit.WRONG if found.trouble else Exit.FINE


@command.command(
    name="subscribe",
    epilog=examples(
        ("casecart fhir subscribe ehr --endpoint https://casecart.example:8443/ehr --dry-run", "what it would do"),
        ("casecart fhir subscribe ehr --endpoint https://casecart.example:8443/ehr", "classic R4: by the searches"),
        ("casecart fhir subscribe ehr --endpoint URL --topic https://ehr.example/topics/procedure", "Backport, R5"),
        ("casecart fhir subscribe ehr --endpoint URL --criteria 'Procedure?status=completed'", "another search"),
    ),
)
@click.argument("listener")
@click.option("--endpoint", required=True, metavar="URL", help="The address at which the server reaches us.")
@click.option("--topic", default="", metavar="CANONICAL", help="What to subscribe to (Backport, R5).")
@click.option(
    "--criteria",
    multiple=True,
    metavar="SEARCH",
    help="Classic: what to subscribe to, if not the listener's searches. Else a filter on the topic.",
)
@click.option(
    "--content",
    type=click.Choice(["empty", "id-only", "full-resource"]),
    help="How much a notification tells.  [default: id-only; classic: empty]",
)
@click.option(
    "--heartbeat",
    callback=_period,
    metavar="60s|none",
    help="The time between signs of life.  [default: 60s; classic has none]",
)
@click.option(
    "--dialect",
    type=click.Choice(["auto", "classic", "backport", "R5"]),
    default="auto",
    show_default=True,
    help="In which form to ask; auto: by what the server says of itself.",
)
@_secret_option
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@timeout_option(_LIMIT)
@json_option
@workspace_option
def subscribe_command(listener: str, root: Path, *, timeout: float, json: bool, **wished: Any) -> int:  # noqa: ANN401 - click's
    """Have a FHIR server notify us.

    The dialect is chosen by the server's CapabilityStatement, and what was chosen is told with the reason. The secret
    that the heard peer is configured with goes into the subscription's header; it is not shown here, and the server
    keeps it where whoever may read its subscriptions can read it. A subscription that is there already, to the same
    address and for the same, is left as it is: doing it twice changes nothing.

    The engine should be running: the server posts a handshake to it, and the subscription is active when that was
    answered. Exits with 1 when it isn't after some seconds.
    """
    dialect = wished.pop("dialect")
    wish = Subscribe(dialect=None if dialect == "auto" else dialect, **wished)
    return _changed(root, listener, timeout, lambda at: subscribe(at, wish), json=json)


@command.command(
    name="resume",
    epilog=examples(
        ("casecart fhir resume ehr", "the one that is not active"),
        ("casecart fhir resume ehr 4711", "by its id, as `casecart fhir status` shows it"),
        (
            "casecart fhir resume ehr --endpoint https://casecart.example:8443/ehr",
            "with the secret of now written anew",
        ),
    ),
)
@click.argument("listener")
@click.argument("identifier", metavar="[ID]", required=False)
@click.option("--endpoint", metavar="URL", help="Where it leads: the secret is written anew, as after a change of it.")
@_secret_option
@timeout_option(_LIMIT)
@json_option
@workspace_option
def resume_command(
    listener: str,
    identifier: str | None,
    root: Path,
    *,
    endpoint: str | None,
    token: str | None,
    timeout: float,
    json: bool,
) -> int:
    """Ask a FHIR server to go on with a subscription.

    A server that could not reach us switches a subscription off, or says that it is in error, and waits to be asked.
    Its status becomes `requested`, and all else stays as it is. The server posts a handshake, which tells how many
    events it has counted: what was missed meanwhile the engine asks for first.
    """
    if token is not None and endpoint is None:
        raise click.UsageError("--secret-env needs --endpoint: a secret is written only for an address that you name.")
    return _changed(root, listener, timeout, lambda at: resume(at, identifier, endpoint, token), json=json)


@command.command(
    name="unsubscribe",
    epilog=examples(
        ("casecart fhir unsubscribe ehr", "asks first"),
        ("casecart fhir unsubscribe ehr 4711 --yes", "by its id, without asking"),
    ),
)
@click.argument("listener")
@click.argument("identifier", metavar="[ID]", required=False)
@click.option("--endpoint", metavar="URL", help=_ENDPOINT)
@click.option("--yes", is_flag=True, help="Don't ask.")
@timeout_option(_LIMIT)
@json_option
@workspace_option
def unsubscribe_command(
    listener: str, identifier: str | None, root: Path, *, endpoint: str | None, yes: bool, timeout: float, json: bool
) -> int:
    """Have a FHIR server notify us no more.

    The subscription is switched off and deleted; where the server lets nothing be deleted, it stays switched off. What
    was notified is followed up all the same, and with `every` the listener goes on to search.
    """
    if not yes:
        what = f"subscription {identifier}" if identifier else "the only subscription that leads here"
        click.confirm(f"End {printable(what)}, at the server of {printable(listener)}?", abort=True, err=True)
    return _changed(root, listener, timeout, lambda at: unsubscribe(at, identifier, endpoint), json=json)


def _changed(
    root: Path,
    name: str,
    timeout: float,
    change: Callable[[At], Coroutine[Deferred[Any], Any, Changed]],
    *,
    json: bool,
) -> int:
    """Does it, and shows what came of it."""
    with at_desk(root, writing=True) as desk:
        listener = fhir_listener(root, name)

        def ask(server: FhirServer, reactor: Any) -> Coroutine[Deferred[Any], Any, Changed]:  # noqa: ANN401 - Twisted's
            from twisted.internet.task import deferLater  # noqa: PLC0415 - for help nobody should wait for Twisted

            return change(At(server, listener, desk, lambda: deferLater(reactor, 1.0)))

        changed = _asked(listener, ask, timeout)
    if json:
        click.echo(as_json(changed))
    else:
        for line in _told(changed):
            click.echo(printable(line))
    return Exit.FINE if changed.fine else Exit.WRONG


def _asked(listener: FhirListener, ask: Ask[_T], timeout: float) -> _T:
    """What the server's answers come to. Raises `Stop` where it gives none that helps."""
    from twisted.internet.defer import Deferred as Made  # noqa: PLC0415 - for help nobody should wait for Twisted

    async def question(reactor: Any) -> _T:  # noqa: ANN401 - zope interfaces say nothing to mypy
        server = listener.server(reactor)
        try:
            return await Made.fromCoroutine(ask(server, reactor)).addTimeout(timeout, reactor, late)
        finally:
            await server.stop()

    def late(_: object, __: float) -> NoReturn:
        raise FhirTrouble("timeout", f"Not all of it was answered within {timeout:g} s.", passing=True)

    try:
        return in_reactor(question)
    except FhirTrouble as trouble:
        if trouble.status in _NOT_LET_IN:
            code = Exit.CONFIGURATION
        else:
            code = Exit.NETWORK if trouble.passing or not trouble.status else Exit.WRONG
        raise Stop(code, f"{trouble.words.rstrip('.')} ({trouble.code})") from trouble


# --- what is shown


def _shown(found: FhirStatus) -> Iterator[str]:
    version = f"FHIR {found.version}" if found.version else "no version said"
    yield f"{found.listener} reads at {found.server} ({version})"
    yield f"  subscriptions  {', '.join(found.dialects) or 'can not be made there'}"
    for at, topic in enumerate(found.topics):
        yield f"  {'' if at else 'topics':13}  {topic}"
    if found.security:
        yield f"  security       {', '.join(found.security)}"
    yield f"  hears          {found.hears or 'nobody: it only searches'}"
    if found.subscriptions:
        yield ""
    for each in found.subscriptions:
        yield _one(each)
        if each.error:
            yield f"  the server says: {each.error}"
    if found.trouble:
        yield ""
    yield from (f"{words[:1].upper()}{words[1:]}." for words in found.trouble)


def _one(view: SubscriptionView) -> str:
    parts = [f"{view.id}  {view.status or 'no status'}  {view.dialect}  {view.topic or ', '.join(view.criteria)}"]
    if view.counted is not None:
        here = "-" if view.here is None else f"{view.here:,}"
        parts.append(f"events {here} of {view.counted:,}")
    if view.last_sign is not None:
        parts.append(f"last heard {view.last_sign:%Y-%m-%d %H:%M:%S} UTC")
    if view.end:
        parts.append(f"ends {view.end}")
    return "  ".join([*parts, f"to {view.endpoint}"])


def _told(changed: Changed) -> Iterator[str]:
    if changed.why:
        yield f"Dialect {changed.dialect}: {changed.why}."
    yield from changed.notes
    yield from map(_became, changed.subscriptions)


_DONE = {
    "created": "was created",
    "there": "is there already",
    "would be created": "would be created",
    "resumed": "was asked for again",
    "deleted": "was switched off and deleted",
    "off": "was switched off",
}


def _became(line: Line) -> str:
    name = f"Subscription {line.id}" if line.id else "A subscription"
    status = f", and is {line.status}" if line.status and line.done not in {"off", "deleted"} else ""
    words = f": {line.words}" if line.words else ""
    return f"{name} ({line.about}) {_DONE[line.done]}{status}{words}."
