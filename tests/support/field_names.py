"""Makes the table of field names, `engine/casecart/formats/hl7v2/field-names.csv`, from hl7apy's dictionaries.

`PYTHONPATH=tests python -m support.field_names` makes it anew. hl7apy is CRS4's, under the MIT licence.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from casecart.formats.hl7v2.field_names import VERSIONS

__all__ = ["TABLE", "made_anew"]

TABLE = Path(__file__).parents[2] / "engine/casecart/formats/hl7v2/field-names.csv"

# Words of names that stay in capitals, beside the names of segments.
_CAPITALS = re.compile(
    "BP|CDM|CMS|CPU|DEA|DMV|DRG|HCFA|HL7|IDS?|IRB|IV|MD|ML|NDC|PRN|QRY|RX|SSN|TEL|UB(82|92)?|UDI|UID|VAT|VIP"
)
_WORDS = frozenset({"CON", "LOC", "ORG", "REL"})  # segments too, and in names they mean something else


def made_anew() -> str:
    """The table: field, first and last version with this name, the name; no last version: up to the newest."""
    names: dict[str, list[tuple[int, int, str]]] = {}
    segments: set[str] = set()
    for index, version in enumerate(VERSIONS):
        fields = importlib.import_module(f"hl7apy.v{version.replace('.', '_')}.fields").FIELDS
        for field, described in fields.items():
            segments.add(field[:3])
            runs = names.setdefault(field.replace("_", "-"), [])
            name = " ".join(re.split(r"[_ ]+", described[3].replace("PERSO   N", "PERSON").replace("IO   N", "ION")))
            if runs and runs[-1][1:] == (index - 1, name):
                runs[-1] = (runs[-1][0], index, name)
            else:
                runs.append((index, index, name))
    lines = ["field,first,last,name"]
    for field in sorted(names, key=lambda field: (field[:3], int(field[4:]))):
        for first, last, name in names[field]:
            until = "" if last == len(VERSIONS) - 1 else VERSIONS[last]
            lines.append(f"{field},{VERSIONS[first]},{until},{_sentence(name, segments)}")
    return "\n".join(lines) + "\n"


def _sentence(name: str, segments: set[str]) -> str:
    words = [word if _CAPITALS.fullmatch(word) or word in segments - _WORDS else word.lower() for word in name.split()]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


if __name__ == "__main__":
    TABLE.write_text(made_anew(), "utf-8")
