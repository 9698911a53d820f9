"""The reference workspace and the installed kinds: what is shipped fits together."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from casecart.canonical import FIELDS
from casecart.workspace import Kinds, keys_of, load, reference, schemas
from casecart.workspace.reader import written
from support.declarations import all_declarations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.workspace import Declared


@pytest.fixture
def installed() -> Kinds:
    def settings(group: str) -> Mapping[str, type[Declared]]:
        return {point.name: point.load().settings for point in entry_points(group=group)}

    return Kinds(settings("casecart.listeners"), settings("casecart.destinations"))


def test_the_reference_workspace_is_without_findings(installed: Kinds) -> None:
    loaded = load(reference.root(), kinds=installed, document_fields={"Usage": frozenset(FIELDS)})
    assert list(loaded.channels) == [
        "cabinet-usage",
        "charge-master",
        "device-observations",
        "fhir-procedures",
        "fhir-supplies",
        "item-master",
        "or-schedule",
        "or-usage",
        "patient-visits",
        "supply-usage",
    ]
    assert loaded.engine.organisation == "MERCY"
    assert loaded.warnings == ()


def test_the_reference_configuration_fits_the_schema_with_the_installed_kinds(installed: Kinds) -> None:
    value = yaml.safe_load((reference.root() / "config" / "engine.yaml").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(schemas(installed)["engine"]).validate(value)


def test_every_key_of_an_installed_kind_is_explained_with_an_example_and_a_default_that_it_reads(
    installed: Kinds,
) -> None:
    settings = [*installed.listeners.values(), *installed.destinations.values()]
    assert settings
    for declaration in all_declarations(*settings):
        assert re.fullmatch(r"[A-Z*`0-9].+[.]", declaration.__declaration__.about)
        for said in keys_of(declaration):
            assert re.fullmatch(r"[A-Za-z*`].+[.]", said.about), f"{declaration.__name__}.{said.name}"
            written(said, said.example, installed)
            if said.default is not None:
                written(replace(said, at_least=0), said.default, installed)
