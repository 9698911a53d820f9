"""What the fields of the standard's segments are called, by version.

`field-names.csv` is the table, made from hl7apy's dictionaries (CRS4, MIT licence) by tests/support/field_names.py: a
field, the first and the last version in which it has a name, and the name. It ends with 2.8.2.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VERSIONS", "field_names"]

VERSIONS: Final = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")


@lru_cache(maxsize=4)
def field_names(version: str) -> Mapping[str, str]:
    """Field → name, as `FT1-10` → `Transaction quantity`; empty for a version that the table doesn't have.

    Args:
        version: MSH-12.1.
    """
    if version not in VERSIONS:
        return {}
    at = VERSIONS.index(version)
    table = files(__package__).joinpath("field-names.csv").read_text("utf-8")
    rows = csv.reader(table.splitlines()[1:])
    return {
        field: name
        for field, first, last, name in rows
        if VERSIONS.index(first) <= at <= (VERSIONS.index(last) if last else at)
    }
