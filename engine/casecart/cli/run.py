"""`casecart run`: the engine as a process, from its start to the signal that ends it."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import sys
import time
import traceback
from contextlib import ExitStack, suppress
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click
import msgspec

from casecart.cli.desk import named_from_here
from casecart.cli.exit import Exit
from casecart.cli.failure import DEBUG, Stop, explained, told
from casecart.cli.open_files import raise_limit
from casecart.cli.options import directory_argument
from casecart.cli.text import examples, printable
from casecart.commands.actor import local_actor
from casecart.commands.site import opened, read_site, require_workspace
from casecart.commands.workspace import bring_up_store
from casecart.runtime.clock import wall_clock
from casecart.store import AuditRecord, Change, StoreMisconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from twisted.internet.base import ReactorBase
    from twisted.python.failure import Failure

    from casecart.cli.metrics import MetricsServer
    from casecart.cli.saves import Saves
    from casecart.commands.site import Site
    from casecart.commands.starting import Start
    from casecart.runtime.difference import Difference
    from casecart.store import Store
    from casecart.workspace import Workspace

__all__ = ["EngineProcess", "command", "install_reactor"]

log = logging.getLogger("casecart")

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
METRICS = "metrics"
_LAST_PORT = 65_535
_BY_SIGNAL = 128
"""Added to a signal's number, it is the exit code of a process that the signal ended."""


@click.command(
    name="run",
    epilog=examples(
        ("casecart run", "the workspace in this folder, until Ctrl-C"),
        ("casecart run /srv/casecart", "another one"),
        ("casecart check && casecart run", ""),
        ("casecart run --role worker --role dispatcher", "of several engines on one PostgreSQL database"),
        ("casecart run --port or-mllp=2576", "a second one on the same machine"),
        ("casecart run --watch", "for development: each save of a file takes effect"),
    ),
)
@click.option(
    "--role",
    "roles",
    type=click.Choice(("all", "listener", "worker", "dispatcher")),
    multiple=True,
    default=("all",),
    show_default=True,
    help="What it does; more than once for more. Less than all needs a store in PostgreSQL.",
)
@click.option(
    "--port",
    "ports",
    metavar="LISTENER=PORT",
    multiple=True,
    callback=lambda _, __, given: dict(map(_port, given)),
    help="The port of a listener, or of `metrics`, in place of the configured one.",
)
@click.option("--files", is_flag=True, help="Run the files this once, whatever was applied.")
@click.option("--watch", is_flag=True, help="For development: as --files, and on each save of one from then on.")
@directory_argument
def command(
    directory: Path | None, root: Path, roles: tuple[str, ...], ports: Mapping[str, int], *, files: bool, watch: bool
) -> int:
    """Run the engine on a workspace.

    It runs the files as they are now, until `casecart apply` was used: from then on a start runs what was applied or
    rolled back to last, and says so when the files are others. What is applied while it runs, it takes within seconds.

    Refuses a workspace that has errors (see `casecart check`), brings the store up, opens the listeners and works until
    SIGTERM or Ctrl-C. Then it takes nothing new, answers what it has taken, sees what is on its way to its end and
    exits with 0; a second signal ends it at once. Nothing that was acknowledged is lost either way.

    What is open goes to stdout, what the engine has to say to stderr: a line when trouble begins and one when it ends.

    With a store in PostgreSQL any number of engines work together, on any machines, each with the same workspace: a
    listener stores what arrives, a worker maps it, a dispatcher sends postings. They share the work by themselves, and
    what one that is killed had in hand, the others take over.
    """
    root = directory or root
    with named_from_here(root):
        return _run(root, roles, ports, files=files or watch, watch=watch)


def _run(root: Path, roles: tuple[str, ...], ports: Mapping[str, int], *, files: bool, watch: bool) -> int:
    raise_limit()
    reactor = install_reactor()
    _log_to_stderr()
    start = _start(root, files=files)
    workspace = start.workspace
    doors = {*map(str, workspace.engine.listeners), *((METRICS,) if workspace.engine.metrics is not None else ())}
    if unknown := sorted(ports.keys() - doors):
        raise Stop(Exit.USAGE, f"--port: there is no listener '{unknown[0]}'")
    place = bring_up_store(root)
    with opened(read_site(root), "engine") as store:
        if "all" not in roles and not store.shared:
            words = "is for several engines on one store, and a SQLite file takes one: use PostgreSQL, or leave it out"
            raise Stop(Exit.CONFIGURATION, f"--role {roles[0]} {words}")
        process = EngineProcess(workspace, store, reactor, place, roles=roles, ports=ports)
        process.begins(start)
        if workspace.engine.metrics is not None:
            process.serve_metrics(read_site(root), ports.get(METRICS))
        if watch:
            process.watch()
        return process.run()


def _start(root: Path, *, files: bool) -> Start:
    """What is run, as the store has it that is there now: one that is made, or brought up, has nothing applied."""
    from casecart.commands.starting import starting  # noqa: PLC0415 - for help nobody should wait for all of it

    require_workspace(root)
    with ExitStack() as stack:
        store = None
        with suppress(StoreMisconfigured):
            store = stack.enter_context(opened(read_site(root), "reader"))
        return starting(root, store, wall_clock(), files=files)


def _port(given: str) -> tuple[str, int]:
    name, _, number = given.partition("=")
    if not name or not number.isdecimal() or int(number) > _LAST_PORT:
        raise click.BadParameter(f"'{given}' is not LISTENER=PORT, such as or-mllp=2576")
    return name, int(number)


def started(workspace: Workspace, number: int) -> AuditRecord:
    """That an engine was started, by whom, and with which revision and channels."""
    revisions = {name: workspace.revision(name)[:12] for name in workspace.channels}
    detail = msgspec.json.encode({"version": version("casecart"), "revision": number, "channels": revisions}).decode()
    return AuditRecord(wall_clock(), local_actor().name, "engine.start", "engine", detail)


def install_reactor() -> ReactorBase:
    """Twisted's reactor, on epoll where the system has it, with a clock that nobody can set."""
    if "twisted.internet.reactor" not in sys.modules:
        try:
            importlib.import_module("casecart.cli.epoll").install()
        except ImportError:  # macOS, BSD: the system's default
            importlib.import_module("twisted.internet.default").install()
    reactor: Any = importlib.import_module("twisted.internet.reactor")
    reactor.seconds = time.monotonic  # by the wall clock, a clock set back would freeze every timer
    return reactor  # type: ignore[no-any-return]  # the module is replaced by the reactor when it is installed


class EngineProcess:
    """Runs one engine in this process.

    Args:
        workspace: without errors.
        store: opened for an engine.
        reactor: not running yet.
        place: where the store is, to show.
        roles: what it does.
        ports: of listeners, in place of the configured ones.
    """

    def __init__(
        self,
        workspace: Workspace,
        store: Store,
        reactor: ReactorBase,
        place: str,
        *,
        roles: tuple[str, ...] = ("all",),
        ports: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        from casecart.runtime.engine import Engine  # noqa: PLC0415 - for help nobody should wait for all of it
        from casecart.runtime.roles import ROLES  # noqa: PLC0415 - as above

        self._store, self._reactor, self._place = store, reactor, place
        chosen = [role for role in ROLES if role in roles or "all" in roles]
        self._engine = Engine(
            workspace=workspace, store=store, reactor=reactor, failed=_broken, roles=chosen, ports=ports
        )
        self._engine.changed = self._changed
        self._roles = "" if len(chosen) == len(ROLES) else f" as {' and '.join(chosen)}"
        self._code = Exit.FINE
        self._metrics: MetricsServer | None = None
        self._saves: Saves | None = None
        self._started = False
        self._stopping = False

    def serve_metrics(self, site: Site, port: int | None) -> None:
        """From the start on, as the workspace says, or on another port."""
        from casecart.cli.metrics import MetricsServer  # noqa: PLC0415 - a web server only where one is wanted

        workspace = self._engine.workspace
        settings = workspace.engine.metrics
        if settings is not None:
            self._metrics = MetricsServer(site, workspace, settings, self._reactor, port=port)
            self._metrics.start()

    def begins(self, start: Start) -> None:
        """Note in the store what it begins with, and who started it."""
        from casecart.commands.starting import begun  # noqa: PLC0415 - as above

        store = self._store
        number = begun(store, start, local_actor().name, wall_clock())
        if number == 0:
            log.warning("the files are too large to be a revision: plan and history can't tell what runs")
        refused = start.wanted if start.reason else None
        runs = self._engine.uptake.begins(number, start.wanted, refused=refused or 0, reason=start.reason)
        store.write(Change(running=[runs], audit=[started(self._engine.workspace, number)]))
        if start.words:
            log.warning("%s", start.words)

    def watch(self) -> None:
        """Take the files of the workspace into use whenever they are saved."""
        from casecart.cli.saves import Saves  # noqa: PLC0415 - only where it is wanted

        self._saves = Saves(self._engine.workspace.root, self._engine, self._reactor)

    def _changed(self, found: Difference) -> None:
        """It runs on another workspace."""
        for name in sorted(found.listeners.begin & self._engine.listeners.keys()):
            click.echo(f"{name} listens {printable(self._engine.listeners[name].where)}")
        if self._metrics is not None:
            self._metrics.tell_of(self._engine.workspace)

    def run(self) -> int:
        """Until a signal; gives the exit code."""
        self._reactor.callWhenRunning(self._start)
        self._reactor.run()
        return self._code

    def _start(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._signalled)
        self._engine.start().addCallbacks(self._opened, self._failed).addErrback(self._failed)

    def _opened(self, _: object) -> None:
        self._started = True
        # What was made for the start stays, and a message's own objects are freed by their counts: looking for
        # cycles as often as Python does by default costs a tenth of the path.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 1_000)
        engine = self._engine.workspace.engine
        organisation = printable(str(engine.organisation))
        click.echo(f"casecart runs for {organisation}{self._roles}; store: {printable(self._place)}")
        for name, listener in self._engine.listeners.items():
            click.echo(f"{name} listens {printable(listener.where)}")
        for name, dispatcher in self._engine.dispatchers.items():
            paused = ", paused" if dispatcher.paused else ""
            click.echo(f"{name} takes postings ({engine.destinations[name].kind}{paused})")
        if self._metrics is not None:
            click.echo(f"metrics at {self._metrics.address}")
        if sys.stdout.isatty():
            click.echo("Ctrl-C stops it.")
        sys.stdout.flush()
        if self._saves is not None:
            self._saves.start()
        if self._stopping:
            self._stop()

    def _signalled(self, number: int, _: object) -> None:
        """In the signal's handler: nothing but what must be done here."""
        if self._stopping:
            os._exit(_BY_SIGNAL + number)
        self._stopping = True
        self._reactor.callFromThread(self._told_to_stop, signal.Signals(number).name)

    def _told_to_stop(self, name: str) -> None:
        log.info("%s: stopping; what was taken is seen to its end (again: stop at once)", name)
        if self._started:
            self._stop()

    def _stop(self) -> None:
        if self._metrics is not None:
            self._metrics.stop()
        if self._saves is not None:
            self._saves.stop()
        self._engine.stop().addCallbacks(self._stopped, self._failed)

    def _stopped(self, _: object) -> None:
        log.info("stopped")
        self._reactor.stop()

    def _failed(self, failure: Failure) -> None:
        """The start or the stop did not succeed."""
        error = failure.value
        if isinstance(error, OSError):
            error = Stop(Exit.NETWORK, error.strerror or str(error))
        self._code = told(error) if isinstance(error, Exception) else Exit.FAULT
        if self._started or self._stopping:
            self._reactor.stop()
        else:  # what has begun is ended in order, as far as it goes
            self._stopping = True
            self._engine.stop().addBoth(lambda _: self._reactor.stop())


def _broken(fault: Exception) -> None:
    """Ends the process here and now.

    A store that failed in a sync must be opened anew, which recovers it; and after a fault of the engine's own only the
    store can be trusted.
    """
    code, words = explained(fault)
    if os.environ.get(DEBUG):
        click.echo("".join(traceback.format_exception(fault)), err=True, nl=False)
    click.echo(f"{words}. The engine ends now; start it again, and it recovers", err=True)
    sys.stderr.flush()
    os._exit(code)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("alembic", "twisted"):  # each start of a factory, each step of a migration
        logging.getLogger(name).setLevel(logging.WARNING)
    logger: Any = importlib.import_module("twisted.logger")
    plainly = logger.STDLibLogObserver("twisted")

    def observer(event: dict[str, Any]) -> None:
        failure = event.get("log_failure")
        if failure is None or os.environ.get(DEBUG):
            plainly(event)
        else:  # its words, and the lines of a traceback, may repeat what a message says
            logging.getLogger("twisted").error("%s", explained(failure.value)[1])

    logger.globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


class _Line(logging.Formatter):
    """One line a record, in UTC."""

    converter = staticmethod(time.gmtime)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable(super().formatMessage(record))
