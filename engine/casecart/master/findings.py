"""What can be wrong between the tables of an import; what is wrong within a file has the codes of the workspace."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CODES", "MOST_FINDINGS"]

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "duplicate-table": "Two files of one import are the same table; only one of them can be all of it.",
        "duplicate-row": "Two lines of a file speak of the same thing; keep one of them.",
        "duplicate-identifier": "A number is one of two items on the same day; only a charge code may be.",
        "two-quantities": "A number names different quantities of its item on one day; which is right can't be told.",
        "cyclic-substitute": "Items are substitutes of each other in a circle.",
    }
)
"""Every code that the workspace's findings have not, with one line that explains it; docs are made from this."""

MOST_FINDINGS: Final = 100
"""More mistakes than these are counted as one."""
