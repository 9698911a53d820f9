"""What `casecart init` makes, made once and copied."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from casecart.commands.workspace import make_workspace

__all__ = ["new_workspace"]


def new_workspace(root: Path) -> None:
    """A new workspace with its secrets and an empty store; its secrets are those of the others."""
    shutil.copytree(_made_once(), root, dirs_exist_ok=True)


@cache
def _made_once() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="casecart-workspace-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_workspace(folder / "ws")
    return folder / "ws"
