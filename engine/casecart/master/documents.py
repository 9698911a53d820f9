"""What a mapping can make, and the fields that it may give it: for schemas, which know no single mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from casecart.canonical import FIELDS
from casecart.mapping.planning import GIVEN
from casecart.master.record import CHANGES, Change
from casecart.master.tables import TABLES
from casecart.workspace.findings import listed
from casecart.workspace.mapping import Mapping as MappingFile
from casecart.workspace.shape import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.workspace.declaration import Key

__all__ = ["documents"]

_CASE: Final = {
    "case": "The surgical case or visit, as a token: documents of Usage are known to be about it by its value.",
    "change": "put: the case is as this message says. remove: nothing of what was told of it holds any more.",
    "department": "The department that it is in; empty: none any more.",
    "location": "The room that it is in; empty: none any more.",
}


def documents() -> Mapping[str, Mapping[str, str]]:
    """Document → field → what it is; without the fields that the engine or a step says."""
    usage = {name: each.about for name, each in FIELDS.items() if not each.made_by and name not in GIVEN}
    change = f"What the message wants of the record: {listed(get_args(Change))}. Without it, that it is as told."
    tables = {
        name: {CHANGES: change, **{column.name: column.about for column in table.columns}}
        for name, table in TABLES.items()
    }
    known = {"Usage": usage, "Case": _CASE, **tables}
    return {name: known[name] for key in MappingFile.__keys__ if key.name == "makes" for name in _words(key)}


def _words(key: Key) -> tuple[str, ...]:
    return key.shape.words if isinstance(key.shape, Choice) else ()
