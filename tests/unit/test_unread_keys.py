"""A key that is declared and that no code reads is found, whatever else has its name."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support import unread_keys
from support.checkout import ROOT
from support.unread_keys import Attribute, dependants, unread

if TYPE_CHECKING:
    from pathlib import Path

DECLARED = """
class Port:
    interface: str
    def check(self) -> bool: return bool(self.interface)

class Peer(Port):
    facility: str
    charset: str
    planted: str
    proxied: str
    def check(self) -> bool: return bool(self.planted)

class Other:
    planted: str
"""
READING = """
from declared import Other, Peer, Port

def use(peers: dict[str, Peer], port: Port, other: Other) -> list[str]:
    return [each.charset for each in peers.values()] + [port.interface, other.planted]

class Held:
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def facility(self) -> str:
        return self._peer.facility
"""


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Mypy's cache of a small program, and its folder."""
    root = tmp_path_factory.mktemp("program")
    (root / "declared.py").write_text(DECLARED, "utf-8")
    (root / "reading.py").write_text(READING, "utf-8")
    flags = ["--config-file=", "--cache-fine-grained", f"--cache-dir={root / 'cache'}"]
    subprocess.run([sys.executable, "-m", "mypy", *flags, "declared.py", "reading.py"], cwd=root, check=True)
    (cache,) = (root / "cache").glob("3.*")
    return cache, root


FAMILY = frozenset({"declared.Peer", "declared.Port"})
KEYS = [Attribute("declared.Peer", name, FAMILY) for name in ("facility", "charset", "planted", "proxied", "interface")]


def test_a_planted_key_is_found_though_its_check_reads_it_and_another_class_has_one_of_its_name(
    noted: tuple[Path, Path],
) -> None:
    cache, root = noted
    assert unread(KEYS, dependants(cache, [root])) == ["declared.Peer.planted", "declared.Peer.proxied"]


def test_code_that_is_not_there_any_more_reads_nothing(noted: tuple[Path, Path], tmp_path: Path) -> None:
    cache, _ = noted
    assert unread(KEYS[:1], dependants(cache, [tmp_path])) == ["declared.Peer.facility"]


def test_what_is_said_to_be_read_by_its_name_is_read_there() -> None:
    there = {name: words in (ROOT / file).read_text("utf-8") for name, (file, words) in unread_keys.BY_NAME.items()}
    assert [name for name, found in there.items() if not found] == []


def test_every_key_of_every_shipped_declaration_is_looked_for() -> None:
    names = {f"{each.owner.rpartition('.')[2]}.{each.name}" for each in unread_keys.declared()}
    assert len(names) > 200
    assert {"Peer.charset", "Channel.sources", "FieldMapping.sign", "TrytonSettings.units"} <= names
