"""A channel, compiled: what it accepts, where its route leads, and where its mistakes are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from casecart.canonical import FIELDS, Usage
from casecart.runtime.channel import Channel, compile_channels
from casecart.runtime.kinds import installed_kinds
from casecart.workspace import WorkspaceError, load
from support.line import CHANNEL, MAPPING, write_workspace

if TYPE_CHECKING:
    from pathlib import Path


def compiled(root: Path, channel: str = CHANNEL) -> Channel:
    write_workspace(root, channel=channel)
    workspace = load(root, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    return compile_channels(workspace)["usage"]


@pytest.mark.parametrize(
    ("accept", "message_type", "accepted"),
    [
        ("[DFT^P03]", "DFT^P03", True),
        ("[DFT^P03]", "DFT^P11", False),
        ("[DFT^*]", "DFT^P11", True),
        ("[DFT^*]", "ADT^A01", False),
        ("[DFT^P03]", "DFT", False),
        ("[DFT^*]", "", False),
    ],
)
def test_a_channel_accepts_what_it_says(tmp_path: Path, accept: str, message_type: str, *, accepted: bool) -> None:
    channel = compiled(tmp_path, CHANNEL.replace("[DFT^P03]", accept))
    assert channel.accepts("or-mllp", "orsys", message_type) is accepted


FHIR = """\
mapping: usage
reads: {format: fhir, version: R4}
makes: Usage
says: state
each: Procedure.focalDevice
fields:
  case: {path: "%resource.encounter.reference", required: true, token: case}
  line: {path: id, optional: true}
  action: {value: use}
  quantity: {value: "1", type: decimal}
  item: {path: manipulated.display, optional: true}
"""


@pytest.mark.parametrize(
    ("accept", "message_type", "types", "accepted"),
    [
        ("[Procedure]", "Procedure", {"Procedure"}, True),
        ("[Procedure]", "Bundle", {"Bundle", "Procedure", "Device"}, True),
        ("[Procedure]", "Bundle", {"Bundle", "Device"}, False),
        ("[Bundle]", "Bundle", {"Bundle"}, True),
        ("[Procedure]", "Device", {"Device"}, False),
    ],
)
def test_a_channel_of_resources_takes_them_also_in_bundles(
    tmp_path: Path, accept: str, message_type: str, types: set[str], *, accepted: bool
) -> None:
    write_workspace(tmp_path, channel=CHANNEL.replace("[DFT^P03]", accept), mapping=FHIR)
    workspace = load(tmp_path, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    channel = compile_channels(workspace)["usage"]
    assert (channel.accepts("or-mllp", "orsys", message_type) and channel.wants(types)) is accepted


@pytest.mark.parametrize(
    ("accept", "mapping", "words"),
    [
        ("[DFT^P03]", FHIR, "mapping 'usage' reads FHIR, and DFT^P03 is a message of another format"),
        ("[Procedure, Device]", FHIR, "mapping 'usage' has lines for Procedure only: give Device a channel of its own"),
        ("[Procedure]", MAPPING, "mapping 'usage' reads HL7 v2, and Procedure is a message of another format"),
    ],
)
def test_a_channel_takes_what_its_mapping_reads(tmp_path: Path, accept: str, mapping: str, words: str) -> None:
    write_workspace(tmp_path, channel=CHANNEL.replace("[DFT^P03]", accept), mapping=mapping)
    workspace = load(tmp_path, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    with pytest.raises(WorkspaceError, match=re.escape(words)):
        compile_channels(workspace)


def test_bundles_are_no_business_of_a_channel_of_hl7(tmp_path: Path) -> None:
    assert compiled(tmp_path).accepts("or-mllp", "orsys", "Bundle") is False


@pytest.mark.parametrize(
    ("peers", "listener", "peer", "accepted"),
    [
        ("", "or-mllp", "orsys", True),
        ("", "or-mllp", "anybody", True),
        ("", "another", "orsys", False),
        ("peers: [orsys]\n", "or-mllp", "orsys", True),
        ("peers: [orsys]\n", "or-mllp", "cabinet", False),
        ("peers: [orsys]\n", "another", "orsys", False),
    ],
)
def test_a_channel_accepts_from_whom_it_says(
    tmp_path: Path, peers: str, listener: str, peer: str, *, accepted: bool
) -> None:
    channel = compiled(tmp_path, CHANNEL.replace("accept:", f"{peers}accept:"))
    assert channel.accepts(listener, peer, "DFT^P03") is accepted


def test_the_first_entry_of_the_route_that_fits_is_taken(tmp_path: Path) -> None:
    channel = compiled(tmp_path)
    assert channel.decide(Usage(department="HOLD")).hold == "Somebody must look at it"
    assert channel.decide(Usage(department="OR")).to == "erp"
    assert channel.decide(Usage()).to == "erp"


def test_a_line_that_no_entry_fits_is_held(tmp_path: Path) -> None:
    channel = compiled(tmp_path, CHANNEL.replace("{post:", "{when: \"usage.lot == 'X'\", post:"))
    assert channel.decide(Usage(department="OR")).hold == "No entry of the channel's route fits this line"


def test_a_mistake_in_a_condition_is_found_at_its_own_character(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as error:
        compiled(tmp_path, CHANNEL.replace("usage.department == 'HOLD'", "usage.departmen == 'HOLD'"))
    (finding,) = error.value.findings
    line = next(text for text in CHANNEL.splitlines() if "HOLD" in text)
    assert (finding.place.file, finding.place.column) == ("channels/usage.yaml", line.index("department") + 1)
    assert (finding.code, finding.suggestion) == ("bad-expression", "department")


@pytest.mark.parametrize("steps", ["  - map: usage\n", "  - route: [{post: erp}]\n  - map: usage\n"])
def test_a_channel_maps_once_and_then_routes(tmp_path: Path, steps: str) -> None:
    with pytest.raises(WorkspaceError) as error:
        compiled(tmp_path, CHANNEL[: CHANNEL.index("steps:")] + "steps:\n" + steps)
    assert [finding.code for finding in error.value.findings] == ["step-order"]


def test_a_channel_that_posts_needs_a_mapping_with_what_posting_needs(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    mapping = tmp_path / "mappings/usage.yaml"
    mapping.write_text(
        "".join(line for line in mapping.read_text("utf-8").splitlines(keepends=True) if "quantity" not in line),
        "utf-8",
    )
    workspace = load(tmp_path, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    with pytest.raises(WorkspaceError) as error:
        compile_channels(workspace)
    (finding,) = error.value.findings
    assert (finding.code, "gives no quantity" in finding.message) == ("missing-field", True)
