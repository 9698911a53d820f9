"""The files of this checkout."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["ROOT", "files"]

ROOT = Path(__file__).parents[2]
NOT_OURS = {"__pycache__", "build", "dist", "var"}


def files(pattern: str = "*") -> list[Path]:
    """Every file that is committed or about to be; without git, every file but caches and what tools made.

    Args:
        pattern: Of the file's name, as `Path.match` takes it: `*.py`, `channels/*.yaml`.
    """
    asked = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = _walk()
    found = (ROOT / name for name in listed if name)
    return sorted(path for path in found if path.is_file() and path.match(pattern))


def _walk() -> list[str]:
    listed = []
    for folder, below, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        below[:] = [name for name in below if name not in NOT_OURS and (here / name == Path(".ci") or name[0] != ".")]
        listed += [str(here / name) for name in names]
    return listed
