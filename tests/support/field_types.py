"""Makes the table of field types, `engine/casecart/formats/hl7v2/field-types.csv`, from hl7apy's dictionaries.

`PYTHONPATH=tests python -m support.field_types` makes it anew. hl7apy is CRS4's, under the MIT licence.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from casecart.formats.hl7v2.field_names import VERSIONS

__all__ = ["TABLE", "made_anew"]

# Withdrawn, or none that says anything.
_NONE = frozenset({"", "WD", "CM", "VARIES", "TYPES"})

TABLE = Path(__file__).parents[2] / "engine/casecart/formats/hl7v2/field-types.csv"


def made_anew() -> str:
    """The table: a field, and the data type that it has in the newest version that has the field."""
    types: dict[str, str] = {}
    for version in reversed(VERSIONS):
        fields = importlib.import_module(f"hl7apy.v{version.replace('.', '_')}.fields").FIELDS
        for field, described in fields.items():
            name = str(described[2] or "").upper().removeprefix("CM_")
            if name not in _NONE:
                types.setdefault(field.replace("_", "-"), name)
    numbered = sorted(types, key=lambda field: (field[:3], int(field[4:])))
    return "\n".join(["field,type", *(f"{field},{types[field]}" for field in numbered)]) + "\n"


if __name__ == "__main__":
    TABLE.write_text(made_anew(), "utf-8")
