"""The reference workspace: the one in this repository, which `casecart init` copies."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FOLDERS", "root"]

FOLDERS = ("config", "channels", "mappings", "samples")
"""What belongs to the reference workspace, below its root."""


def root() -> Path:
    """The folder that holds it: beside this file in an installed wheel, else the root of the checkout."""
    here = Path(__file__).resolve().parent
    return here if (here / "config" / "engine.yaml").is_file() else here.parents[3]
