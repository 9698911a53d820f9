"""A workspace folder to write into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

from casecart.canonical import FIELDS
from casecart.workspace import Kinds, Workspace, load
from support.small_workspace import FILES, KINDS, Http

if TYPE_CHECKING:
    from pathlib import Path

Load = Callable[..., Workspace]


@pytest.fixture
def kinds() -> Kinds:
    """The kinds that the small workspace uses, and the one that the reference workspace has besides."""
    return Kinds({**KINDS.listeners, "http": Http}, KINDS.destinations)


@pytest.fixture
def workspace(tmp_path: Path) -> Load:
    """Writes a small good workspace, changed as asked (None removes a file), and loads it."""

    def write(changes: Mapping[str, str | bytes | None] | None = None) -> Workspace:
        for file, content in {**FILES, **(changes or {})}.items():
            path = tmp_path / file
            if content is None:
                path.unlink(missing_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(tmp_path, kinds=KINDS, document_fields={"Usage": frozenset(FIELDS)})

    return write
