"""The data types of the fields of the standard's segments.

`field-types.csv` is the table, made from hl7apy's dictionaries (CRS4, MIT licence) by tests/support/field_types.py: a
field, and its data type in the newest version that has the field. It ends with 2.8.2.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["field_types"]


@cache
def field_types() -> Mapping[str, str]:
    """Field → data type, as `FT1-10` → `NM`; OBX-5 is not there, for its type stands in OBX-2."""
    table = files(__package__).joinpath("field-types.csv").read_text("utf-8")
    return dict(csv.reader(table.splitlines()[1:]))
