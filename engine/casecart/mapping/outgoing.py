"""Compiles a mapping that writes: a posting's document becomes the segments of an HL7 v2 message.

A segment with fields of a list, such as `packagings.gtin`, is written once for each of the list. It is pure: what it
discloses of a patient is handed in, and only under the names in `discloses`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from casecart.canonical import FIELDS
from casecart.canonical.consumption import Consumption
from casecart.canonical.item_change import ItemChange
from casecart.formats.hl7v2 import escape
from casecart.formats.hl7v2.path import PathError, Segment, parse_path
from casecart.formats.hl7v2.writing import segment_of
from casecart.mapping.outgoing_fields import RECORDED_AT, fields_of
from casecart.workspace.findings import Finding, Place, WorkspaceError, did_you_mean, listed
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casecart.formats.hl7v2 import Delimiters
    from casecart.workspace.outgoing import OutgoingField, OutgoingMapping
    from casecart.workspace.table import Table

__all__ = ["DOCUMENTS", "CompiledOutgoing", "Document", "NotWritable", "compile_outgoing"]

Document: TypeAlias = Consumption | ItemChange

DOCUMENTS: Final[Mapping[str, type[Document]]] = MappingProxyType({"Usage": Consumption, "Item": ItemChange})
"""What a mapping writes, by the word that it has under `from`: the documents of postings."""

_IDENTIFIERS: Final = MappingProxyType({Consumption: frozenset({"case"}), ItemChange: frozenset[str]()})
"""Fields of a posting that hold a token."""

_SEPARATORS: Final = frozenset("^&~|")


class NotWritable(Exception):
    """A posting lacks what its message can't do without.

    Args:
        code: stable: `missing`, `code-not-in-table`.
        words: for the person who works the exception; no content.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaf:
    """A place in a segment, and what is written there."""

    path: str
    at: tuple[int, int, int, int]
    """Field, repetition, component, subcomponent, from 1."""
    field: str = ""
    """Of the posting, or of one of its list; empty for a constant."""
    of_list: str = ""
    """The list that the field is one's of; empty: it is the posting's own."""
    disclosed: bool = False
    table: Table | None = None
    required: bool = False
    constant: str = ""


@dataclass(frozen=True, slots=True)
class CompiledOutgoing:
    """A mapping that writes, ready for postings.

    Attributes:
        name: of the mapping.
        version: of the messages.
        message_type: MSH-9, by its parts.
        discloses: fields of the posting whose tokens' values the messages say.
    """

    name: str
    version: str
    message_type: tuple[str, ...]
    discloses: frozenset[str]
    source: str
    """What it writes, such as `Usage`."""
    _segments: Sequence[tuple[str, str, Sequence[_Leaf]]]
    """Name, list, and what is written."""

    @property
    def document(self) -> type[Document]:
        """Of the postings that it writes."""
        return DOCUMENTS[self.source]

    def write(
        self, document: Document, disclosed: Mapping[str, str], recorded_at: int, delimiters: Delimiters
    ) -> list[str]:
        """The segments that follow MSH.

        Args:
            document: what is posted.
            disclosed: the value for each field in `discloses`; one that is missing counts as empty.
            recorded_at: when the message came that the posting was made for, µs since 1970.
            delimiters: of the message.

        Raises:
            NotWritable: a required value is missing, or a table doesn't have it.
        """
        written: list[str] = []
        for name, of_list, leaves in self._segments:
            for row in getattr(document, of_list) if of_list else (document,):
                texts: dict[tuple[int, int, int, int], str] = {}
                told = all(not leaf.field for leaf in leaves)
                for leaf in leaves:
                    text = _text(leaf, row if leaf.of_list else document, disclosed, recorded_at)
                    told = told or bool(leaf.field and text)
                    texts[leaf.at] = escape(text, delimiters)
                if told:
                    written.append(segment_of(name, _fields(texts, delimiters), delimiters))
        return written


def _text(leaf: _Leaf, source: Any, disclosed: Mapping[str, str], recorded_at: int) -> str:  # noqa: ANN401 - a document, or one of its list
    if not leaf.field:
        return leaf.constant
    if leaf.disclosed:
        text = disclosed.get(leaf.field, "")
    elif leaf.field == RECORDED_AT:
        text = datetime.fromtimestamp(recorded_at // 1_000_000, UTC).strftime("%Y%m%d%H%M%S+0000")
    else:
        text = _written(getattr(source, leaf.field))
    if text and leaf.table is not None:
        found = leaf.table.lookup(text, datetime.fromtimestamp(recorded_at // 1_000_000, UTC).date())
        if found is None:
            words = f"{leaf.path}: the table {leaf.table.name} has no row for the posting's {leaf.field}."
            raise NotWritable("code-not-in-table", words)
        text = found
    if not text and leaf.required:
        raise NotWritable("missing", f"{leaf.path} is required, and the posting has no {leaf.field}.")
    return text or leaf.constant


def _written(value: object) -> str:
    """As HL7 writes it: NM without an exponent, DT as YYYYMMDD."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    return "" if value is None else str(value)


def _fields(texts: Mapping[tuple[int, int, int, int], str], delimiters: Delimiters) -> dict[int, str]:
    """Leaves to fields: separators between what is there, none behind the last."""
    parts: dict[tuple[int, int, int], dict[int, str]] = {}
    for (field, repetition, component, subcomponent), text in texts.items():
        parts.setdefault((field, repetition, component), {})[subcomponent] = text
    components: dict[tuple[int, int], dict[int, str]] = {}
    for (field, repetition, component), each in parts.items():
        components.setdefault((field, repetition), {})[component] = _joined(each, delimiters.subcomponent)
    repetitions: dict[int, dict[int, str]] = {}
    for (field, repetition), each in components.items():
        repetitions.setdefault(field, {})[repetition] = _joined(each, delimiters.component)
    return {field: _joined(each, delimiters.repetition) for field, each in repetitions.items()}


def _joined(texts: Mapping[int, str], separator: str) -> str:
    last = max((number for number, text in texts.items() if text), default=0)
    return separator.join([texts.get(number, "") for number in range(1, last + 1)])


def compile_outgoing(declaration: OutgoingMapping, tables: Mapping[str, Table]) -> CompiledOutgoing:
    """Compiles a mapping that writes.

    Raises:
        WorkspaceError: with all that is wrong, each at its place in the file.
    """
    return _Compiling(declaration, tables).compiled()


class _Compiling:
    """One mapping on its way."""

    def __init__(self, declaration: OutgoingMapping, tables: Mapping[str, Table]) -> None:
        self.declaration, self.tables = declaration, tables
        self.document = DOCUMENTS[declaration.source]
        self.kinds = fields_of(self.document)
        self.identifiers = _IDENTIFIERS[self.document]
        self.findings: list[Finding] = []
        self.taken: dict[tuple[str, int, tuple[int, int, int, int]], str] = {}

    def error(self, place: Place, code: str, message: str, suggestion: str | None = None) -> None:
        self.findings.append(Finding(place, "error", code, message, suggestion))

    def compiled(self) -> CompiledOutgoing:
        segments: dict[tuple[str, int], list[_Leaf]] = {}
        for name, mapped in self.declaration.fields.items():
            path = self.path(name if isinstance(name, Text) else Text(name))
            leaf = self.leaf(name, mapped, (0, 0, 0, 0) if path is None else path[1])
            if path is not None and leaf is not None:
                segments.setdefault(path[0], []).append(leaf)
        lists = {key: self.list_of(leaves) for key, leaves in segments.items()}
        if self.findings:
            raise WorkspaceError(sorted(self.findings, key=lambda finding: finding.place))
        leaves = [leaf for each in segments.values() for leaf in each]
        return CompiledOutgoing(
            name=str(self.declaration.mapping),
            version=str(self.declaration.writes.version),
            message_type=tuple(str(self.declaration.writes.type).split("^")),
            discloses=frozenset(leaf.field for leaf in leaves if leaf.disclosed),
            source=str(self.declaration.source),
            _segments=[(key[0], lists[key], each) for key, each in segments.items()],
        )

    def list_of(self, leaves: Sequence[_Leaf]) -> str:
        """The list for each of which a segment is written; empty: it is written once."""
        lists = {leaf.of_list: leaf.path for leaf in leaves if leaf.of_list}
        if len(lists) > 1:
            last = list(lists.values())[-1]
            place = next(mapped.place for name, mapped in self.declaration.fields.items() if name == last)
            message = f"this segment is written for each of {' and of '.join(sorted(lists))}: give each its own"
            self.error(place, "bad-value", message)
        return next(iter(lists), "")

    def path(self, name: Text) -> tuple[tuple[str, int], tuple[int, int, int, int]] | None:
        """Which segment, and where in it."""
        place = name.place
        try:
            path = parse_path(name)
        except PathError as error:
            self.error(name.within(error.column), "bad-path", error.message)
            return None
        segment = path.segment
        if not isinstance(segment, Segment) or not isinstance(segment.selector, int) or segment.scope != "group":
            self.error(
                place, "bad-path", "here stands where it is written: a segment, its number if it has one, a field"
            )
            return None
        if segment.name == "MSH":
            message = "MSH is made by the destination, which has a key `header` for what is in it"
            self.error(place, "bad-path", message)
            return None
        if path.field.repetition is None:
            self.error(place, "bad-path", "one repetition is written: a number stands in the brackets")
            return None
        at = (path.field.number, path.field.repetition, path.field.component or 1, path.field.subcomponent or 1)
        key = (segment.name, segment.selector, at)
        if key in self.taken:
            self.error(place, "name-clash", f"{self.taken[key]} is the same place: keep one of the two")
            return None
        self.taken[key] = str(path)
        return (segment.name, segment.selector), at

    def leaf(self, name: str, mapped: OutgoingField, at: tuple[int, int, int, int]) -> _Leaf | None:
        before = len(self.findings)
        for text in (mapped.value, mapped.default):
            if text is not None and _SEPARATORS & set(text):
                message = "a separator in a value is escaped: write each component as a path of its own"
                self.error(text.place, "bad-value", message)
        table = None if mapped.table is None else self.tables.get(mapped.table)
        source = mapped.disclose or mapped.field
        if source is not None:
            self.known(source, disclosed=mapped.disclose is not None)
        if mapped.table is not None and table is not None:
            self.table(mapped, table)
        if len(self.findings) > before:
            return None
        return _Leaf(
            path=str(name),
            at=at,
            field="" if source is None else str(source).rpartition(".")[2],
            of_list="" if source is None else str(source).rpartition(".")[0],
            disclosed=mapped.disclose is not None,
            table=table,
            required=bool(mapped.required),
            constant=str(mapped.value or mapped.default or ""),
        )

    def known(self, source: Text, *, disclosed: bool) -> None:
        if disclosed and source not in self.identifiers:
            known = f" but {listed(sorted(self.identifiers))}" if self.identifiers else ""
            message = f"of a patient there is nothing to disclose{known}"
            self.error(source.place, "unknown-field", message, did_you_mean(source, self.identifiers))
        elif source in self.kinds:
            return
        elif source in FIELDS and self.document is Consumption:
            message = f"{source} doesn't leave the engine; what does is {listed(sorted(self.kinds), most=40)}"
            self.error(source.place, "unknown-field", message)
        else:
            message = f"a posting has no field {source}"
            self.error(source.place, "unknown-field", message, did_you_mean(source, self.kinds))

    def table(self, mapped: OutgoingField, table: Table) -> None:
        """It is for texts, and has a row for each that can be, where these are few."""
        assert mapped.table is not None  # noqa: S101 - the caller asked
        if mapped.field is None:
            self.error(
                mapped.table.place, "bad-value", "a table is for a field, and not for a constant or an identifier"
            )
            return
        kind, allowed = self.kinds.get(mapped.field, ("text", None))
        if kind != "text":
            self.error(mapped.table.place, "bad-value", f"a table is for text, and {mapped.field} is a {kind}")
        for value in sorted(allowed or ()):
            if not any(row.fits(value) for row in table.rows):
                message = f"the table {table.name} has no row for {value}, which {mapped.field} can be"
                self.error(mapped.table.place, "unknown-value", message)
