"""Revisions of a workspace, put into its store as a person applies them."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from casecart.runtime.clock import wall_clock
from casecart.runtime.revision import revision_of, take
from casecart.store import Change, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.store import Running

__all__ = ["applied", "running", "until_run"]


def applied(root: Path, store: str, *, due_at: int | None = None) -> int:
    """Applies the files in the folder; gives the number of the revision."""
    with closing(open_store(store, role="person")) as person:
        number = 1 + next((head.number for head in person.revisions(None, 1)), 0)
        revision = revision_of(
            take(root), number=number, kind="apply", recorded_at=wall_clock(), actor="anna", due_at=due_at
        )
        person.write(Change(revisions=[revision]))
    return number


def running(store: str) -> list[Running]:
    """What engines say that they run."""
    with closing(open_store(store, role="reader")) as reader:
        return reader.running()


def until_run(store: str, number: int, *, within: float = 20.0, engines: int = 1) -> None:
    """Waits until so many engines run a revision."""
    end = time.monotonic() + within
    while sum(each.number == number for each in running(store)) < engines:
        assert time.monotonic() < end, running(store)
        time.sleep(0.02)
