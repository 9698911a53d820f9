"""A command starts fast: it loads what it needs, and nobody waits for a reactor or a database's driver to read help."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from casecart.cli.main import COMMANDS
from casecart.commands.workspace import make_workspace

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

ENGINE = ("twisted", "casecart.runtime.engine", "casecart.runtime.pipeline", "casecart.mapping", "rapidfuzz")
KINDS = ("jinja2", "twisted.web", "casecart.destinations.rest", "casecart.destinations.tryton")
SERVER = ("psycopg", "casecart.store.postgresql")
MIGRATION = ("alembic",)
STORE = ("sqlalchemy", "sqlite3", "casecart.store.sqlite", *SERVER, *MIGRATION)
WORKSPACE = ("yaml", "msgspec", "casecart.workspace", "casecart.store", "casecart.commands")
CATALOGUE = ("casecart.master.catalogue", "casecart.canonical.master")


def loaded(arguments: Collection[str], modules: Collection[str]) -> list[str]:
    """Which of these modules a process has in the end that ran a command."""
    ask = (
        "import sys; from casecart.cli.main import run; run(sys.argv[2:]);"
        "print(*sorted(set(sys.argv[1].split()) & set(sys.modules)), sep='\\n', file=sys.stderr)"
    )
    told = subprocess.run(
        [sys.executable, "-c", ask, " ".join(modules), *arguments], capture_output=True, text=True, check=True
    )
    assert told.stdout, f"the command said nothing but {told.stderr}"
    return told.stderr.split()


def test_the_list_of_commands_loads_no_command() -> None:
    assert loaded(["--help"], (*ENGINE, *KINDS, *STORE, *WORKSPACE, *CATALOGUE)) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_loads_no_engine_and_no_store(command: str) -> None:
    assert loaded([command, "--help"], (*ENGINE, *KINDS, *STORE)) == []


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("start") / "ws"
    make_workspace(root)
    return root


@pytest.mark.parametrize("words", ["status", "messages", "status --json", "messages --json"])
def test_a_query_loads_its_store_and_nothing_of_the_engine(words: str, workspace: Path) -> None:
    needless = (*ENGINE, *KINDS, *SERVER, *MIGRATION, *CATALOGUE)
    assert loaded([*words.split(), "--workspace", str(workspace)], needless) == []


def test_a_look_at_one_message_loads_nothing_of_the_engine() -> None:
    ask = "import sys, casecart.cli.message; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    assert {*ENGINE, *KINDS, *STORE, *CATALOGUE} & set(modules) == set()


def test_a_store_that_is_up_is_looked_at_without_alembic_and_without_a_servers_driver(workspace: Path) -> None:
    assert loaded(["migrate", "--workspace", str(workspace)], (*SERVER, *MIGRATION)) == []


def test_kinds_of_destinations_that_a_workspace_does_not_use_are_not_loaded(workspace: Path) -> None:
    # The workspace's listener for FHIR needs what the server of HTTP has.
    assert loaded(["check", str(workspace)], [kind for kind in KINDS if kind != "twisted.web"]) == []
