"""What mappings read straight is what they read the general way: of made-up messages, and of those of others."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.commands.workspace import load_workspace
from casecart.formats.fhir import read_resource
from casecart.formats.fhir.path import path
from casecart.mapping import FhirMessage, compile_mapping, fhir_reading
from casecart.workspace import reference
from support.fhir_case import CASE
from support.fhir_line import WAYS, sample
from unit.formats.fhir.changes import changed_somewhere
from unit.mapping.declarations import context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from casecart.mapping import CompiledMapping

    Pairs = Mapping[str, tuple[CompiledMapping, CompiledMapping]]

MESSAGES: Final = [read_resource(CASE), *(sample(name) for name, _, _ in WAYS)]
VERSIONS: Final = ("", "4.0.1", "5.0.0")


def compiled() -> dict[str, CompiledMapping]:
    """The shipped mappings that read FHIR."""
    workspace = load_workspace(reference.root())
    return {
        str(name): compile_mapping(declared, workspace.tables)
        for name, declared in workspace.mappings.items()
        if declared.reads.format == "fhir"
    }


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    """Each mapping as it is, and with nothing in it that goes straight."""
    straight = compiled()
    with pytest.MonkeyPatch.context() as patch:
        for module in (path, fhir_reading):
            patch.setattr(module, "straight", lambda _tree, _roots: None)
        path._ready.cache_clear()
        general = compiled()
    path._ready.cache_clear()
    assert all("UNUSUAL:" in each.source for each in straight.values())
    assert not any("UNUSUAL:" in each.source for each in general.values())
    return {name: (straight[name], general[name]) for name in straight}


def differences(message: dict[str, Any], pairs: Pairs, version: str) -> list[object]:
    """What the two ways make of a message, where that differs; mappings that share what they find out are one way."""
    asked = msgspec.structs.replace(context(), version=version)
    whole = FhirMessage(message)
    found: list[object] = []
    for straight, general in pairs.values():
        ours, theirs = straight.run(whole, asked), general.run(message, asked)
        if ours != theirs:
            found.append((straight.name, ours, theirs))
    return found


@given(message=st.sampled_from(MESSAGES).flatmap(changed_somewhere), version=st.sampled_from(VERSIONS))
@settings(max_examples=150, deadline=None)
def test_a_made_up_message_is_read_alike(message: dict[str, Any], version: str, pairs: Pairs) -> None:
    before = copy.deepcopy(message)
    assert differences(message, pairs, version) == []
    assert message == before


@pytest.mark.parametrize(("folder", "version"), [("r4.examples-4.0.1", "4.0.1"), ("r5.examples-5.0.0", "5.0.0")])
def test_messages_of_others_are_read_alike(corpus: Path, folder: str, version: str, pairs: Pairs) -> None:
    kinds = ("Bundle", "ChargeItem-", "Device", "InventoryReport", "Procedure", "SupplyDelivery")
    files = sorted((corpus / "fhir" / f"hl7.fhir.{folder}").glob("*.json"))
    messages = [read_resource(file.read_bytes()) for file in files if file.name.startswith(kinds)]
    entries = [{"resource": each} for each in messages if each["resourceType"] != "Bundle"]
    for message in (*messages, {"resourceType": "Bundle", "entry": entries}):
        assert differences(message, pairs, version) == []
    assert entries
