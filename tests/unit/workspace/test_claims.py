"""Two channels that claim the same messages for one ledger would post what is used twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.small_workspace import CHANNEL, ENGINE

if TYPE_CHECKING:
    from unit.workspace.conftest import Load

SECOND = CHANNEL.replace("channel: usage", "channel: again")
TWO_PEERS = ENGINE.replace(
    "facility: NORTH}\n", "facility: NORTH}\n      cabinet: {match: {MSH-3: CABINET}, facility: NORTH}\n", 1
)
TWO_WAYS = TWO_PEERS.replace("var/inventory}", "var/inventory}\n  billing: {kind: file, folder: var/billing}")


@pytest.mark.parametrize(
    ("first", "second", "warned"),
    [
        ("accept: DFT^P03", "accept: DFT^P03", True),
        ("accept: DFT^*", "accept: DFT^P03", True),
        ("accept: DFT^P03", "accept: [ORU^R01, DFT^*]", True),
        ("accept: DFT^P03", "accept: DFT^P11", False),
        ("accept: DFT^*", "accept: RDS^*", False),
        ("peers: orsys\naccept: DFT^P03", "peers: cabinet\naccept: DFT^P03", False),
        ("peers: orsys\naccept: DFT^P03", "peers: [cabinet, orsys]\naccept: DFT^P03", True),
        ("peers: orsys\naccept: DFT^P03", "accept: DFT^P03", True),  # without peers it is every sender's
    ],
)
def test_a_double_claim_is_a_warning(workspace: Load, first: str, second: str, *, warned: bool) -> None:
    loaded = workspace(
        {
            "config/engine.yaml": TWO_WAYS,
            "channels/usage.yaml": CHANNEL.replace("accept: DFT^P03", first),
            "channels/again.yaml": SECOND.replace("accept: DFT^P03", second),
        }
    )
    assert [finding.code for finding in loaded.warnings] == ["double-claim"] * warned


def test_master_data_that_another_channel_takes_as_lines_are_a_warning(workspace: Load) -> None:
    bring = """\
channel: again
about: Master data.
from: or-mllp
accept: DFT^P03
steps:
  - bring: {source: erp, mappings: items}
"""
    items = """\
mapping: items
reads: {format: hl7v2}
makes: items
says: state
each: MFE
fields:
  item: {path: ITM-1, required: true}
"""
    loaded = workspace({"channels/again.yaml": bring, "mappings/items.yaml": items})
    (finding,) = loaded.warnings
    assert (finding.code, "never brings them in" in finding.message) == ("double-claim", True)
    apart = bring.replace("DFT^P03", "MFN^M16")
    assert workspace({"channels/again.yaml": apart, "mappings/items.yaml": items}).warnings == ()


@pytest.mark.parametrize("to", ["inventory", "billing"])
@pytest.mark.parametrize(("kind", "warned"), [("consumption", True), ("charge", False)])
def test_two_channels_may_tell_of_one_message_what_was_used_and_what_is_charged(
    workspace: Load, to: str, kind: str, *, warned: bool
) -> None:
    posted = SECOND.replace("post: inventory", f"post: {{to: {to}, as: {kind}}}")
    assert posted != SECOND
    loaded = workspace({"config/engine.yaml": TWO_WAYS, "channels/again.yaml": posted})
    assert [finding.code for finding in loaded.warnings] == ["double-claim"] * warned
