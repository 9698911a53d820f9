"""What HL7 v2 defines, by version: segments and their fields, data types and their components, messages.

`dictionary.json.gz` is the table, made from hl7apy's dictionaries (CRS4, MIT licence) by `make hl7-dictionary`
(tests/support/hl7_dictionary.py). It ends with 2.8.2. Under `segments`, `types` and `messages` it has for each name the
versions, by their place in `VERSIONS`, from which on it says something else, and what:

- of a segment the data types of its fields in their order, `*` behind what repeats, `-` where a field was withdrawn;
- of a data type the data types of its components, and the same `-`; of one that has no components there is nothing;
- of a message, by its structure such as `DFT_P03`, the segments that it may hold.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import msgspec

from casecart.formats.hl7v2.field_names import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["FREE", "VERSIONS", "Dictionary", "Field", "dictionary"]

FREE: Final = frozenset({"varies", "CM", "ANY"})
"""Data types of which nobody can say what is in them."""

_WITHDRAWN: Final = "-"

Runs = dict[str, list[tuple[int, str | None]]]


class _Table(msgspec.Struct, frozen=True):
    segments: Runs
    types: Runs
    messages: Runs


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a segment.

    Attributes:
        type: its data type; empty where it was withdrawn.
        repeats: whether there may be several of it.
    """

    type: str
    repeats: bool


class Dictionary:
    """What one version defines.

    Attributes:
        version: such as `2.5.1`.
    """

    def __init__(self, version: str, table: _Table) -> None:
        self.version = version
        at = VERSIONS.index(version)
        self._segments = _at(table.segments, at)
        self._types = _at(table.types, at)
        self._messages = _at(table.messages, at)
        self._fields: dict[str, tuple[Field, ...]] = {}

    @property
    def segments(self) -> Collection[str]:
        """The names of all segments."""
        return self._segments

    @property
    def codes(self) -> Collection[str]:
        """The codes of all messages, such as `DFT`."""
        return {name.partition("_")[0] for name in self._messages}

    def fields(self, segment: str) -> tuple[Field, ...]:
        """The fields of a segment, in their order; none of one that it doesn't have."""
        found = self._fields.get(segment)
        if found is None:
            told = self._segments.get(segment, "").split()
            found = tuple(Field(each.rstrip("*").removeprefix(_WITHDRAWN), each.endswith("*")) for each in told)
            self._fields[segment] = found
        return found

    def components(self, data_type: str) -> tuple[str, ...]:
        """The data types of a data type's components, in their order; empty where one was withdrawn."""
        return tuple(each.removeprefix(_WITHDRAWN) for each in self._types.get(data_type, "").split())

    def held_by(self, code: str, event: str) -> frozenset[str] | None:
        """The segments that a message may hold; None where that is not known.

        Args:
            code: such as `ADT`.
            event: such as `A04`, or `*` for every one. The dictionary knows structures, and of one event only: for an
                event without one of its own, all segments of that code's messages are told.
        """
        own = self._messages.get(f"{code}_{event}", self._messages.get(code) if not event else None)
        if own is not None:
            return frozenset(own.split())
        alike = [told for name, told in self._messages.items() if name.partition("_")[0] == code]
        return frozenset(segment for told in alike for segment in told.split()) if alike else None


def _at(runs: Runs, at: int) -> Mapping[str, str]:
    """What holds at a version."""
    found = {}
    for name, told in runs.items():
        last = next((text for since, text in reversed(told) if since <= at), None)
        if last is not None:
            found[name] = last
    return found


@cache
def _table() -> _Table:
    packed = files(__package__).joinpath("dictionary.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=_Table)


@cache
def dictionary(version: str) -> Dictionary:
    """What a version defines, read when it is first asked for.

    Raises:
        KeyError: it is none of `VERSIONS`.
    """
    if version not in VERSIONS:
        raise KeyError(version)
    return Dictionary(version, _table())
