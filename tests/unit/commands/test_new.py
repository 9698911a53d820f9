"""`casecart new`, where it can't: nothing is overwritten, nothing is half written, and the reason is told."""

from __future__ import annotations

import os
import shlex
import stat
from typing import TYPE_CHECKING

import pytest

from casecart.cli.main import run
from casecart.commands.new_channel import add_channel
from casecart.commands.new_component import add_component
from casecart.commands.new_files import put
from casecart.commands.new_mapping import add_mapping, add_table
from casecart.commands.refusal import Refusal
from casecart.commands.site import CONFIGURATION, NotAWorkspace
from casecart.workspace import WorkspaceError, initialise
from support.plugin import installed

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = """\
organisation: MERCY
facilities:
  NORTH: {time_zone: America/Chicago}
secrets: {keys: {env: KEYS}, tokens: {env: TOKENS}}
listeners:
  lab: {kind: mllp, port: 2575, peers: {lab: {match: {MSH-3: LAB}, facility: NORTH}}}
destinations:
  inventory: {kind: file, folder: var/inventory}
"""


@pytest.fixture
def ws(tmp_path: Path) -> Path:
    """A small workspace, with no schemas and one listener and destination."""
    return _small(tmp_path / "ws")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a mapping and its table; it is changed by nothing."""
    root = _small(tmp_path_factory.mktemp("kept") / "ws")
    add_mapping(root, "used", "hl7v2", "FT1", None)
    return root


def _small(root: Path) -> Path:
    (root / "config").mkdir(parents=True)
    (root / CONFIGURATION).write_text(ENGINE, "utf-8")
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_mapping_brings_the_code_tables_that_it_needs_and_a_channel_its_test(ws: Path) -> None:
    assert add_mapping(ws, "used", "hl7v2", "FT1", None).files == (
        "mappings/used.yaml",
        "mappings/tables/transaction-type.csv",
    )
    assert add_mapping(ws, "again", "hl7v2", "FT1", None).files == ("mappings/again.yaml",)
    begun = add_channel(ws, "used", source=None, peers=(), accept=(), mapping=None, to=None, sample=None)
    assert begun.files == ("channels/used.yaml", "samples/hl7v2/used.hl7", "channels/used.test.yaml")
    assert [finding for finding in begun.warnings if finding.place.file in begun.files] == []
    assert (ws / begun.sample).read_bytes().startswith(b"MSH|^~\\&|LAB|NORTH|")
    # No schemas in the workspace, and no line that names one.
    assert (ws / "channels/used.yaml").read_text("utf-8").startswith("channel: used\n")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/x", "a/b", "a b", "-x", "x\n", "é", "x" * 65, "a\0b"])
def test_a_name_that_leads_elsewhere_is_none(kept: Path, name: str) -> None:
    before = contents(kept)
    for add in (
        lambda: add_mapping(kept, name, "hl7v2", "FT1", None),
        lambda: add_table(kept, name),
        lambda: add_component(kept, "listener", name, "mllp", {}),
        lambda: add_channel(kept, name, source=None, peers=(), accept=(), mapping=None, to=None, sample=None),
    ):
        with pytest.raises(Refusal, match="can't be a name"):
            add()
    assert contents(kept) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("channel used --from lbb --map used", "Did you mean 'lab'?"),
        ("channel used --map usde", "Did you mean 'used'?"),
        ("channel other", "no mapping has the name 'other'"),
        ("channel used --to inventroy", "Did you mean 'inventory'?"),
        ("channel used --peer lba", "Did you mean 'lab'?"),
        ("channel used --accept DFT-P03", "bad-format"),
        ("channel used --sample /etc/hostname", "not in the workspace"),
        ("channel used --sample nothing.hl7", "can't be read"),
        ("channel used --sample config/engine.yaml", "can't read the sample"),
        ("mapping used --each FT1", "mappings/used.yaml is there already; nothing"),
        ("mapping m --each ft1", "'ft1' is not a segment such as FT1"),
        ("mapping m --each 'FT1: x'", "is not a segment"),
        ("mapping m --reads fhir --each 'a.b | c'", "is not a resource"),
        ("mapping m --from config/engine.yaml --reads fhir", "the sample is hl7v2, and not fhir"),
        ("mapping m --from config/engine.yaml", "finds a line in the sample"),
        ("mapping m --from nothing", "nothing can't be read"),
        ("mapping m --from config", "config can't be read"),
        ("table transaction-type", "is there already"),
        ("listener lab --kind mllp", "there is a listener 'lab' already"),
        ("listener l --kind mlpp", "Did you mean 'mllp'?"),
        ("listener l --kind mllp --set prot=1", "Did you mean 'port'?"),
        ("listener l --kind mllp --set port=99999", "'port' is at most 65535"),
        ("listener l --kind mllp --set port", "'port' is not KEY=VALUE"),
        ("listener l --kind mllp --set 'port=1}'", "nothing was written"),
        ("destination d --kind mllp", "there is no mapping that writes"),
        ("destination d --kind rest --set url=ftp://x", "bad-format 'url'"),
        ("destination d --kind tryton --set key=hunter2", "secret-literal"),
        ("destination inventory --kind file", "there is a destination 'inventory' already"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_and_nothing_is_changed(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: str, words: str
) -> None:
    before = contents(kept)
    monkeypatch.chdir(kept)
    assert run(["new", *shlex.split(arguments)]) in {1, 2}
    said = capsys.readouterr()
    assert words.lower() in said.err.lower()
    assert "hunter2" not in said.err + said.out
    assert contents(kept) == before


@pytest.mark.parametrize(
    "text",
    [
        ENGINE.replace("port: 2575", "port: x"),
        ENGINE.replace("listeners:", "listners:"),
        ENGINE.replace("MERCY", "[MERCY"),
        "",
    ],
)
def test_a_configuration_with_errors_is_mended_first(ws: Path, text: str) -> None:
    (ws / CONFIGURATION).write_text(text, "utf-8")
    before = contents(ws)
    with pytest.raises(WorkspaceError):
        add_component(ws, "listener", "l", "mllp", {})
    with pytest.raises(WorkspaceError):
        add_mapping(ws, "m", "hl7v2", "FT1", None)
    assert contents(ws) == before


def test_a_configuration_with_windows_line_ends_and_a_mark_keeps_both(ws: Path) -> None:
    text = "\ufeff" + ENGINE.replace("\n", "\r\n")
    (ws / CONFIGURATION).write_bytes(text.encode())
    add_component(ws, "destination", "more", "file", {"batch": "5"})
    after = (ws / CONFIGURATION).read_bytes().decode()
    assert after.startswith(text)
    assert "\r\n  more:" in after
    assert after.count("\n") == after.count("\r\n")


def test_blocks_in_braces_are_not_added_to(ws: Path) -> None:
    text = ENGINE.replace("destinations:\n  inventory: {kind: file, folder: var/inventory}", "destinations: {}")
    (ws / CONFIGURATION).write_text(text, "utf-8")
    with pytest.raises(WorkspaceError, match="write each name in a line of its own"):
        add_component(ws, "destination", "d", "file", {})
    assert (ws / CONFIGURATION).read_text("utf-8") == text


def test_a_kind_of_another_package_begins_with_its_examples(ws: Path) -> None:
    with installed():
        added = add_component(ws, "destination", "erp", "simulated", {})
    assert added.lines[1] == "  kind: simulated"


def test_the_rights_of_the_configuration_stay_and_a_link_stays_one(ws: Path, tmp_path: Path) -> None:
    real = tmp_path / "engine.yaml"
    (ws / CONFIGURATION).rename(real)
    real.chmod(0o640)
    (ws / CONFIGURATION).symlink_to(real)
    add_component(ws, "listener", "more", "file", {})
    assert (ws / CONFIGURATION).is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert "more:" in real.read_text("utf-8")


def test_in_a_folder_that_is_no_workspace_nothing_is_begun(tmp_path: Path) -> None:
    with pytest.raises(NotAWorkspace):
        add_table(tmp_path, "colours")
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_all_stays_as_it_was(ws: Path) -> None:
    (ws / "mappings").write_text("a file, and no folder", "utf-8")
    before = contents(ws)
    with pytest.raises(WorkspaceError):
        add_mapping(ws, "m", "hl7v2", "FT1", None)
    assert contents(ws) == before


def test_a_configuration_that_cannot_be_replaced_stays_as_it_was(ws: Path) -> None:
    # What is written first stands beside it: here that can't be.
    (ws / "config" / f".engine.yaml.{os.getpid()}.tmp").mkdir()
    with pytest.raises(WorkspaceError, match=r"could not be written .*; nothing is changed"):
        add_component(ws, "listener", "l", "file", {})
    assert contents(ws) == {CONFIGURATION: ENGINE.encode()}


def test_of_several_files_none_is_left_where_one_cannot_be_written(ws: Path) -> None:
    (ws / "samples").write_text("a file, and no folder", "utf-8")
    add_mapping(ws, "used", "hl7v2", "FT1", None)
    before = contents(ws)
    with pytest.raises(WorkspaceError, match=r"samples/hl7v2/used\.hl7:.* could not be written"):
        add_channel(ws, "used", source=None, peers=(), accept=(), mapping=None, to=None, sample=None)
    assert contents(ws) == before


def test_a_file_that_somebody_changes_meanwhile_is_left_alone(ws: Path) -> None:
    now = (ws / CONFIGURATION).read_bytes()
    with pytest.raises(Refusal, match="was changed meanwhile"):
        put(ws, {"mappings/tables/t.csv": "code,value\n"}, {CONFIGURATION: (now + b"# before", now + b"# after")})
    assert contents(ws) == {CONFIGURATION: now}


def test_what_check_finds_an_error_in_is_undone_with_its_folders(ws: Path) -> None:
    before = contents(ws)
    with pytest.raises(Refusal, match="nothing was written"):
        put(ws, {"channels/deep.yaml": "channel: other\n", "mappings/tables/t.csv": "code,value\n"})
    assert contents(ws) == before
    assert not (ws / "mappings").exists()


def test_a_sample_tells_what_is_written_and_nothing_of_its_patient(ws: Path, tmp_path: Path) -> None:
    initialise(tmp_path / "whole")
    sample = (tmp_path / "whole/samples/hl7v2/dft-screw-box.hl7").read_bytes()
    drafted = add_mapping(ws, "boxes", None, None, sample)
    text = (ws / "mappings/boxes.yaml").read_text("utf-8")
    assert drafted.guide == "dft-usage"
    assert drafted.left_out == ("ehr_item", "catalog_number", "serial")
    assert "serial" not in text
    assert "udi:" in text
    bare = sample.replace(b"\rPRT|", b"\rNTE|").replace(b"\rOBX|", b"\rNTE|")
    assert add_mapping(ws, "bare", None, None, bare).guide == "dft-usage"
    assert "bind:" not in (ws / "mappings/bare.yaml").read_text("utf-8")
    for value in sample.decode().replace("\r", "|").replace("^", "|").split("|"):
        assert len(value) < 6 or value not in text
