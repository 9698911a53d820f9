"""The schemas in a workspace: written, known as current or as another casecart's."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from casecart.commands import schema as command
from casecart.commands.schema import FOLDER, outdated, schema_files, schema_states, write_schemas
from casecart.commands.site import NotAWorkspace
from casecart.commands.workspace import check
from casecart.workspace import WorkspaceError, initialise, reference
from support.plugin import installed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ws(tmp_path: Path) -> Path:
    initialise(tmp_path / "ws")
    return tmp_path / "ws"


def test_those_of_the_reference_workspace_are_made_of_todays_declarations() -> None:
    states = schema_states(reference.root())
    assert set(states.values()) == {"current"}, "make them anew: casecart schema --write"
    there = {f"{FOLDER}/{path.name}" for path in (reference.root() / FOLDER).iterdir()}
    assert there == states.keys()


def test_a_new_workspace_has_them_and_nothing_is_said_of_them(ws: Path) -> None:
    assert set(schema_states(ws).values()) == {"current"}
    assert check(ws).findings == ()
    assert write_schemas(ws) == ()


def test_check_warns_of_those_that_another_casecart_wrote_and_they_are_made_anew(ws: Path) -> None:
    path = ws / FOLDER / "channel.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "$comment": "casecart 0.0.1"}), "utf-8")
    (finding,) = check(ws).findings
    assert (finding.severity, finding.code, finding.place.file) == ("warning", "old-schema", f"{FOLDER}/channel.json")
    assert "schemas of casecart 0.0.1" in finding.message
    assert write_schemas(ws) == (f"{FOLDER}/channel.json",)
    assert check(ws).findings == ()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"$comment": 7}', b"{}" + b" " * 20_000_000])
def test_one_that_is_broken_is_as_one_of_another_time(ws: Path, content: bytes) -> None:
    (ws / FOLDER / "engine.json").write_bytes(content)
    finding = outdated(ws)
    assert finding is not None
    assert finding.code == "old-schema"
    assert write_schemas(ws) == (f"{FOLDER}/engine.json",)


def test_a_package_that_brings_kinds_makes_them_old(ws: Path) -> None:
    with installed():
        finding = outdated(ws)
        assert finding is not None
        assert f"this is casecart {version('casecart')}, casecart-test-kinds 1" in finding.message
        assert write_schemas(ws)
        assert outdated(ws) is None
        assert "simulated" in (ws / FOLDER / "engine.json").read_text("utf-8")
    assert outdated(ws) is not None


def test_a_workspace_without_them_is_left_in_peace(ws: Path) -> None:
    for path in (ws / FOLDER).iterdir():
        path.unlink()
    assert outdated(ws) is None
    (ws / FOLDER).rmdir()
    assert outdated(ws) is None
    assert set(schema_states(ws).values()) == {"missing"}
    assert len(write_schemas(ws)) == len(schema_files())


def test_where_nothing_can_be_written_the_reason_is_given_and_no_half_file_is_left(ws: Path) -> None:
    path = ws / FOLDER / "engine.json"
    path.unlink()
    path.mkdir()
    with pytest.raises(WorkspaceError) as raised:
        write_schemas(ws)
    assert [finding.code for finding in raised.value.findings] == ["unwritable"]
    assert not list((ws / FOLDER).glob(".*"))


def test_a_folder_that_is_no_workspace_gets_none(tmp_path: Path) -> None:
    with pytest.raises(NotAWorkspace):
        write_schemas(tmp_path)
    assert not (tmp_path / "config").exists()


def test_a_file_in_any_folder_names_its_schema_from_where_it_is() -> None:
    line = "# yaml-language-server: $schema={}config/schema/{}.json\n"
    assert command.modeline("channel", "channels/a.yaml") == line.format("../", "channel")
    assert command.modeline("outgoing mapping", "mappings/b.yaml") == line.format("../", "outgoing-mapping")
