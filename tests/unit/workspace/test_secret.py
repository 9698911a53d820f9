"""Secrets: revealed from the environment or a file, and missing in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from casecart.workspace import Place, Secret, WorkspaceError

PLACE = Place("config/engine.yaml", 5, 9)


def test_a_secret_comes_from_the_environment(tmp_path: Path) -> None:
    assert Secret(env="KEY").reveal({"KEY": " made up "}, tmp_path) == " made up "


@pytest.mark.parametrize("content", ["made up", "made up\n", "made up\r\n"])
def test_a_secret_comes_from_a_file_without_its_line_end(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_bytes(content.encode())
    assert Secret(file="key").reveal({}, tmp_path) == "made up"
    assert Secret(file=str(tmp_path / "key")).reveal({}, Path("/nowhere")) == "made up"


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (Secret(env="KEY", place=PLACE), "the environment variable KEY is not set"),
        (Secret(env="EMPTY", place=PLACE), "the environment variable EMPTY is not set"),
        (Secret(file="missing", place=PLACE), "the file missing could not be read (no such file or directory)"),
        (Secret(file="folder", place=PLACE), "the file folder could not be read (is a directory)"),
        (Secret(file="nul\0", place=PLACE), "could not be read"),
        (Secret(file="empty", place=PLACE), "the file empty is empty"),
        (Secret(file="binary", place=PLACE), "the file binary is not UTF-8 text"),
    ],
)
def test_a_missing_secret_is_a_finding_where_it_is_referred_to(tmp_path: Path, secret: Secret, words: str) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder").mkdir()
    with pytest.raises(WorkspaceError) as raised:
        secret.reveal({"EMPTY": ""}, tmp_path)
    (finding,) = raised.value.findings
    assert (finding.place, finding.code) == (PLACE, "secret-missing")
    assert words in finding.message


def test_a_secret_shows_no_more_than_where_it_is_kept() -> None:
    assert repr(Secret(env="KEY", place=PLACE)) == "Secret(env='KEY', file=None)"
