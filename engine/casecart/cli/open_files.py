"""How many files and connections this process may have open at once."""

from __future__ import annotations

import resource

__all__ = ["raise_limit"]


def raise_limit() -> None:
    """As many as the system allows: its soft limit is for programs that keep what is open in a bit set.

    With 1,024, the usual soft limit, as many connections would leave no file for the store and the destinations.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # macOS calls it unlimited, and takes less
        return
