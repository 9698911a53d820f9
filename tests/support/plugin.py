"""Kinds of listeners and destinations that only the tests have, installed as other people's packages are."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from casecart.runtime.kinds import destination_specs, listener_specs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["environment", "installed"]

TESTS = Path(__file__).parents[1]
KINDS = TESTS / "support" / "kinds"
"""Not on the path of the other tests: to them, there are the kinds that casecart ships."""


@contextmanager
def installed() -> Iterator[None]:
    """In this process, until the end of the `with`."""
    _forget()
    sys.path.insert(0, str(KINDS))
    try:
        yield
    finally:
        sys.path.remove(str(KINDS))
        _forget()


def environment() -> dict[str, str]:
    """For a process that is to have them."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(KINDS), str(TESTS)])}


def _forget() -> None:
    listener_specs.cache_clear()
    destination_specs.cache_clear()
