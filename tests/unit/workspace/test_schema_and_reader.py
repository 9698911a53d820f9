"""The schemas and the reader are of one mind: of what is shipped, of every example, of what is wrong."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import jsonschema
import pytest
import yaml

from casecart.canonical import FIELDS
from casecart.master.documents import documents
from casecart.runtime.kinds import installed_kinds
from casecart.workspace import keys_of, reference, schemas
from casecart.workspace.channel_tests import TestsFile
from casecart.workspace.reader import read
from casecart.workspace.reading import Reading
from casecart.workspace.schema import FILES, schema
from casecart.workspace.yaml import parse
from support.declarations import all_declarations
from support.plugin import installed

if TYPE_CHECKING:
    from casecart.workspace import Declared

ROOT = reference.root()
SHIPPED = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("config", "channels", "mappings")
    for path in (ROOT / folder).rglob("*.yaml")
)


class _Editor(yaml.SafeLoader):
    """As YAML 1.2 has it, and editors: a time is text."""

    yaml_implicit_resolvers: ClassVar = {  # type: ignore[misc]  # the stubs have it as an instance's, PyYAML as a class's
        sign: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
        for sign, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def as_editors_read(text: str) -> object:
    return yaml.load(text, _Editor)  # noqa: S506 - a safe one, with less


@cache
def made() -> dict[str, dict[str, Any]]:
    return schemas(installed_kinds(), {"field": FIELDS}, documents())


def faults(name: str, text: str) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(made()[name]).iter_errors(as_editors_read(text))]


def named(file: str) -> str:
    """The schema that a file's first line names."""
    line, _, _ = (ROOT / file).read_text("utf-8").partition("\n")
    found = re.fullmatch(r"# yaml-language-server: \$schema=\.\./config/schema/([a-z-]+)\.json", line)
    assert found is not None, f"{file} begins with: {line}"
    return found[1].replace("-", " ")


@pytest.mark.parametrize("file", SHIPPED)
def test_every_shipped_file_names_its_schema_and_fits_it(file: str) -> None:
    assert faults(named(file), (ROOT / file).read_text("utf-8")) == []


def test_every_example_and_default_fits_its_key_those_of_other_peoples_kinds_too() -> None:
    with installed():
        kinds = installed_kinds()
        declarations = all_declarations(*FILES, TestsFile, *kinds.listeners.values(), *kinds.destinations.values())
        assert {"simulated", "mllp"} <= kinds.listeners.keys()
        assert len(declarations) > 50
        for declaration in declarations:
            _fit(declaration)


def _fit(declaration: type[Declared]) -> None:
    alone = schema(declaration, installed_kinds())
    block = alone["definitions"][declaration.__name__]
    block = next((each for each in block.get("anyOf", ()) if "properties" in each), block)
    for key in keys_of(declaration):
        validator = jsonschema.Draft7Validator({**block["properties"][key.name], "definitions": alone["definitions"]})
        validator.validate(as_editors_read(key.example))
        if key.default not in {None, "", "''", "[]"}:  # an absent list is empty, and an empty one is not written
            validator.validate(as_editors_read(str(key.default)))


ENGINE, CHANNEL, MAPPING, OUTGOING = (
    "config/engine.yaml",
    "channels/or-usage.yaml",
    "mappings/dft-usage.yaml",
    "mappings/charge-dft.yaml",
)

# File, what stands there, what is written instead, and the code of the finding.
WRONG = [
    (ENGINE, "organisation: MERCY\n", "", "missing-key"),
    (ENGINE, "NORTH: {time_zone", "N ORTH: {time_zone", "bad-name"),
    (ENGINE, "store: sqlite", "store: mysql", "bad-format"),
    (ENGINE, "{file: var/secrets/keys}", "hunter2", "secret-literal"),
    (ENGINE, "{file: var/secrets/keys}", "{file: a, env: B}", "secret-literal"),
    (ENGINE, "kind: mllp", "kind: mlpp", "unknown-kind"),
    (ENGINE, "    kind: mllp\n", "", "missing-key"),
    (ENGINE, "port: 2575", "port: 99999", "out-of-range"),
    (ENGINE, "port: 2575", "port: x", "bad-value"),
    (ENGINE, "port: 2575", "port: [2575]", "expected-text"),
    (ENGINE, "port: 2575", "prot: 2575", "unknown-key"),
    (ENGINE, "port: 2575", "port: 2575\n    idle_timeout: 30", "bad-value"),
    (ENGINE, "port: 2575", "port: 2575\n    acknowledge: {mode: orignal}", "unknown-value"),
    (ENGINE, "MSH-3: ORSYS", "MSH-9: ORSYS", "unknown-key"),
    (ENGINE, "folder: var/inventory", "folder: [a]", "expected-text"),
    (ENGINE, "folder: var/inventory", "folder: var, batch: 0", "out-of-range"),
    (ENGINE, "kind: file,", "kind: tryton,", "unknown-key"),  # what one kind has, another has not
    (CHANNEL, "channel: or-usage", "channel: or usage", "bad-format"),
    (CHANNEL, "from: [or-mllp]", "from: []", "too-few"),
    (CHANNEL, "accept: [DFT^P03, DFT^P11]", "accept: DFT-P03", "bad-format"),
    (CHANNEL, "key: case", "key: cas", "unknown-field"),
    (CHANNEL, "- map: dft-usage", "- mapp: dft-usage", "unknown-step"),
    (CHANNEL, "- map: dft-usage", "- {map: dft-usage, hook: hooks/x.py}", "one-of"),
    (CHANNEL, "- verify: [lot", "- verify: [lots", "unknown-value"),
    (CHANNEL, "as: consumption", "as: consumtion", "unknown-value"),
    (CHANNEL, "retain: {bodies: 30d}", "retain: {bodies: 30}", "bad-value"),
    (CHANNEL, "retain: {bodies: 30d}", "retain: 30d", "expected-keys"),
    (MAPPING, "makes: Usage", "makes: usage", "unknown-value"),
    (MAPPING, "  lot: ", "  lott: ", "unknown-field"),
    (MAPPING, "required: true, token: case", "token: case", "unhandled-empty"),
    (MAPPING, "required: true, token: case", "required: true, optional: true", "one-of"),
    (MAPPING, "required: true, token: case", "required: yes!", "bad-value"),
    (MAPPING, "path: FT1-6.1,", "path: FT1-6.1, value: use,", "one-of"),
    (MAPPING, "type: decimal", "type: decimel", "unknown-value"),
    (MAPPING, '"2.8.2"}', '"2,8"}', "bad-format"),
    (MAPPING, "  device: ", "  Device: ", "bad-name"),
    (OUTGOING, "from: Usage", "from: Uses", "unknown-value"),
    (OUTGOING, "{value: P03}", "{value: P03, field: line}", "one-of"),
    (OUTGOING, "{field: line, required: true}", "{field: line}", "unhandled-empty"),
    (OUTGOING, "type: DFT^P03^DFT_P03", "type: DFT", "bad-format"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "before", "after", "code"), WRONG, ids=[row[2] for row in WRONG])
def test_what_is_wrong_is_refused_by_both(file: str, before: str, after: str, code: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    assert before in text
    wrong = text.replace(before, after, 1)
    assert code in _read(file, wrong)
    assert faults(named(file), wrong) != []


def _read(file: str, text: str) -> set[str]:
    """The codes of what the reader finds in one file, with the fields of documents known."""
    node, found = parse(text.encode(), file)
    reading = Reading(installed_kinds(), found)
    name = named(file)
    declaration = next(each for each in FILES if each.__declaration__.name == name)
    if node is not None:
        read(declaration, node, reading)
    unknown = {"unknown-field" for sort, name in reading.used if sort == "field" and name not in FIELDS}
    return {finding.code for finding in reading.findings} | unknown


# What the reader finds, and no schema can: what is wrong between keys, files and systems.
BEYOND = [
    (ENGINE, "America/Chicago", "America/Chigago", "unknown-value"),
    (ENGINE, "store: sqlite:///var/casecart.db", "store: postgresql://c:hunter2@db/c", "secret-literal"),
    (CHANNEL, "  - map: dft-usage\n", "", "step-order"),
    (MAPPING, 'version: "2.8.2"', "version: R4", "bad-value"),
]


@pytest.mark.parametrize(("file", "before", "after", "code"), BEYOND, ids=[row[2] for row in BEYOND])
def test_what_no_schema_can_know_the_reader_finds(file: str, before: str, after: str, code: str) -> None:
    text = (ROOT / file).read_text("utf-8").replace(before, after, 1)
    assert code in _read(file, text)
    assert faults(named(file), text) == []
