"""What a mapping finds in a sample message: which of its fields have a value there, and how many lines it makes."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from casecart.canonical import Case, Usage
from casecart.commands.content import body_of
from casecart.formats.hl7v2.problem import Refused
from casecart.mapping import MappingContext, compile_mapping
from casecart.master.record import document_of
from casecart.master.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.workspace import Mapping as MappingFile
    from casecart.workspace import Table

__all__ = ["Found", "is_fhir", "read_sample"]

_TODAY: Final = date(2026, 1, 1)


class Found(NamedTuple):
    """What was found.

    Attributes:
        fields: those of which a source has a value in some line.
        documents: how many are made.
        exceptions: how many lines have a problem.
        takes_back: whether one of the documents takes something back.
    """

    fields: frozenset[str]
    documents: int
    exceptions: int
    takes_back: bool


def is_fhir(body: bytes) -> bool:
    """Whether it is JSON, and no HL7 v2."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["}


def _made(document: str) -> type[msgspec.Struct]:
    if document == "Usage":
        return Usage
    return Case if document == "Case" else document_of(TABLES[document])


def read_sample(mapping: MappingFile, tables: Mapping[str, Table], body: bytes) -> Found | None:
    """What the mapping finds; None where it can't read such a message."""
    if (mapping.reads.format == "fhir") != is_fhir(body):
        return None
    found: set[str] = set()

    def probe(_place: str, field: str, _source: object, gave: object) -> None:
        if gave:
            found.add(field)

    compiled = compile_mapping(mapping, tables, document=_made(mapping.makes), probe=probe)
    charset = "utf-8"
    try:
        if is_fhir(body):
            message: object = msgspec.json.decode(body)
        else:
            read = body_of(body, None)
            message, charset = read.text, read.charset
        # What it makes is counted and thrown away: no token is any secret here.
        context = MappingContext(
            facility="",
            time_zone=ZoneInfo("UTC"),
            today=_TODAY,
            token=lambda _kind, value: value,
            source="",
            charset=charset,
        )
        mapped = compiled.run(message, context)
    except (Refused, ValueError, TypeError, KeyError, AttributeError, msgspec.MsgspecError):
        return None
    back = any(
        {"reverse", "remove"} & {getattr(each, "action", ""), getattr(each, "change", "")} for each in mapped.documents
    )
    return Found(frozenset(found), len(mapped.documents), len(mapped.exceptions), back)
