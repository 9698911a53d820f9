"""The step `hook` of a channel: what `casecart check` says of it and of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.canonical import FIELDS
from casecart.runtime.kinds import installed_kinds
from casecart.workspace import Workspace, WorkspaceError, load
from support.line import CHANNEL, write_workspace

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "def hook(lines):\n    return lines\n"


def loaded(root: Path, source: str | None = GOOD, step: str = "hook: {file: hooks/ours.py}") -> Workspace:
    write_workspace(root, channel=CHANNEL.replace("  - route:", f"  - {step}\n  - route:"))
    if source is not None:
        (root / "hooks").mkdir()
        (root / "hooks/ours.py").write_text(source, "utf-8")
    return load(root, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})


def test_a_hook_is_read_with_its_limit(tmp_path: Path) -> None:
    workspace = loaded(tmp_path, step="hook: {file: hooks/ours.py, limit: 250ms}")
    step = workspace.channels["usage"].hook
    assert step is not None
    assert (str(step.hook.file), step.hook.limit, workspace.hooks) == ("hooks/ours.py", 0.25, {"hooks/ours.py": GOOD})


def test_a_channel_is_of_another_revision_when_its_hook_has_changed(tmp_path: Path) -> None:
    before = loaded(tmp_path).revision("usage")
    (tmp_path / "hooks/ours.py").write_text(GOOD + "# changed\n", "utf-8")
    after = load(tmp_path, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)}).revision("usage")
    assert before != after


@pytest.mark.parametrize(
    ("source", "step", "code", "file"),
    [
        (None, "hook: hooks/ours.py", "missing-file", "channels/usage.yaml"),
        (GOOD, "hook: {file: ../ours.py}", "bad-format", "channels/usage.yaml"),
        (GOOD, "hook: {file: hooks/ours.py, limit: 3s}", "out-of-range", "channels/usage.yaml"),
        ("def hook(lines:\n", "hook: hooks/ours.py", "bad-hook", "hooks/ours.py"),
        ("def other(lines):\n    pass\n", "hook: hooks/ours.py", "bad-hook", "hooks/ours.py"),
        ("def hook(lines, more):\n    pass\n", "hook: hooks/ours.py", "bad-hook", "hooks/ours.py"),
        ("\0", "hook: hooks/ours.py", "bad-hook", "hooks/ours.py"),
    ],
)
def test_what_is_wrong_with_a_hook_is_found(
    tmp_path: Path, source: str | None, step: str, code: str, file: str
) -> None:
    with pytest.raises(WorkspaceError) as error:
        loaded(tmp_path, source, step)
    assert [(finding.code, finding.place.file) for finding in error.value.findings] == [(code, file)]


def test_a_link_out_of_the_workspace_is_no_hook_of_it(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(GOOD, "utf-8")
    (tmp_path / "ws/hooks").mkdir(parents=True)
    (tmp_path / "ws/hooks/ours.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(WorkspaceError) as error:
        loaded(tmp_path / "ws", None)
    assert [finding.code for finding in error.value.findings] == ["missing-file"]
