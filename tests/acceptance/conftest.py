"""A user with a new workspace, and one whose engine runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.client_key import ClientKey
from support.ehr import AtWork, Ehr, reading
from support.engine_process import EngineProcess
from support.fhir_peer import Medplum, SmartServer
from support.forked import run
from support.rest_hook import RestHook
from support.user import SAMPLE, User

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `casecart init` makes, with the samples' master data."""
    folder = tmp_path_factory.mktemp("new")
    made = run("init", "ws", cwd=folder, check=True)
    *_, imports, runs, sends, lists = made.stdout.splitlines()
    assert imports == "  casecart master import samples/master/*.csv --from erp"
    assert [runs, sends, lists] == [
        "  casecart run",
        f"  casecart send {SAMPLE}     # in another terminal, in the same folder",
        "  casecart messages",
    ]
    # As it says, with the shell's pattern spelled out.
    tables = sorted(str(path) for path in (folder / "ws" / "samples" / "master").glob("*.csv"))
    run("master", "import", *tables, "--from", "erp", cwd=folder / "ws", check=True)
    return folder / "ws"


@pytest.fixture
def user(new: Path, tmp_path: Path) -> User:
    """A user; no engine runs yet."""
    return User(new, tmp_path / "ws")


@pytest.fixture
def at_work(user: User) -> Iterator[User]:
    """A user whose engine runs."""
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        yield user
        assert engine.stop() == 0
        assert "Traceback" not in engine.log


@pytest.fixture(scope="session")
def ehr() -> Iterator[Ehr]:
    """An EHR with FHIR that the tests of a worker share: what each documents is its own."""
    key = ClientKey()
    with SmartServer(key) as smart, Medplum(smart) as medplum:
        yield Ehr(key, smart, medplum)


@pytest.fixture
def hook(ehr: Ehr) -> Iterator[RestHook]:
    """What the engine sees of it."""
    with RestHook(ehr.medplum) as server:
        yield server


@pytest.fixture
def at_ehr(user: User, ehr: Ehr, hook: RestHook) -> Iterator[AtWork]:
    """An engine that reads at the EHR."""
    with reading(user, ehr, hook) as work:
        yield work
