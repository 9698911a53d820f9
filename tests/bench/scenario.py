"""The servers that are measured side by side: how each is started, and when it has really done what it was sent."""

from __future__ import annotations

import atexit
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from shutil import copy, rmtree
from typing import TYPE_CHECKING

from bench.items import fill
from bench.load import SIZE
from bench.process import LOAD_CORES, SERVER_CORES, Python, cpu_seconds, family_cpu_seconds, pin
from casecart.store import migrate, open_store
from support.charge import LINES
from support.checkout import ROOT
from support.engine_process import EngineProcess, free_port
from support.postgresql import Server as PostgreSQL
from support.postgresql import database
from support.sink import Sink
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casecart.store import Store

    Done = Callable[[Store, Sink, int], bool]

__all__ = ["DATA", "NULL", "SCENARIOS", "Running", "Scenario", "engine_on", "posted", "total"]

SETTLE_LIMIT = 60.0
LOOK = 0.02  # seconds between looks whether all is done
NOTHING_LIKE_IT = "NUL^L00"  # a message type that no load sends

DATA = ROOT / "var" / "bench"
"""Stores are made here, on the disk that a user's would be on: /tmp may be memory."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server under measurement.

    Attributes:
        port: where it takes messages.
        pid: its process.
        settle: given the number of messages sent so far; returns when all of them are done, and fails if they aren't.
        database: the process of its database server, if it has one.
        tls: where the papers of its senders are, where it speaks TLS.
    """

    port: int
    pid: int
    settle: Callable[[int], None] = field(default=lambda _: None)
    database: int | None = None
    tls: Path | None = None

    @property
    def papers(self) -> tuple[Path, ...]:
        """For `load.py`, behind all else."""
        return () if self.tls is None else (self.tls,)

    def cpu(self) -> tuple[float, float]:
        """Seconds of CPU so far: the server's, and its database server's."""
        return cpu_seconds(self.pid), 0.0 if self.database is None else family_cpu_seconds(self.database)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of server.

    Attributes:
        name: as in tables and rows.
        about: what it does with a message.
        start: gives the running server; takes the kind of store where it has one.
        stores: whether it has one.
        tls: whether it is one that stands here without TLS, too, and under the same name.
    """

    name: str
    about: str
    start: Callable[[str], Iterator[Running]]
    stores: bool = False
    tls: bool = False

    @property
    def title(self) -> str:
        """Tells it from all others."""
        return f"{self.name}, TLS" if self.tls else self.name

    @contextmanager
    def running(self, store: str) -> Iterator[Running]:
        """The server, for as long as it is measured."""
        yield from self.start(store)


def _script(name: str, *arguments: object) -> Iterator[Running]:
    with Python(name, arguments, cores=SERVER_CORES) as server:
        yield Running(int(server.read()), server.pid)


def _engine(store: str, accept: str, done: Done, *, items: bool = False, tls: bool = False) -> Iterator[Running]:
    """A casecart engine on a store without messages, and the sink that it posts to."""
    with ExitStack() as stack:
        DATA.mkdir(parents=True, exist_ok=True)
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=DATA)))
        url, server = f"sqlite:///{root}/casecart.db", None
        if store == "postgresql":
            postgresql = stack.enter_context(PostgreSQL())
            server = int((postgresql.folder / "data" / "postmaster.pid").read_text("ascii").split()[0])
            pin(server, LOAD_CORES)
            url = stack.enter_context(database(postgresql.dsn))
        if items and store == "sqlite":
            copy(_with_items(), root / "casecart.db")
        elif items:
            migrate(url)
            fill(url)
        yield from engine_on(root, url, accept=accept, done=done, server=server, items=items, tls=tls)


@cache
def _with_items() -> Path:
    """A store with nothing but master data in it, made once; it is gone when this process ends."""
    folder = Path(tempfile.mkdtemp(dir=DATA))
    atexit.register(rmtree, folder)
    url = f"sqlite:///{folder}/casecart.db"
    migrate(url)
    fill(url)
    return folder / "casecart.db"


def engine_on(
    root: Path,
    url: str,
    *,
    accept: str,
    done: Done,
    server: int | None = None,
    items: bool = False,
    tls: bool = False,
) -> Iterator[Running]:
    """A casecart engine, and the sink that it posts to.

    Args:
        root: its workspace, which is written anew.
        url: of the store.
        accept: the message type of the channel.
        done: tells by the store and the sink whether so many messages are through.
        server: the process of the database server, if there is one.
        items: whether each line is looked up in the master data.
        tls: whether senders speak TLS and show a certificate.
    """
    with ExitStack() as stack:
        sink = stack.enter_context(Sink())
        pin(sink.pid, LOAD_CORES)
        port = free_port()
        write(root, Settings(store=url, port=port, destination=sink.url, accept=accept, items=items, tls=tls))
        engine = stack.enter_context(EngineProcess(root, port, cores=SERVER_CORES))
        engine.start()

        def settle(messages: int) -> None:
            give_up = time.monotonic() + SETTLE_LIMIT
            with closing(open_store(url, role="reader")) as reader:
                while not done(reader, sink, messages):
                    if time.monotonic() > give_up:
                        raise TimeoutError(f"{messages} messages were not done: {sink.counts()}, {reader.counts()}")
                    time.sleep(LOOK)

        yield Running(port, engine.pid, settle, server, root if tls else None)


def _stored(store: Store, sink: Sink, messages: int) -> bool:
    """Every message is in the log as unrouted, and nothing was posted."""
    return total(store, "unrouted") == messages and not sink.counts().postings


def posted(lines: int = LINES, before: int = 0) -> Done:
    """Whether every line reached the sink, once, and its confirmation is durable.

    Args:
        lines: of a message.
        before: lines that the store had as posted before.
    """

    def done(store: Store, sink: Sink, messages: int) -> bool:
        wanted = messages * lines
        if sink.counts().keys < wanted:
            return False
        return total(store, "posted") - before == wanted == sink.counts().postings and not store.open_counts()

    return done


def total(store: Store, name: str) -> int:
    """A counter over all its scopes."""
    return sum(count.amount for count in store.counts() if count.name == name)


SCENARIOS = {
    scenario.title: scenario
    for scenario in (
        Scenario("bare ACK", "Twisted: frame, MSH-10, ACK", lambda _: _script("bare_ack.py")),
        Scenario("python-hl7", "its own server: parse, ACK", lambda _: _script("python_hl7_ack.py")),
        Scenario(
            "store + ACK",
            "casecart: stored, acknowledged, no channel takes it",
            lambda store: _engine(store, NOTHING_LIKE_IT, _stored),
            stores=True,
        ),
        Scenario(
            "whole path",
            "casecart: stored, acknowledged, de-duplicated, 39 fields mapped, 9 look-ups, 3 lines posted and confirmed",
            lambda store: _engine(store, "DFT^P03", posted(), items=True),
            stores=True,
        ),
        Scenario(
            "whole path",
            "the same over mutual TLS 1.3, on connections that stay open",
            lambda store: _engine(store, "DFT^P03", posted(), items=True, tls=True),
            stores=True,
            tls=True,
        ),
    )
}

# What the load generator is measured against.
NULL = Scenario("null", "counts bytes", lambda _: _script("null_ack.py", SIZE))
