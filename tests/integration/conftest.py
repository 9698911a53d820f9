"""What tests of the shipped workspace share: it is prepared once, and each test has a line of its own in a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.shipped import Shipped, prepare, shipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped workspace, with its master data in a store; not to be changed."""
    root = tmp_path_factory.mktemp("shipped")
    prepare(root)
    return root


@pytest.fixture
def line(prepared: Path, tmp_path: Path) -> Iterator[Shipped]:
    """The shipped channels at work; both balances are exact in the end."""
    made = shipped(prepared, tmp_path / "ws")
    yield made
    assert made.broken == []
    assert made.balance() == (0, 0)
    made.stop()
