"""A revision is the very files that were looked at: the workspace that comes of it is the one that went in."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from casecart.runtime.revision import revised, revision_of, take
from casecart.store import Damaged, Revision, encode_files
from casecart.workspace import WorkspaceError, initialise
from casecart.workspace.files import Folder

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.runtime.revision import Taken

TEMPLATED = """
  http:
    kind: rest
    url: "http://127.0.0.1:9/usage"
    body: {file: config/usage.json.j2}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with all that a revision may have: mappings, tables, a hook, a template."""
    initialise(tmp_path)
    engine = tmp_path / "config/engine.yaml"
    engine.write_text(engine.read_text().replace("\ndestinations:", f"\ndestinations:{TEMPLATED}", 1))
    (tmp_path / "config/usage.json.j2").write_text("{{ postings | length }}")
    (tmp_path / "hooks").mkdir(exist_ok=True)
    (tmp_path / "hooks/as-is.py").write_text("def hook(lines):\n    return lines\n")
    channel = tmp_path / "channels/or-usage.yaml"
    channel.write_text(
        channel.read_text().replace("  - map: dft-usage\n", "  - map: dft-usage\n  - hook: hooks/as-is.py\n")
    )
    return tmp_path


def a_revision(taken: Taken) -> Revision:
    return revision_of(taken, number=1, kind="apply", recorded_at=1, actor="ann")


def test_a_revision_has_every_file_that_was_read_and_no_secret_sample_or_test(root: Path) -> None:
    taken = take(root)
    assert taken.files.keys() == taken.workspace.digests.keys()
    assert {
        "config/engine.yaml",
        "config/usage.json.j2",
        "hooks/as-is.py",
        "mappings/dft-usage.yaml",
    } < taken.files.keys()
    kinds = {"/".join(file.split("/")[:-1]) for file in taken.files}
    assert kinds == {"config", "channels", "mappings", "mappings/tables", "hooks"}
    assert not any(".test." in file for file in taken.files)


def test_the_workspace_of_a_revision_is_the_one_that_went_in_whatever_becomes_of_the_files(root: Path) -> None:
    taken = take(root)
    for folder in ("config", "channels", "mappings", "hooks"):
        shutil.rmtree(root / folder)
    again = revised(a_revision(taken), root)
    assert again.files == taken.files
    assert again.workspace == taken.workspace
    channel = again.workspace.channels["or-usage"]
    assert str(channel.at("accept")).startswith("channels/or-usage.yaml:")
    assert again.workspace.texts == {"config/usage.json.j2": "{{ postings | length }}"}


def test_mistakes_in_a_revision_are_told_at_their_places_in_the_files(root: Path) -> None:
    files = {**take(root).files, "channels/or-usage.yaml": b"channel: or-usage\nfrom: [or-mlp]\n"}
    broken = a_revision(take(root))
    broken = broken._replace(files=encode_files(files), digest=replace(take(root), files=files).digest)
    with pytest.raises(WorkspaceError) as caught:
        revised(broken, root)
    assert {finding.place.file for finding in caught.value.findings} == {"channels/or-usage.yaml"}


def test_files_that_are_not_those_whose_digest_was_kept_are_damaged(root: Path) -> None:
    files = {**take(root).files, "channels/or-usage.yaml": b"another"}
    with pytest.raises(Damaged, match="revision 1 came out of the store damaged"):
        revised(a_revision(take(root))._replace(files=encode_files(files)), root)


def test_a_file_that_vanishes_while_it_is_read_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Folder.names

    def vanishing(folder: Folder, name: str) -> list[str]:
        names = listed(folder, name)
        if name == "channels":
            os.unlink(root / "channels/or-usage.yaml")  # noqa: PTH108 - as another program does
        return names

    monkeypatch.setattr(Folder, "names", vanishing)
    with pytest.raises(WorkspaceError) as caught:
        take(root)
    assert [(finding.place.file, finding.code) for finding in caught.value.findings] == [
        ("channels/or-usage.yaml", "missing-file")
    ]


@pytest.mark.parametrize("content", [None, b"\xff", b"x" * 2_000_000])
def test_a_template_that_is_not_there_or_no_text_or_huge_is_found_where_it_is_named(
    root: Path, content: bytes | None
) -> None:
    (root / "config/usage.json.j2").unlink()
    if content is not None:
        (root / "config/usage.json.j2").write_bytes(content)
    with pytest.raises(WorkspaceError) as caught:
        take(root)
    (finding,) = caught.value.findings
    assert finding.place.file == "config/engine.yaml"
    assert "config/usage.json.j2" in finding.message
