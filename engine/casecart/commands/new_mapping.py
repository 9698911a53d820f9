"""A new mapping, or code table.

What is shipped is the guide: a mapping of the same segment or resource, cut to what the sample has.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from casecart.commands.new_files import first_line, good_name, put, sound
from casecart.commands.refusal import Refusal
from casecart.commands.sample_reading import is_fhir, read_sample
from casecart.runtime.revision import loaded
from casecart.workspace import reference
from casecart.workspace.findings import listed, shown
from casecart.workspace.node import MapNode
from casecart.workspace.yaml import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from casecart.workspace import Finding, Mapping, Workspace
    from casecart.workspace.node import Entry

__all__ = ["Drafted", "add_mapping", "add_table"]

_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_RESOURCE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")
_LARGEST: Final = 5_000_000
_PREFERRED: Final = ("dft-usage", "fhir-procedure-devices")
_NEEDED: Final = frozenset({"case", "line", "action", "used_on", "quantity", "change", "item"})
_TABLE: Final = "code,value,about\n"

# For a segment that no shipped mapping reads.
_ANY: Final = """\
mapping: {name}
about: What is told with {each} segments, read as what was used on the patient.
reads: {{format: hl7v2, version: "2.8.2"}}
makes: Usage
says: transactions
each: {each}
fields:                               # `casecart hl7 show FILE` shows what stands where
  case:        {{path: "message:PV1-19.1", required: true, token: case}}
  line:        {{path: {each}-1, optional: true}}
  action:      {{value: use}}
  used_on:     {{path: "message:MSH-7", type: date, required: true}}
  quantity:    {{value: "1", type: decimal}}
  item:        {{path: {each}-2.1, optional: true}}
  department:  {{path: "message:PV1-3.1", optional: true}}
"""
_ANY_RESOURCE: Final = """\
mapping: {name}
about: What is told by {each}, read as what was used on the patient.
reads: {{format: fhir, version: R4}}
makes: Usage
says: state
each: {each}
fields:                               # each path is FHIRPath, asked of the resource
  case:        {{path: encounter.reference, required: true, token: case}}
  line:        {{path: id, required: true}}
  action:      {{value: use}}
  used_on:     {{path: meta.lastUpdated, type: date, required: true}}
  quantity:    {{value: "1", type: decimal}}
  ehr_item:    {{path: code.coding.code.first(), optional: true}}
"""


class Drafted(NamedTuple):
    """What was written.

    Attributes:
        files: their paths.
        guide: the shipped mapping that it was made by; empty: none reads such messages.
        left_out: fields of the guide that the sample doesn't have.
        warnings: what `check` says.
    """

    files: tuple[str, ...]
    guide: str
    left_out: tuple[str, ...]
    warnings: tuple[Finding, ...]


def add_table(root: Path, name: str) -> Drafted:
    """A code table without rows. Raises as `add_mapping` does."""
    good_name(name)
    sound(root)
    file = f"mappings/tables/{name}.csv"
    return Drafted((file,), "", (), put(root, {file: _TABLE}))


def add_mapping(root: Path, name: str, reads: str | None, each: str | None, sample: bytes | None) -> Drafted:
    """A mapping that reads.

    Args:
        root: the workspace.
        name: its own.
        reads: `hl7v2` or `fhir`; None: as the sample is, else hl7v2.
        each: the segment or FHIRPath of which each is a line; None: by the sample.
        sample: a message; what the guide finds in it is proposed.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: the workspace has errors, or would have.
        Refusal: what was asked for can't be.
    """
    good_name(name)
    if sample is not None and len(sample) > _LARGEST:
        raise Refusal("bad-value", f"the sample is larger than {_LARGEST // 1_000_000} MB: take one message of it")
    told = None if sample is None else "fhir" if is_fhir(sample) else "hl7v2"
    if reads is not None and told is not None and reads != told:
        raise Refusal("bad-value", f"the sample is {told}, and not {reads}")
    form = reads or told or "hl7v2"
    guide, found = _guide(form, each, sample)
    workspace = sound(root)
    file = f"mappings/{name}.yaml"
    tables: dict[str, str] = {}
    left_out: tuple[str, ...] = ()
    if guide is None:
        text = _unguided(form, name, each)
    else:
        keep = None if found is None else _kept(guide, found)
        text, left_out = _cut(guide, name, keep)
        tables = _tables(workspace, guide, text)
    new = {file: first_line(root, "mapping", file) + text, **tables}
    warnings = put(root, new)
    return Drafted(tuple(new), "" if guide is None else str(guide.mapping), left_out, warnings)


def _unguided(form: str, name: str, each: str | None) -> str:
    if each is None:
        words = "no shipped mapping finds a line in the sample" if form else ""
        raise Refusal("bad-value", f"{words or 'what is a line'}: say by --each which segment or resource is a line")
    pattern, text, such = (
        (_RESOURCE, _ANY_RESOURCE, "a resource such as Procedure")
        if form == "fhir"
        else (_SEGMENT, _ANY, "a segment such as FT1")
    )
    if not pattern.fullmatch(each):
        known = listed(sorted({str(one.each) for one in _shipped().mappings.values() if one.reads.format == form}))
        words = f"{shown(each)} is not {such}, and of what is shipped only {known} are read otherwise"
        raise Refusal("bad-value", words)
    return text.format(name=name, each=each)


def _guide(form: str, each: str | None, sample: bytes | None) -> tuple[Mapping | None, frozenset[str] | None]:
    """The shipped mapping that fits best, and its fields that the sample has; None without a sample."""
    shipped = _shipped()
    known = [
        mapping
        for mapping in sorted(shipped.mappings.values(), key=lambda one: (one.mapping not in _PREFERRED, one.mapping))
        if mapping.reads.format == form and (each is None or _about(mapping.each, each))
    ]
    exact = [mapping for mapping in known if mapping.each == each]
    if sample is None:
        if each is None:
            each = "FT1" if form == "hl7v2" else "Procedure"
            return _guide(form, each, None)
        return next(iter(exact or known), None), None
    best: tuple[tuple[int, int], Mapping, frozenset[str]] | None = None
    for mapping in exact or known:
        found = read_sample(mapping, shipped.tables, sample)
        if found is not None and (found.documents or found.exceptions):
            worth = (int(found.documents > 0), len(found.fields))
            if best is None or worth > best[0]:
                best = (worth, mapping, found.fields)
    if best is None:
        return (None, None) if each is None else (next(iter(exact or known), None), None)
    return best[1], best[2]


def _about(path: str, each: str) -> bool:
    """Whether a mapping's lines are those, or of that resource."""
    return path == each or re.split(r"[.\[(]", path)[0] == each


def _cut(guide: Mapping, name: str, keep: frozenset[str] | None) -> tuple[str, tuple[str, ...]]:
    """The guide's own text under another name, without the fields that are not to be kept."""
    file = f"mappings/{guide.mapping}.yaml"
    data = (reference.root() / file).read_bytes()
    rows = data.decode().splitlines()
    node, _ = parse(data, file)
    entries = node.entries if isinstance(node, MapNode) else ()
    left_out: list[str] = []
    drop: set[int] = set()
    fields = next(entry for entry in entries if entry.key.text == "fields")
    for entry, span in _spans(_inner(fields), len(rows)):
        field = entry.key.text
        if keep is not None and field not in keep:
            left_out.append(field)
            drop.update(span)
    for entry, span in _spans(entries, len(rows)):
        if entry.key.text == "spare":  # the new one is to be used
            drop.update(span)
        if entry.key.text == "mapping":
            rows[span[0]] = f"mapping: {name}"
    told = "\n".join(rows[at] for _, span in _spans(_inner(fields), len(rows)) for at in span if at not in drop)
    drop.update(_unbound(entries, told))
    kept = [
        row for number, row in enumerate(rows) if number not in drop and not row.startswith("# yaml-language-server")
    ]
    return "\n".join(kept) + "\n", tuple(left_out)


def _kept(guide: Mapping, found: frozenset[str]) -> frozenset[str]:
    """What the sample has, and what a mapping can't do without: what is required, and what others name."""
    fields = {str(name): field for name, field in guide.fields.items()}
    kept = {str(name) for name, field in guide.fields.items() if name in found | _NEEDED or field.required}
    named = [source for name in kept for source in (*fields[name].path, *fields[name].agree)]
    words = set(re.findall(r"[a-z_]+", " ".join([*map(str, named), str(guide.where or "")])))
    return frozenset(kept | {str(name) for name in guide.fields if name in words})


def _unbound(entries: Sequence[Entry], told: str) -> Iterator[int]:
    """The rows of names under `bind` that no field takes anything from any more; of all of it, where none is left."""
    for entry, span in _spans(entries, 0):
        if entry.key.text == "bind":
            binds = list(_spans(_inner(entry), span.stop))
            unused = [rows for inner, rows in binds if not re.search(rf"\b{inner.key.text}\b", told)]
            yield from (number for rows in unused for number in rows)
            if len(unused) == len(binds):
                yield span.start


def _inner(entry: Entry) -> Sequence[Entry]:
    return entry.value.entries if isinstance(entry.value, MapNode) else ()


def _spans(entries: Sequence[Entry], end: int) -> Iterator[tuple[Entry, range]]:
    """Each entry with the numbers of its rows, from 0."""
    starts = [entry.key.place.line - 1 for entry in entries]
    for entry, first, last in zip(entries, starts, [*starts[1:], end], strict=True):
        yield entry, range(first, last)


def _tables(workspace: Workspace, guide: Mapping, text: str) -> dict[str, str]:
    """The shipped tables that the mapping needs, and the workspace doesn't have."""
    named = {str(field.table) for field in guide.fields.values() if field.table is not None}
    needed = {table for table in named if re.search(rf"table: {re.escape(table)}\b", text)}
    return {
        file: (reference.root() / file).read_text("utf-8")
        for table in sorted(needed - workspace.tables.keys())
        for file in [f"mappings/tables/{table}.csv"]
    }


@cache
def _shipped() -> Workspace:
    return loaded(reference.root())
