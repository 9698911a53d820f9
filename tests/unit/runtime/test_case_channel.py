"""What is wrong in channels that note where cases are, or that fill lines by that, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.canonical import FIELDS
from casecart.runtime.case_channel import compile_case_channels
from casecart.runtime.channel import compile_channels
from casecart.runtime.kinds import installed_kinds
from casecart.runtime.master_channel import compile_master_channels
from casecart.workspace import WorkspaceError, load
from support.line import CHANNEL, write_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.workspace import Workspace

SCHEDULE = """\
channel: schedule
about: Where cases are.
from: [or-mllp]
accept: [SIU^*]
steps:
  - note: [siu]
"""
SIU = """\
mapping: siu
reads: {format: hl7v2}
makes: Case
says: state
each: SCH
fields:
  case: {path: "message:PV1-19.1", required: true, token: case}
  department: {path: "message:AIL-3.1", optional: true}
"""
FILL = "  - fill: {department: [schedule]}\n"
RESOLVE = "  - resolve: {location: {from: [department]}}\n"
USAGE = CHANNEL.replace("  - route:", f"{FILL}{RESOLVE}  - route:")
PLACED = USAGE.replace("{department: [schedule]}", "{location: [schedule]}")
MISSPELT = USAGE.replace("{department:", "{departmnt:")


def workspace(root: Path, *, usage: str = USAGE, schedule: str = SCHEDULE, siu: str = SIU) -> Workspace:
    write_workspace(root, channel=usage)
    (root / "channels/schedule.yaml").write_text(schedule, "utf-8")
    (root / "mappings/siu.yaml").write_text(siu, "utf-8")
    return load(root, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})


def findings(root: Path, **files: str) -> list[tuple[str, str, str | None]]:
    """File and line, code, and suggestion of each finding."""
    try:
        loaded = workspace(root, **files)
    except WorkspaceError as error:
        found = list(error.findings)
    else:
        found = []
        for compiled in (compile_channels, compile_case_channels, compile_master_channels):
            try:
                compiled(loaded)
            except WorkspaceError as error:
                found += error.findings
    return [(f"{each.place.file}:{each.place.line}", each.code, each.suggestion) for each in found]


def test_a_channel_that_notes_cases_and_one_that_fills_lines_are_fine(tmp_path: Path) -> None:
    assert findings(tmp_path) == []
    loaded = workspace(tmp_path)
    assert list(compile_case_channels(loaded)) == ["schedule"]
    assert list(compile_channels(loaded)) == ["usage"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"usage": USAGE.replace("[schedule]", "[shedule]")}, ("channels/usage.yaml:7", "unknown-name", "schedule")),
        ({"usage": USAGE.replace("[schedule]", "[usage]")}, ("channels/usage.yaml:7", "bad-value", None)),
        ({"usage": USAGE.replace(RESOLVE, "")}, ("channels/usage.yaml:7", "step-order", None)),
        ({"usage": USAGE.replace(FILL + RESOLVE, RESOLVE + FILL)}, ("channels/usage.yaml:8", "step-order", None)),
        ({"usage": USAGE.replace("{department: [schedule]}", "{}")}, ("channels/usage.yaml:7", "too-few", None)),
        ({"usage": MISSPELT}, ("channels/usage.yaml:7", "unknown-key", "department")),
        ({"usage": USAGE.replace("{department: [sch", "{item: [sch")}, ("channels/usage.yaml:7", "unknown-key", None)),
        ({"usage": PLACED},
         ("channels/usage.yaml:7", "bad-value", None)),  # resolve does not look at it
        ({"usage": PLACED.replace("[department]", "[location]")},
         ("channels/usage.yaml:7", "missing-field", None)),  # the schedule never tells it
        ({"schedule": SCHEDULE.replace("[siu]", "[usage]")}, ("channels/schedule.yaml:6", "step-order", None)),
        ({"schedule": SCHEDULE.replace("[siu]", "[siuu]")}, ("channels/schedule.yaml:6", "unknown-name", "siu")),
        ({"schedule": SCHEDULE + "  - map: usage\n"}, ("channels/schedule.yaml:6", "step-order", None)),
        ({"schedule": SCHEDULE.replace("note: [siu]", "bring: {source: erp, mappings: [siu]}"), "usage": CHANNEL},
         ("channels/schedule.yaml:6", "step-order", None)),
        ({"usage": USAGE.replace("map: usage", "map: siu")}, ("channels/usage.yaml:6", "step-order", None)),
        ({"siu": SIU.replace(", token: case", "")}, ("mappings/siu.yaml:7", "no-token", None)),
        ({"siu": SIU.replace("  case: {", "  cases: {")}, ("mappings/siu.yaml:7", "unknown-field", "case")),
        ({"siu": SIU.replace("  department:", "  facility:"), "usage": CHANNEL},
         ("mappings/siu.yaml:8", "unknown-field", None)),
        ({"siu": SIU.replace("says: state", "says: transactions")}, ("mappings/siu.yaml:4", "bad-value", None)),
        ({"siu": SIU.replace("makes: Case", "makes: case")}, ("mappings/siu.yaml:3", "unknown-value", "Case")),
    ],
)  # fmt: skip
def test_a_mistake_is_found_where_it_stands(
    tmp_path: Path, files: dict[str, str], expected: tuple[str, str, str | None]
) -> None:
    assert expected in findings(tmp_path, **files)


def test_a_department_that_is_filled_in_need_not_be_mapped(tmp_path: Path) -> None:
    files = {"usage": USAGE, "siu": SIU}
    workspace(tmp_path, **files)
    mapping = tmp_path / "mappings/usage.yaml"
    kept = [line for line in mapping.read_text("utf-8").splitlines(keepends=True) if "department" not in line]
    mapping.write_text("".join(kept), "utf-8")
    channel = tmp_path / "channels/usage.yaml"
    channel.write_text(USAGE.replace("usage.department == 'HOLD'", "usage.item == 'HOLD'"), "utf-8")
    loaded = load(tmp_path, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    assert list(compile_channels(loaded)) == ["usage"]


def test_a_line_channel_that_takes_the_same_messages_keeps_nothing_from_being_noted(tmp_path: Path) -> None:
    loaded = workspace(tmp_path, schedule=SCHEDULE.replace("SIU^*", "DFT^P03"))
    assert loaded.warnings == ()
