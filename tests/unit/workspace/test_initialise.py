"""`casecart init`: a workspace of one's own that loads as it is."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from casecart.canonical import FIELDS
from casecart.workspace import Kinds, WorkspaceError, initialise, load, reference

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_workspace_loads_and_has_its_secrets(tmp_path: Path, kinds: Kinds) -> None:
    target = tmp_path / "deep" / "new"
    written = initialise(target)
    loaded = load(target, kinds=kinds, document_fields={"Usage": frozenset(FIELDS)})
    keys, tokens = (secret.reveal({}, target) for secret in (loaded.engine.secrets.keys, loaded.engine.secrets.tokens))
    assert len(keys) == len(tokens) == 64
    assert keys != tokens
    assert "samples/hl7v2/dft-hip-stem.hl7" in written
    assert sorted(written) == sorted(
        path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()
    )


def test_the_copy_is_byte_for_byte(tmp_path: Path) -> None:
    initialise(tmp_path)
    sample = "samples/hl7v2/dft-hip-stem.hl7"
    assert (tmp_path / sample).read_bytes() == (reference.root() / sample).read_bytes()
    assert b"\r" in (tmp_path / sample).read_bytes()


def test_the_secrets_are_for_their_owner_and_not_for_git(tmp_path: Path) -> None:
    initialise(tmp_path)
    for secret in ("keys", "tokens"):
        assert stat.S_IMODE((tmp_path / "var" / "secrets" / secret).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "var" / "secrets").stat().st_mode) == 0o700
    assert "var/" in (tmp_path / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    with pytest.raises(WorkspaceError) as raised:
        initialise(tmp_path)
    assert [finding.code for finding in raised.value.findings] == ["folder-not-empty"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_fresh_git_repository_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert initialise(tmp_path)


def test_where_nothing_can_be_written_the_reason_is_given(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError) as raised:
        initialise(tmp_path / "file" / "below")
    (finding,) = raised.value.findings
    assert finding.code == "unwritable"
    assert "not a directory" in finding.message
