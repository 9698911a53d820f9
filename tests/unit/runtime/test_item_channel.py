"""Channels that tell of items, as `check` looks at them: what comes from where, and what each destination takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.commands.workspace import check
from support.item_line import CHANNEL
from support.line import CHANNEL as USAGE
from support.line import ENGINE, write_workspace

if TYPE_CHECKING:
    from pathlib import Path

LISTENER = "  item-changes: {kind: item-changes, facility: NORTH}\n"
EHR = "  ehr: {kind: mllp, host: 127.0.0.1, port: 2590, mapping: item-mfn}\n"
MAPPING = """\
mapping: item-mfn
writes: {format: hl7v2, version: "2.8.2", type: MFN^M16}
from: Item
fields: {"ITM-1": {field: item, required: true}}
"""
TO_EHR = CHANNEL.replace("to: erp", "to: ehr")


def findings(root: Path, files: dict[str, str]) -> list[str]:
    write_workspace(root)
    for name in ("keys", "tokens"):
        (root / name).write_text("a secret of a test, of no value to anybody", "utf-8")
    engine = ENGINE.replace("destinations:\n", f"{LISTENER}destinations:\n{EHR}")
    given = {"config/engine.yaml": engine, "mappings/item-mfn.yaml": MAPPING, "channels/items-to-ehr.yaml": TO_EHR}
    for name, text in (given | files).items():
        (root / name).write_text(text, "utf-8")
    return [str(each) for each in check(root).findings]


def test_a_channel_that_tells_of_items_is_sound(tmp_path: Path) -> None:
    assert findings(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("file", "before", "after", "finding"),
    [
        (
            "items-to-ehr",
            "[item-changes]",
            "[or-mllp]",
            "'or-mllp' is a mllp: what a step send tells comes from one of kind",
        ),
        ("usage", "[or-mllp]", "[item-changes]", "'item-changes' has changes of items, which are sent as they are"),
        ("items-to-ehr", "to: ehr", "to: erp", "'erp' is a file, which takes consumption and charge and no item"),
        ("usage", "to: erp", "to: ehr", "'ehr' has mapping 'item-mfn', which writes Item and no consumption"),
        ("items-to-ehr", "to: ehr", "to: nobody", "unknown-name"),
        ("items-to-ehr", "  - send:", "  - map: usage\n  - send:", "items are sent by one step, and no other"),
    ],
)
def test_what_can_not_go_together_is_told_before_anything_runs(
    tmp_path: Path, file: str, before: str, after: str, finding: str
) -> None:
    text = {"items-to-ehr": TO_EHR, "usage": USAGE}[file]
    assert before in text
    found = findings(tmp_path, {f"channels/{file}.yaml": text.replace(before, after)})
    assert len([each for each in found if finding in each]) == 1


@pytest.mark.parametrize(
    ("when", "finding"),
    [
        ("item.supplier == 'X' && item.status != 'inactive'", ""),
        ("item.suplier == 'X'", "bad-expression"),
        ("usage.item == 'X'", "bad-expression"),
        ("item.status == 'gone'", "bad-expression"),
        ("item.description", "bad-expression"),
    ],
)
def test_a_condition_is_looked_at_before_anything_runs(tmp_path: Path, when: str, finding: str) -> None:
    channel = TO_EHR.replace("{to: ehr}", f'{{to: ehr, when: "{when}"}}')
    found = findings(tmp_path, {"channels/items-to-ehr.yaml": channel})
    assert [finding in each for each in found] == ([True] if finding else [])


def test_a_mapping_of_usage_tells_nobody_of_items(tmp_path: Path) -> None:
    usage = MAPPING.replace("from: Item", "from: Usage")
    (found,) = findings(tmp_path, {"mappings/item-mfn.yaml": usage})
    assert "'ehr' has mapping 'item-mfn', which writes Usage and no item" in found


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ("{kind: item-changes}", "missing-key"),
        ("{kind: item-changes, facility: WEST}", "unknown-name"),
        ("{kind: item-changes, facility: NORTH, from: yesterday}", "unknown-value"),
        ("{kind: item-changes, facility: NORTH, peers: {}}", "unknown-key"),
    ],
)
def test_a_mistake_in_the_listener_is_told(tmp_path: Path, settings: str, code: str) -> None:
    engine = ENGINE.replace("destinations:\n", f"  item-changes: {settings}\ndestinations:\n{EHR}")
    assert any(f" error {code} " in each for each in findings(tmp_path, {"config/engine.yaml": engine}))


def test_two_channels_may_tell_two_systems_of_the_same_items(tmp_path: Path) -> None:
    other = TO_EHR.replace("channel: items-to-ehr", "channel: items-again")
    assert findings(tmp_path, {"channels/items-again.yaml": other}) == []
