"""What `casecart` tells the shell when it ends."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Exit"]


class Exit(IntEnum):
    """Exit codes; a script may rely on them."""

    FINE = 0
    WRONG = 1
    """What was asked about is wrong: findings, a message that was not accepted, something that is not there."""
    USAGE = 2
    """The command line itself."""
    CONFIGURATION = 3
    """The workspace can't be used, or there is none."""
    STORE = 4
    """The store can't be reached, or another engine is at work on it."""
    NETWORK = 5
    """Refused, not reached, no answer in time; or a port is taken."""
    FAULT = 70
    """casecart itself failed (EX_SOFTWARE)."""
    INTERRUPTED = 130
    """Ctrl-C."""
