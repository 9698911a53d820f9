"""The rules of the house that no linter knows."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.checkout import ROOT, files

SOURCE_ROOTS = [ROOT / name for name in ("engine", "listeners", "destinations")]
REFERENCE = ["config", "channels", "mappings", "samples"]
LONGEST_MODULE = 450

# Which package index is used is the reader's choice and stands in the settings of their pip.
INDEX_HOSTS = re.compile(
    r"\b(py[p]i\.(org|python)|python[h]osted\.|npm[j]s\.|yarn[p]kg\.|crates[.]io|proxy[.]golang)"
    r"|\b(deb|security)\.debian\.|\barchive\.ubuntu\."
)


def engine_files(pattern: str) -> list[Path]:
    return [path for path in files(pattern) if any(root in path.parents for root in SOURCE_ROOTS)]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_casecart_stays_a_namespace_package() -> None:
    # One __init__.py there, and Python sees the rooms of that source root only.
    assert [named(path) for path in engine_files("casecart/__init__.py")] == []


def test_every_room_is_a_typed_package() -> None:
    rooms = {path.parent for path in engine_files("casecart/*/*.py")}
    assert rooms
    assert [named(room) for room in sorted(rooms) if not (room / "py.typed").exists()] == []
    assert [named(room) for room in sorted(rooms) if not (room / "__init__.py").exists()] == []


def test_no_module_is_too_long_to_read() -> None:
    lengths = {named(path): len(path.read_text("utf-8").splitlines()) for path in engine_files("*.py")}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_file_names_a_package_index() -> None:
    naming = [named(path) for path in files() if INDEX_HOSTS.search(path.read_text("utf-8", errors="replace"))]
    assert naming == []


def test_every_ignore_in_the_project_file_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    rules = tomllib.loads(text)["tool"]["ruff"]["lint"]
    ignored = sum(len(codes) for codes in [rules["ignore"], *rules["per-file-ignores"].values()])
    assert len(re.findall(r'^ +"[A-Z]+[0-9]*", +# \w', text, re.MULTILINE)) == ignored


def test_every_ignore_in_the_code_says_why() -> None:
    reasoned = re.compile(r"# (noqa: [A-Z0-9, ]+[-(: ]+[A-Za-z]|type: ignore\[[a-z0-9, -]+\] +# *\w)")
    silent = [
        f"{named(path)}:{token.start[0]} {token.string}"
        for path in files("*.py")
        for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
        if token.type == tokenize.COMMENT
        and re.search(r"# ?(noqa|type: ?ignore)", token.string)
        and not reasoned.search(token.string)
    ]
    assert silent == []


def test_no_test_is_skipped_behind_continuous_integrations_back() -> None:
    # support.require turns a skip into a failure where nothing may be missing.
    skip = re.compile(r"\b(pytest\.skip|importorskip|mark\.skip)\b")
    allowed = {Path(__file__), ROOT / "tests" / "support" / "require.py", ROOT / "tests" / "conftest.py"}
    tests = (path for path in files("*.py") if ROOT / "tests" in path.parents and path not in allowed)
    assert [named(path) for path in tests if skip.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("lock", ["runtime", "dev"])
def test_the_lock_holds_what_the_project_asks_for_and_every_hash(lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = project["project"]["dependencies"]
    if lock == "dev":
        asked = [*asked, *project["dependency-groups"]["dev"]]
    text = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and line[0] not in " #"]
    pinned = {}
    for line in lines:
        requirement, *hashes = line.split("--hash=sha256:")
        pin = Requirement(requirement)
        assert hashes, f"{pin.name} has no hash"
        pinned[canonicalize_name(pin.name)] = next(iter(pin.specifier)).version
    wanted = [Requirement(requirement) for requirement in asked]
    unmet = [str(it) for it in wanted if not it.specifier.contains(pinned.get(canonicalize_name(it.name), "0"))]
    assert unmet == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that this checkout builds."""
    made = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(made)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True)
    (found,) = made.glob("casecart-*.whl")
    return found


def test_the_wheel_holds_every_module_and_the_reference_workspace(wheel: Path) -> None:
    modules = {
        str(path.relative_to(root)) for root in SOURCE_ROOTS for path in engine_files("*") if root in path.parents
    }
    workspace = {
        f"casecart/workspace/reference/{named(path)}"
        for path in files()
        if path.relative_to(ROOT).parts[0] in REFERENCE
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("casecart/")}
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        about = message_from_string(archive.read(metadata).decode())
    assert held == modules | workspace
    assert about["License-Expression"] == "Apache-2.0"


def test_an_installed_casecart_brings_its_own_reference_workspace(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    ask = "from casecart.workspace import reference; print(reference.root())"
    told = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        text=True,
    )
    root = Path(told.stdout.strip())
    assert tmp_path in root.parents
    assert sorted(path.name for path in root.iterdir() if path.name in REFERENCE) == sorted(REFERENCE)
