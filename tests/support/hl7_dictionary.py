"""Makes the dictionary of HL7 v2, `engine/casecart/formats/hl7v2/dictionary.json.gz`, from hl7apy's.

`make hl7-dictionary` makes it anew. hl7apy is CRS4's, under the MIT licence.
"""

from __future__ import annotations

import gzip
import importlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from casecart.formats.hl7v2.dictionary import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["TABLE", "made_anew"]

TABLE = Path(__file__).parents[2] / "engine/casecart/formats/hl7v2/dictionary.json.gz"

_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_WITHDRAWN: Final = "-"
_NONE_AT_ALL: Final = (0, 0)  # how often a withdrawn field may be there


def made_anew() -> str:
    """The table, as text of JSON; its form is told in `casecart.formats.hl7v2.dictionary`."""
    table: dict[str, dict[str, list[list[int | str | None]]]] = {"segments": {}, "types": {}, "messages": {}}
    for index, version in enumerate(VERSIONS):
        for sort, said in _said(f"hl7apy.v{version.replace('.', '_')}").items():
            for name in table[sort].keys() | said.keys():
                runs = table[sort].setdefault(name, [])
                text = said.get(name)
                if text != (runs[-1][1] if runs else None):
                    runs.append([index, text])
    ordered = {sort: {name: runs[name] for name in sorted(runs)} for sort, runs in table.items()}
    return json.dumps(ordered, indent=0) + "\n"


def _said(package: str) -> dict[str, dict[str, str]]:
    segments = importlib.import_module(f"{package}.segments").SEGMENTS
    types = importlib.import_module(f"{package}.datatypes").DATATYPES_STRUCTS
    messages = importlib.import_module(f"{package}.messages").MESSAGES
    groups = importlib.import_module(f"{package}.groups").GROUPS
    inside = {name: [*_segments(told, groups, frozenset({name}))] for name, told in messages.items()}
    return {
        "segments": {
            name: _numbered(_children(told), marks=True) for name, told in segments.items() if _SEGMENT.fullmatch(name)
        },
        "types": {name: _numbered(told, marks=False) for name, told in types.items()},
        # A message that may hold any segment says nothing of which it can't.
        "messages": {
            name: " ".join(dict.fromkeys(found))
            for name, found in inside.items()
            if all(map(_SEGMENT.fullmatch, found))
        },
    }


def _numbered(children: Iterable[Any], *, marks: bool) -> str:
    """The types of fields or components, by their numbers; what a number lacks was withdrawn."""
    said: dict[int, str] = {}
    for name, told, (least, most), _ in children:
        type_name = _WITHDRAWN if told[2] == "WD" or (least, most) == _NONE_AT_ALL else str(told[2] or "varies")
        repeats = "*" if marks and most != 1 and type_name != _WITHDRAWN else ""
        said[int(name.rpartition("_")[2])] = f"{type_name}{repeats}"
    return " ".join(said.get(number, _WITHDRAWN) for number in range(1, max(said, default=0) + 1))


def _children(told: Any) -> Iterable[Any]:  # noqa: ANN401 - as hl7apy has it
    """What stands in a segment, group or message; in hl7apy an only child sometimes stands there by itself."""
    children = told[1] if len(told) > 1 else ()
    return (children,) if children and isinstance(children[0], str) else children


def _segments(told: Any, groups: Mapping[str, Any], above: frozenset[str]) -> Iterator[str]:  # noqa: ANN401 - as hl7apy has it
    for name, _, _, sort in _children(told):
        if sort == "SEG":
            yield name
        elif name not in above:
            yield from _segments(groups[name], groups, above | {name})


if __name__ == "__main__":
    text = made_anew()
    TABLE.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{TABLE.name}: {len(text)} bytes, {TABLE.stat().st_size} compressed")  # noqa: T201 - who makes it wants to see what came of it
