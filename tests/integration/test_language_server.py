"""A YAML language server on the reference workspace, as an analyst's editor has it: completion, words, mistakes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from casecart.commands.schema import write_schemas
from casecart.workspace import initialise
from support.language_server import LanguageServer
from support.node_kit import needed
from support.plugin import installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("editor") / "ws"
    initialise(root)
    return root


@pytest.fixture(scope="module")
def editor(workspace: Path) -> Iterator[LanguageServer]:
    needed()
    with LanguageServer(workspace) as server:
        yield server


def changed(root: Path, file: str, before: str, after: str) -> str:
    text = (root / file).read_text("utf-8")
    assert before in text
    return text.replace(before, after, 1)


ENGINE, CHANNEL, MAPPING = "config/engine.yaml", "channels/or-usage.yaml", "mappings/dft-usage.yaml"


def test_it_finds_nothing_wrong_in_the_files_of_a_new_workspace(editor: LanguageServer, workspace: Path) -> None:
    files = [path.relative_to(workspace).as_posix() for path in sorted(workspace.rglob("*.yaml"))]
    assert len(files) > 30
    found = editor.faults_in({file: (workspace / file).read_text("utf-8") for file in files})
    assert {file: faults for file, faults in found.items() if faults} == {}
    assert sorted(found) == files


@pytest.mark.parametrize(
    ("file", "before", "after", "words"),
    [
        # A key that the kind doesn't have, and the one that is missing for it.
        (ENGINE, "port: 2575", "prot: 2575", "Property prot is not allowed."),
        (ENGINE, "kind: mllp", "kind: mlpp", 'Value must be "fhir" | "file" | "http" | "item-changes" | "mllp".'),
        (ENGINE, "port: 2575", "port: 99999", "Value is above the maximum of 65535."),
        (CHANNEL, "supplier: {from", "suplier: {from", "Property suplier is not allowed."),
        (CHANNEL, "as: consumption", "as: consumtion", 'Value is not accepted. Valid values: "consumption", "charge".'),
        (CHANNEL, "- map: dft", "- mapp: dft", "Property mapp is not allowed."),
        (MAPPING, "  lot: ", "  lott: ", "Property lott is not allowed."),
        (MAPPING, "required: true", "requird: true", "Property requird is not allowed."),
    ],
)
def test_a_mistake_is_told_at_its_line(editor: LanguageServer, file: str, before: str, after: str, words: str) -> None:
    text = changed(editor.root, file, before, after)
    line = text[: text.index(after)].count("\n") + 1
    assert (line, words) in editor.faults(file, text)


@pytest.mark.parametrize(
    ("file", "edit", "offered", "words"),
    [
        (ENGINE, ("    port: 2575", "    port: 2575\n    |"), "idle_timeout", "silence"),
        (ENGINE, ("kind: mllp", "kind: |"), "fhir", "Reads at a FHIR server"),
        (CHANNEL, ("as: consumption", "as: |"), "charge", "the patient's account"),
        (CHANNEL, ("retain: {bodies: 30d}", "  - |"), "verify", "expiry: the day of use is not after it"),
        (MAPPING, ("  department: ", "  |\n  department: "), "cost_center", "The cost centre that bears it."),
        (MAPPING, ("says: transactions", "says: |"), "state", "each replaces what was said before"),
    ],
)
def test_keys_and_values_are_offered_with_what_they_are(
    editor: LanguageServer, file: str, edit: tuple[str, str], offered: str, words: str
) -> None:
    completions = editor.completions(file, changed(editor.root, file, *edit))
    assert words in completions[offered]


def test_the_fields_offered_are_those_of_what_the_mapping_makes(editor: LanguageServer) -> None:
    file = "mappings/mfn-items.yaml"
    completions = editor.completions(file, changed(editor.root, file, "  manufacturer: {", "  |\n  manufacturer: {"))
    assert "brand" in completions
    assert "disposition" not in completions


def test_a_key_under_the_pointer_is_explained(editor: LanguageServer) -> None:
    said = editor.hover(MAPPING, changed(editor.root, MAPPING, "says: ", "sa|ys: "))
    assert "each adds to what was said before" in said


def test_a_kind_of_another_package_is_known_once_the_schemas_are_made_anew(
    editor: LanguageServer, tmp_path: Path
) -> None:
    shutil.copytree(editor.root, tmp_path / "ws")
    text = changed(tmp_path / "ws", ENGINE, "  inventory:", "  other: {kind: simulated}\n  inventory:")
    refused = 'Value must be "file" | "mllp" | "rest" | "tryton".'
    assert refused in [words for _, words in editor.faults(ENGINE, text)]
    with installed():
        assert write_schemas(tmp_path / "ws")
    assert not any("Value must be" in words for _, words in editor.faults(str(tmp_path / "ws" / ENGINE), text))
