"""The ledger's fold: what a new statement about a line makes necessary, given what has been stated before.

For now a line takes one statement. A later one is held for a person, because to post it would need the fold of events
into a target, which is not there yet (docs/limitations.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["LATER_STATEMENT", "first_revision"]

LATER_STATEMENT = "later-statement"
"""Code of the exception for a second statement about a line."""


def first_revision(stated: Collection[tuple[str, str]], line: str, destination: str) -> int | None:
    """The revision to post, or None when the line has been stated to that destination before.

    Args:
        stated: (line, destination) of every posting of the case.
        line: the line's id within the case.
        destination: where it would be posted.
    """
    return None if (line, destination) in stated else 1
