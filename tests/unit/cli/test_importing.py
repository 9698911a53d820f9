"""Mistakes in what is imported are told as such, with the file as it was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.cli.main import run
from support.new_workspace import new_workspace

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_mistake_in_a_file_is_told_by_the_name_that_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    new_workspace(tmp_path / "ws")
    (tmp_path / "items.csv").write_text("item,status\nA,gone\n", "utf-8")
    assert run(["master", "import", "items.csv", "--from", "erp", "-w", "ws"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "items.csv:2:2 error table-row column status: write one of active and inactive",
        "Error: nothing was written: 1 mistake in 1 file",
    ]


def test_a_mistake_in_the_workspace_is_none_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    new_workspace(tmp_path / "ws")
    (tmp_path / "ws" / "config" / "ownership.yaml").write_text("owners: [", "utf-8")
    (tmp_path / "items.csv").write_text("item\nA\n", "utf-8")
    assert run(["master", "import", "items.csv", "--from", "erp", "-w", "ws"]) == 3
    assert capsys.readouterr().err.startswith("ws/config/ownership.yaml:")
