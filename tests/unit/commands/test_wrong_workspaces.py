"""What `casecart check` prints of workspaces that are wrong, word for word: wrong_workspaces.yaml has them."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from casecart.commands.workspace import check
from casecart.workspace import CODES
from support.findings_page import BOOK, CODE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CASES = BOOK["cases"]


def written(root: Path, case: Mapping[str, Any]) -> Path:
    """The base with the case's changes."""
    files: dict[str, Any] = {**BOOK["base"], **case.get("files", {})}
    for name, (before, after) in case.get("change", {}).items():
        file = name.partition("#")[0]
        assert before in files[file], f"{before!r} is not in {file}"
        files[file] = files[file].replace(before, after, 1)
    for file, content in files.items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, "utf-8")
        elif "bytes" in content:
            path.write_bytes(content["bytes"].encode("latin-1"))
        elif "repeat" in content:
            path.write_text(f"{content['repeat']}\n" * content["times"], "utf-8")
        else:
            path.mkdir()
    return root


def test_in_the_base_nothing_is_wrong(tmp_path: Path) -> None:
    assert check(written(tmp_path, {}), tests=True).findings == ()


@pytest.mark.parametrize("case", CASES, ids=[case["wrong"] for case in CASES])
def test_a_wrong_workspace_has_exactly_these_findings(tmp_path: Path, case: Mapping[str, Any]) -> None:
    found = [str(finding) for finding in check(written(tmp_path, case), tests=True).findings]
    assert [line.replace(version("casecart"), "VERSION") for line in found] == case["finds"]


def test_the_book_has_a_case_for_every_code_that_check_can_tell() -> None:
    assert len(CASES) >= 60
    told = {found[1] for case in CASES for line in case["finds"] if (found := CODE.search(line))}
    assert told == CODES.keys() - BOOK["elsewhere"].keys()
