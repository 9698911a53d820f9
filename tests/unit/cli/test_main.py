"""The command line itself: help, exit codes, and that no mistake of a user's ends in a traceback."""

from __future__ import annotations

import errno
import importlib
import io
import json
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from casecart.cli.exit import Exit
from casecart.cli.main import COMMANDS, run
from casecart.store import open_store
from support.new_workspace import new_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.workspace import Workspace

MESSAGE = "MSH|^~\\&|ORSYS|NORTH|||20261103||DFT^P03|ID1|P|2.5\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new workspace, which is the current folder's `ws`; `hl7` beside it holds a message."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CASECART_WORKSPACE", raising=False)
    new_workspace(tmp_path / "ws")
    (tmp_path / "hl7").write_text(MESSAGE, "utf-8")
    return tmp_path / "ws"


def commands() -> list[tuple[str, click.Command]]:
    """Every command with what is typed to call it."""
    found: list[tuple[str, click.Command]] = []
    for name, listed in COMMANDS.items():
        command = importlib.import_module(f"casecart.cli.{listed.module}").command
        if isinstance(command, click.Group):
            assert command.help == listed.about
            before = ["erp" for each in command.params if isinstance(each, click.Argument)]
            found += [(" ".join([name, *before, sub]), below) for sub, below in command.commands.items()]
        else:
            found.append((name, command))
    return found


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_the_help_of_each_command_teaches_by_example(
    name: str, command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.count(f"casecart {name}") >= 3  # the usage and two examples
    assert command.help
    if name in COMMANDS:
        assert command.help.splitlines()[0] == COMMANDS[name].about


def test_the_list_of_commands_is_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(listed.about in shown for listed in COMMANDS.values())
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("casecart ")


def test_help_loads_no_reactor_and_no_database() -> None:
    ask = (
        "import sys; from casecart.cli.main import run; run(['--help']);"
        "print([name for name in ('twisted', 'sqlalchemy', 'psycopg', 'jinja2') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "[]"


# What is typed, the exit code, and words of the line on stderr. {ws} is a good workspace, {port} a port nobody has.
MISTAKES = [
    ("mesages", Exit.USAGE, "Did you mean 'messages'?"),
    ("messages --outcome procesed", Exit.USAGE, "'processed'"),
    ("messages -w ws --since yesterday", Exit.USAGE, "is not a time"),
    ("messages --limit 0", Exit.USAGE, "--limit"),
    ("messages", Exit.CONFIGURATION, "no workspace"),
    ("messages -w nowhere", Exit.CONFIGURATION, "casecart init"),
    ("status -w hl7", Exit.CONFIGURATION, "is a file"),
    ("check nowhere", Exit.CONFIGURATION, "casecart init"),
    ("check hl7", Exit.CONFIGURATION, "is a file"),
    ("migrate -w nowhere", Exit.CONFIGURATION, "casecart init"),
    ("message show -w ws", Exit.USAGE, "REF"),
    ("message show -w ws 4711", Exit.WRONG, "No message has"),
    ("message shwo 1", Exit.USAGE, "shwo"),
    ("pause -w ws inventory", Exit.USAGE, "--reason"),
    ("pause -w ws inventry --reason x", Exit.WRONG, "Did you mean 'inventory'?"),
    ("resume -w ws erp", Exit.WRONG, "the workspace has inventory"),
    ("fhir status -w ws ehr", Exit.WRONG, "the workspace has ehr-http and or-mllp"),
    ("fhir status -w ws or-mllp", Exit.WRONG, "reads at no FHIR server"),
    ("fhir subscribe -w ws ehr", Exit.USAGE, "--endpoint"),
    ("fhir subscribe -w ws ehr --endpoint https://a/b --heartbeat soon", Exit.USAGE, "write it as 60s"),
    ("fhir subscribe -w ws ehr --endpoint https://a/b --heartbeat 999h", Exit.USAGE, "more than a day"),
    ("fhir subscribe -w ws ehr --endpoint https://a/b --secret-env NO_SUCH", Exit.USAGE, "NO_SUCH is not set"),
    ("fhir resume -w ws ehr --secret-env PATH", Exit.USAGE, "needs --endpoint"),
    ("init ws", Exit.WRONG, "not empty"),
    ("init hl7", Exit.WRONG, "could not be written"),
    ("send", Exit.USAGE, "FILES"),
    ("send nowhere.hl7", Exit.USAGE, "does not exist"),
    ("send ws", Exit.USAGE, "is a directory"),
    ("send ws/config/engine.yaml", Exit.USAGE, "no line of it begins with MSH"),
    ("send hl7 --to localhost", Exit.USAGE, "HOST:PORT"),
    ("send hl7 --to host:0", Exit.USAGE, "HOST:PORT"),
    ("send hl7 --to host:99999", Exit.USAGE, "HOST:PORT"),
    ("send hl7 --count 0", Exit.USAGE, "--count"),
    ("send hl7 --to {port}", Exit.NETWORK, "nothing listens there"),
    ("send hl7 --to no-such-host.invalid:2575", Exit.NETWORK, "can't be reached"),
]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(("typed", "code", "words"), MISTAKES, ids=[typed for typed, _, _ in MISTAKES])
def test_a_mistake_is_one_line_and_an_exit_code(
    typed: str, code: Exit, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(typed.format(port=free_port()).split()) == code
    shown = capsys.readouterr()
    assert words in shown.err
    assert "Traceback" not in shown.err
    assert len([line for line in shown.err.splitlines() if line.startswith("Error:")]) == 1
    assert shown.out == ""


def test_a_store_that_was_never_made_says_how_to_make_it(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made / "var" / "casecart.db").unlink()
    assert run(["messages", "-w", "ws"]) == Exit.CONFIGURATION
    assert "casecart migrate" in capsys.readouterr().err
    assert run(["migrate", "-w", "ws"]) == Exit.FINE
    assert run(["messages", "-w", "ws"]) == Exit.FINE


def test_a_store_that_is_no_database_is_told(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made / "var" / "casecart.db").write_bytes(b"this was never a database, whatever its name says" * 100)
    assert run(["status", "-w", "ws"]) == Exit.STORE
    assert "casecart.db" in capsys.readouterr().err


def test_findings_in_the_configuration_are_named_as_seen_from_here(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (made / "config" / "engine.yaml").write_text("organisation: [\n", "utf-8")
    assert run(["status", "-w", "ws"]) == Exit.CONFIGURATION
    shown = capsys.readouterr().err
    assert shown.startswith("ws/config/engine.yaml:")
    assert shown.splitlines()[-1].startswith("Error: the workspace can't be used")


def test_check_prints_a_line_for_each_finding_and_sums_up(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    channel = made / "channels" / "or-usage.yaml"
    text = channel.read_text("utf-8").replace("to: inventory", "to: inventry").replace("key: case", "key: csae")
    channel.write_text(text, "utf-8")
    assert run(["check", "ws"]) == Exit.WRONG
    *findings, summary = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[1:3] for line in findings] == [["error", "unknown-field"], ["error", "unknown-name"]]
    assert all(line.startswith("ws/channels/or-usage.yaml:") for line in findings)
    assert findings[1].endswith("Did you mean 'inventory'?")
    assert summary == "2 errors, 0 warnings"


def test_check_finds_what_only_compiling_finds(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    channel = made / "channels" / "or-usage.yaml"
    channel.write_text(re.sub('when: ".*"', 'when: "usage.action =="', channel.read_text("utf-8")), "utf-8")
    assert run(["check", "-w", "ws", "--json"]) == Exit.WRONG
    document = json.loads(capsys.readouterr().out)
    assert (document["errors"], document["warnings"]) == (1, 0)
    (finding,) = document["findings"]
    assert set(finding) == {"file", "line", "column", "severity", "code", "message", "suggestion"}
    assert (finding["file"], finding["severity"]) == ("channels/or-usage.yaml", "error")


@pytest.mark.usefixtures("made")
def test_check_of_a_good_workspace_says_what_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "ws"]) == Exit.FINE
    assert (
        capsys.readouterr().out == "10 channels, 25 mappings, 27 tables, 2 listeners, 1 destination: nothing is wrong\n"
    )


@pytest.mark.usefixtures("made")
def test_the_workspace_can_be_named_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASECART_WORKSPACE", "ws")
    assert run(["messages"]) == Exit.FINE
    assert capsys.readouterr().out == "No message came yet.\n"


def test_a_store_that_an_engine_writes_to_can_be_read_all_the_same(made: Path) -> None:
    store = open_store(f"sqlite:///{made}/var/casecart.db", role="engine")
    try:
        assert run(["status", "-w", "ws"]) == Exit.FINE
    finally:
        store.close()


@pytest.mark.usefixtures("made")
def test_a_fault_of_our_own_is_one_line_without_what_it_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_root: Path, *, tests: bool) -> Workspace:
        raise KeyError("TESTPATIENT^HANNAH")

    monkeypatch.setattr("casecart.cli.check.check", fail)
    assert run(["check", "ws"]) == Exit.FAULT
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1
    assert "KeyError in cli/test_main.py:" in shown
    assert "report" in shown
    assert "HANNAH" not in shown
    monkeypatch.setenv("CASECART_DEBUG", "1")
    assert run(["check", "ws"]) == Exit.FAULT
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.usefixtures("made")
def test_a_full_disk_under_the_output_is_no_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_root: Path, *, tests: bool) -> Workspace:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("casecart.cli.check.check", fail)
    assert run(["check", "ws"]) == Exit.WRONG
    assert capsys.readouterr().err == "Error: not all could be written: no space left on device\n"


@pytest.mark.usefixtures("made")
def test_ctrl_c_ends_a_command_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_root: Path, *, tests: bool) -> Workspace:
        raise KeyboardInterrupt

    monkeypatch.setattr("casecart.cli.check.check", interrupt)
    assert run(["check", "ws"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.usefixtures("made")
def test_a_message_can_come_from_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MESSAGE.encode())))
    assert run(["send", "-", "--to", str(free_port())]) == Exit.NETWORK  # it was read, and could not be sent
    assert "nothing listens" in capsys.readouterr().err
