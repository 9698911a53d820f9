"""What is read of a workspace, however the rest of it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.commands.site import NotAWorkspace, read_site
from casecart.commands.workspace import check, make_workspace
from casecart.workspace import WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = """\
organisation: MERCY
facilities:
  NORTH: {time_zone: America/Chicago}
listeners:
  or-mllp: {kind: mllp, port: 2575}
destinations:
  erp: {kind: rest}
"""


def written(root: Path, text: str) -> Path:
    (root / "config").mkdir()
    (root / "config" / "engine.yaml").write_text(text, "utf-8")
    return root


def test_names_and_zones_are_read(tmp_path: Path) -> None:
    site = read_site(written(tmp_path, ENGINE))
    assert (site.organisation, site.time_zones) == ("MERCY", {"NORTH": "America/Chicago"})
    assert (site.listeners, site.destinations) == ({"or-mllp": "mllp"}, {"erp": "rest"})


def test_a_sqlite_path_begins_at_the_workspace(tmp_path: Path) -> None:
    root = written(tmp_path, ENGINE)
    assert read_site(root).store_url == f"sqlite:///{tmp_path}/var/casecart.db"
    (root / "config" / "engine.yaml").write_text(ENGINE + "store: sqlite:////srv/x.db\n", "utf-8")
    assert read_site(root).store_url == "sqlite:////srv/x.db"


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("postgresql://me@db/casecart", "postgresql://me@db/casecart?password=a%26b%20%2Fc"),
        ("postgresql://me@/x?host=/run", "postgresql://me@/x?host=/run&password=a%26b%20%2Fc"),
    ],
)
def test_a_password_is_put_in_and_never_shown(tmp_path: Path, url: str, whole: str) -> None:
    store = f'store: {{url: "{url}", password: {{env: DB}}}}\n'
    site = read_site(written(tmp_path, ENGINE + store), {"DB": "a&b /c"})
    assert site.store_url == whole
    assert "a%26b" not in repr(site)
    assert "a%26b" not in site.store_place


def test_mistakes_elsewhere_in_the_workspace_do_not_matter(tmp_path: Path) -> None:
    broken = ENGINE.replace("kind: mllp", "kind: mlp").replace("NORTH:", "NORTH-: !x") + "sotre: x\n"
    root = written(tmp_path, broken)
    (root / "channels").mkdir()
    (root / "channels" / "a.yaml").write_text("channel: [", "utf-8")
    assert check(root).errors
    assert read_site(root).destinations == {"erp": "rest"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("organisation: [", "yaml-syntax"),
        ("- a\n", "expected-keys"),
        ("", "empty-value"),
        (ENGINE + "store: mysql://x\n", "bad-format"),
        (ENGINE + "store: {url: postgresql://a@b/c, password: {env: NOT_SET}}\n", "secret-missing"),
        (ENGINE + "store: postgresql://a:b@c/d\n", "secret-literal"),
    ],
)
def test_a_configuration_without_a_store_is_a_finding(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(WorkspaceError) as error:
        read_site(written(tmp_path, text), {})
    assert code in [finding.code for finding in error.value.findings]
    assert {finding.place.file for finding in error.value.findings} == {"config/engine.yaml"}


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_a_folder_that_is_no_workspace_is_told_from_one_with_mistakes(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "ws"
    if kind == "file":
        root.write_text("", "utf-8")
    elif kind == "empty":
        root.mkdir()
    for reading in (read_site, check):
        with pytest.raises(NotAWorkspace, match=r"casecart init|is a file"):
            reading(root)


def test_a_new_workspace_has_nothing_wrong_and_a_store(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    written_files = make_workspace(root)
    assert "config/engine.yaml" in written_files
    assert check(root).findings == ()
    assert (root / "var" / "casecart.db").is_file()
    assert (root / "var" / "secrets" / "keys").stat().st_mode & 0o777 == 0o600
