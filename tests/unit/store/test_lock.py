"""The lock that keeps a second engine from a SQLite store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.store import StoreInUse
from casecart.store.lock import FileLock, is_held

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    folder = tmp_path / "real"
    folder.mkdir()
    path = folder / "casecart.db"
    path.touch()
    return path


def test_a_lock_is_seen_as_long_as_it_is_held(database: Path) -> None:
    assert not is_held(database)
    lock = FileLock(database)
    assert is_held(database)
    lock.release()
    assert not is_held(database)


def test_a_lock_is_seen_behind_a_symbolic_link(database: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(database.parent)
    lock = FileLock(database)
    assert is_held(link / database.name)
    (tmp_path / "casecart.db").symlink_to(database)
    assert is_held(tmp_path / "casecart.db")
    lock.release()


def test_a_second_lock_is_refused(database: Path) -> None:
    lock = FileLock(database)
    with pytest.raises(StoreInUse):
        FileLock(database)
    lock.release()
