"""JSON Schema: draft-07, made of the declarations, and of one mind with the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from casecart.canonical import FIELDS
from casecart.workspace import Declared, Kinds, reference, schemas
from casecart.workspace.schema import schema


@pytest.fixture
def made(kinds: Kinds) -> dict[str, dict[str, Any]]:
    return schemas(kinds, {"field": FIELDS})


PEERS = {"orsys": {"match": {"MSH-3": "ORSYS"}, "facility": "NORTH"}}
FILES = {"engine": "config/engine.yaml", "channel": "channels/or-usage.yaml", "mapping": "mappings/dft-usage.yaml"}


@pytest.mark.parametrize("name", FILES)
def test_a_schema_is_draft_07_and_plain_json(made: dict[str, dict[str, Any]], name: str) -> None:
    jsonschema.Draft7Validator.check_schema(made[name])
    assert json.loads(json.dumps(made[name])) == made[name]
    assert made[name]["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize(("name", "file"), FILES.items())
def test_the_reference_workspace_fits_its_schemas(made: dict[str, dict[str, Any]], name: str, file: str) -> None:
    value = yaml.safe_load((reference.root() / file).read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(made[name]).validate(value)


@pytest.mark.parametrize("name", FILES)
def test_every_example_and_default_in_a_schema_fits_its_own_key(made: dict[str, dict[str, Any]], name: str) -> None:
    definitions = made[name]["definitions"]
    blocks = [block for each in definitions.values() for block in (each, *each.get("anyOf", ()))]
    keys = [key for block in blocks for key in block.get("properties", {}).values() if "examples" in key]
    assert len(keys) > 8
    for key in keys:
        assert key["description"].endswith(".")
        validator = jsonschema.Draft7Validator({**key, "definitions": definitions})
        validator.validate(key["examples"][0])
        if key.get("default", []) != []:  # an absent list is empty, and an empty one is not written
            validator.validate(key["default"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mapping", {"fields": {"lot": {"path": "PRT-19"}}}),  # neither required, optional nor default
        ("mapping", {"fields": {"lot": {"path": "PRT-19", "agree": ["PRT-19"], "required": True}}}),
        ("mapping", {"fields": {"lott": {"path": "PRT-19", "required": True}}}),
        ("mapping", {"fields": {"lot": {"path": "PRT-19", "required": False}}}),
        ("mapping", {"makes": "usage"}),
        ("mapping", {"odd": 1}),
        ("channel", {"accept": ["DFT-P03"]}),
        ("channel", {"accept": []}),
        ("channel", {"steps": [{"check": {}}]}),
        ("channel", {"steps": [{"resolve": {"item": {"order": ["gtin"]}}}]}),
        ("channel", {"steps": [{"verify": ["lots"]}]}),
        ("channel", {"steps": [{"route": [{"post": {"to": "x", "as": "consumtion"}}]}]}),
        ("channel", {"key": "cas"}),
        ("engine", {"secrets": {"keys": "hunter2", "tokens": {"env": "T"}}}),
        ("engine", {"listeners": {"or-mllp": {"kind": "mlpp"}}}),
        ("engine", {"listeners": {"or-mllp": {"kind": "mllp", "port": 99999, "peers": PEERS}}}),
        ("engine", {"facilities": {"SOUTH EAST": {"time_zone": "UTC"}}}),
        ("engine", {"intake": {"time_budget": 50}}),
    ],
)  # fmt: skip
def test_what_the_reader_refuses_the_schema_refuses_where_it_can(
    made: dict[str, dict[str, Any]], name: str, value: dict[str, Any]
) -> None:
    good = yaml.safe_load((reference.root() / FILES[name]).read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(made[name]).validate(good)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(made[name]).validate({**good, **value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mapping", {"fields": {"lot": {"value": 12}}}),  # an editor reads a number where we read text
        ("mapping", {"fields": {"lot": {"path": ["PRT-19", "PRT-20"], "default": 0}}}),
        ("channel", {"from": "or-mllp", "accept": "DFT^*"}),
        ("channel", {"steps": [{"map": "m"}, {"route": [{"post": "inventory"}]}]}),
        ("engine", {"store": {"url": "postgresql://c@db/c", "password": {"env": "PW"}}}),
    ],
)  # fmt: skip
def test_what_the_reader_takes_the_schema_takes(
    made: dict[str, dict[str, Any]], name: str, value: dict[str, Any]
) -> None:
    good = yaml.safe_load((reference.root() / FILES[name]).read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(made[name]).validate({**good, **value})


def test_a_kind_brings_its_own_keys(kinds: Kinds) -> None:
    (rest,) = [each for kind, each in kinds.destinations.items() if kind == "rest"]
    assert issubclass(rest, Declared)
    alone = schema(rest)
    assert alone["definitions"]["Rest"]["required"] == ["url", "token"]
    assert "hunter2" not in json.dumps(alone)


def test_the_folder_of_the_reference_workspace_is_the_checkouts() -> None:
    assert (reference.root() / "config" / "engine.yaml").is_file()
    assert isinstance(reference.root(), Path)
