"""An engine's store, watched from outside until nothing is left to do."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import TYPE_CHECKING

from casecart.store import open_store
from support import forked

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["rest", "status"]


def rest(store: str, *, within: float = 60.0) -> None:
    """Waits until nothing waits and nothing is on its way."""
    give_up = time.monotonic() + within
    with closing(open_store(store, role="reader")) as reader:
        while any(reader.waiting_counts().values()) or reader.open_counts():
            assert time.monotonic() < give_up, f"not at rest: {reader.waiting_counts()}, {reader.open_counts()}"
            time.sleep(0.05)


def status(workspace: Path) -> dict[str, dict[str, object]]:
    """What `casecart status --json` says."""
    told = forked.run("status", "-w", str(workspace), "--json", check=True)
    said: dict[str, dict[str, object]] = json.loads(told.stdout)
    return said
