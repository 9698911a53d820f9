"""What any test may ask for: the corpus, an empty PostgreSQL database, a store of each kind."""

from __future__ import annotations

import gc
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.engine_process import free_port
from support.forked import PROCESSES
from support.postgresql import Server, Unavailable, database
from support.require import require
from support.tryton.kit import Kit
from support.tryton.server import Tryton

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    """An engine freezes what is there when it starts; in a process of many engines that would stay for ever."""
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="session")
def _started_fast() -> None:
    """Thousands of tests start casecart some hundred times; see `support.forked`."""
    PROCESSES.forked = True


@pytest.fixture(autouse=True)
def _started_as_users_do(request: pytest.FixtureRequest) -> Iterator[None]:
    """What is broken and measured at length is what a user runs."""
    PROCESSES.forked = request.node.get_closest_marker("slow") is None
    yield
    PROCESSES.forked = True


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real-life messages that stands beside a developer's checkout and is no part of it."""
    folder = SHARED / "corpus"
    if not SHARED.is_dir():
        pytest.skip(f"the corpus is not here: there is no {SHARED}")
    if not folder.is_dir():
        require("corpus", f"{SHARED} is here, and no corpus in it")
    return folder


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A server's libpq URL: CASECART_TEST_POSTGRESQL's if it is set, else that of a private one for this run.

    A server that happens to run on the machine is never used unasked: it may be somebody's.
    """
    if given := os.environ.get("CASECART_TEST_POSTGRESQL"):
        yield given
        return
    with ExitStack() as stack:
        try:
            server = stack.enter_context(Server())
        except Unavailable as missing:
            require("postgresql", str(missing))
        yield server.dsn


@pytest.fixture(scope="session")
def tryton_kit() -> Kit:
    """What servers are started from; `make tryton` makes it, and `make test` does."""
    kit = Kit()
    if not kit.ready:
        require("tryton", f"{kit.home} is not there or not of today; `make tryton` makes it from the package index")
    return kit


@pytest.fixture(scope="session")
def tryton(tryton_kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    """A Tryton that the tests of a worker share: each makes lots of its own."""
    with Tryton(tryton_kit, tmp_path_factory.mktemp("tryton"), free_port()) as server:
        yield server


@pytest.fixture
def own_tryton(tryton_kit: Kit, tmp_path: Path) -> Iterator[Tryton]:
    """A Tryton that the test has for itself, as it was seeded."""
    with Tryton(tryton_kit, tmp_path / "tryton", free_port()) as server:
        yield server


@pytest.fixture
def postgresql_dsn(postgresql_server: str) -> Iterator[str]:
    """The libpq URL of an empty database that this test has for itself."""
    with database(postgresql_server) as dsn:
        yield dsn


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store's URL, as a workspace would give it: the test runs once for each kind of store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/casecart.db"
    dsn: str = request.getfixturevalue("postgresql_dsn")
    return dsn
