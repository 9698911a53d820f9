"""Files of a workspace looked at by themselves, where others have errors: each mistake is told in the first run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.canonical import Case, Usage
from casecart.canonical.item_change import ItemChange
from casecart.formats.fhir.path import FhirPathError
from casecart.formats.fhir.path.syntax import parse as parse_fhir
from casecart.formats.hl7v2.path import PathError, parse_path, parse_segment
from casecart.mapping import compile_outgoing, look_at_mapping
from casecart.mapping.expression import ExpressionError, compile_expression, record_of
from casecart.mapping.expression.syntax import parse as parse_expression
from casecart.mapping.udi import PIECES
from casecart.master.record import document_of
from casecart.master.tables import TABLES
from casecart.workspace import Finding, RouteStep, SendStep, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import msgspec

    from casecart.mapping.expression import Type
    from casecart.workspace import Loaded, Text
    from casecart.workspace.channel import Channel

__all__ = ["faults_alone"]


def faults_alone(loaded: Loaded) -> Iterator[Finding]:
    """What is wrong in the mappings and conditions of a workspace that has errors, besides these.

    A file that is right by itself is compiled; of another its paths and conditions are only read, for what is around
    them is not known. What a name would have to be known for is left to the next run.
    """
    documents: dict[str, type[msgspec.Struct]] = {"Usage": Usage, "Case": Case}
    for mapping in loaded.mappings.values():
        document = documents.get(mapping.makes) or document_of(TABLES[mapping.makes])
        try:
            look_at_mapping(mapping, loaded.tables, document=document)
        except WorkspaceError as error:
            # That a table is not there is told, or why it could not be read.
            tables = {field.table.place for field in mapping.fields.values() if field.table is not None}
            yield from (each for each in error.findings if each.place not in tables or each.code != "unknown-name")
    for outgoing in loaded.outgoing.values():
        try:
            compile_outgoing(outgoing, loaded.tables)
        except WorkspaceError as error:
            yield from error.findings
    for channel in loaded.channels.values():
        yield from _conditions(channel)
    for sort, reads, text in loaded.leftovers:
        yield from _unreadable(sort, reads, text)


def _conditions(channel: Channel) -> Iterator[Finding]:
    usage: dict[str, Type] = {"usage": record_of(Usage)}
    for step in channel.steps:
        if isinstance(step, RouteStep):
            for entry in step.route:
                yield from _condition(getattr(entry, "when", None), usage)
        elif isinstance(step, SendStep):
            yield from _condition(step.send.when, {"item": record_of(ItemChange)})


def _condition(when: Text | None, scope: dict[str, Type]) -> Iterator[Finding]:
    if when is None:
        return
    try:
        compile_expression(when, scope)
    except ExpressionError as error:
        yield from _mistakes(when, error)


def _mistakes(text: Text, error: ExpressionError) -> Iterator[Finding]:
    for each in error.mistakes:
        yield Finding(text.within(each.column), "error", "bad-expression", each.message, each.suggestion)


def _unreadable(sort: str, reads: str, text: Text) -> Iterator[Finding]:
    """What can be said of a path or an expression of which nothing else is known."""
    try:
        if sort == "expression":
            parse_expression(text)
        elif reads == "fhir":
            parse_fhir(text)
        elif reads == "hl7v2":
            _read_hl7(text)
    except ExpressionError as error:
        yield from _mistakes(text, error)
    except FhirPathError as error:
        yield Finding(text.within(error.column), "error", "bad-path", error.message, error.suggestion)
    except PathError as error:
        yield Finding(text.within(error.column), "error", "bad-path", error.message)


def _read_hl7(text: Text) -> None:
    """A path, a segment, or a piece of a UDI."""
    head, dot, piece = text.partition(".")
    if dot and piece in PIECES and head.islower():
        return
    try:
        parse_path(text)
    except PathError:
        try:
            parse_segment(text)
        except PathError:
            pass
        else:
            return
        raise
