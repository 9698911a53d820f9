"""Paths of HL7 v2, looked at with the standard's dictionary.

What a version doesn't have, a sender may send all the same, so that all that is found here are warnings. A segment
whose name begins with Z is the sender's own, and nobody's business.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

from casecart.formats.hl7v2.dictionary import FREE, VERSIONS, dictionary
from casecart.formats.hl7v2.path import Condition, PathError, Segment, parse_path, parse_segment
from casecart.workspace.findings import Finding, Place, did_you_mean, listed
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from casecart.formats.hl7v2.dictionary import Dictionary
    from casecart.formats.hl7v2.path import Field
    from casecart.workspace.mapping import Mapping
    from casecart.workspace.outgoing import OutgoingMapping

__all__ = ["not_in_dictionary", "not_in_dictionary_written", "not_messages"]

_ENVELOPE: Final = frozenset({"FHS", "BHS", "BTS", "FTS", "DSC", "ADD"})
"""Segments that stand around a message, or where it is continued."""

_NEWEST: Final = VERSIONS[-1]

_Fault: TypeAlias = tuple[str, str, str | None]
"""Code, message and what was probably meant."""

_Has: TypeAlias = "Callable[[Dictionary], bool]"


def not_in_dictionary(declaration: Mapping, accepted: Sequence[str]) -> Iterator[Finding]:
    """Warns of what a mapping reads and HL7 doesn't have in its version; without a version: in none.

    Args:
        declaration: a mapping that reads HL7 v2; another has no such findings. Paths that can't be read have theirs.
        accepted: the message types of the channels that it is for, such as `DFT^P03`; empty: it is not known which.
    """
    if declaration.reads.format != "hl7v2":
        return
    version = declaration.reads.version
    yield from _version(version)
    messages = [_parts(each) for each in accepted if "^" in each]
    found = _Found(str(version) if version in VERSIONS else "", messages, declaration.reads.beyond)
    bound: dict[str, str] = {}
    for text in (declaration.each, *declaration.bind.values()):
        segment = _segment(text)
        if segment is not None:
            yield from found.segment(text, segment)
    for alias, text in declaration.bind.items():
        segment = _segment(text)
        if segment is not None:
            bound[str(alias)] = segment.name
    fields = declaration.fields.values()
    paths = [text for mapped in fields for text in (*mapped.path, *mapped.agree, *mapped.join)]
    for text in (*paths, *([] if declaration.grouped_by is None else [declaration.grouped_by])):
        yield from _path(found, text, bound)
    for each in found.needless():
        words = f"'beyond' names {each}, and every path that has it is in the dictionary: take it out"
        yield Finding(each.place, "warning", "hl7-beyond", words)


def not_messages(accepted: Iterable[Text]) -> Iterator[Finding]:
    """Warns of message types that no version of HL7 has, among what a channel accepts; FHIR's have no `^`."""
    for each in accepted:
        code, _ = _parts(each)
        if "^" in each and code not in _codes() and not _own(code):
            meant = did_you_mean(code, _codes())
            yield Finding(each.place, "warning", "hl7-message", f"HL7 has no message {code}", meant)


@cache
def _codes() -> frozenset[str]:
    return frozenset(code for version in VERSIONS for code in dictionary(version).codes)


def not_in_dictionary_written(declaration: OutgoingMapping) -> Iterator[Finding]:
    """Warns of what a mapping writes and HL7 doesn't have in its version."""
    writes = declaration.writes
    yield from _version(writes.version)
    code, event, structure = [*str(writes.type).split("^"), ""][:3]
    named = tuple(structure.split("_", 1)) if "_" in structure else (code, event)
    found = _Found(str(writes.version) if writes.version in VERSIONS else _NEWEST, [(named[0], named[1])], ())
    for name in declaration.fields:
        yield from _path(found, name if isinstance(name, Text) else Text(name), {})


def _version(version: Text | None) -> Iterator[Finding]:
    if version is not None and version not in VERSIONS:
        words = f"HL7 {version} is not in the dictionary, and others are asked: it has {listed(VERSIONS)}"
        yield Finding(version.place, "warning", "hl7-version", words)


def _parts(accepted: str) -> tuple[str, str]:
    code, _, event = accepted.partition("^")
    return code, event


def _segment(text: Text) -> Segment | None:
    try:
        return parse_segment(text)
    except PathError:  # it has its finding where mappings are compiled
        return None


def _path(found: _Found, text: Text, bound: dict[str, str]) -> Iterator[Finding]:
    try:
        path = parse_path(text)
    except PathError:  # the same; or it is a piece of a UDI
        return
    if isinstance(path.segment, Segment):
        yield from found.segment(text, path.segment)
        yield from found.field(text, path.segment.name, path.field)
    elif path.segment in bound:
        yield from found.field(text, bound[path.segment], path.field)


class _Found:
    """What one mapping has that its version doesn't have, each told once.

    Args:
        version: of the dictionary; empty: any will do.
        messages: code and event of those that it is for.
        beyond: what nothing is said of.
    """

    def __init__(self, version: str, messages: Sequence[tuple[str, str]], beyond: Sequence[Text]) -> None:
        self._version = version
        self._messages = messages
        self._beyond, self._needed = beyond, set[str]()
        self._told: set[tuple[str, str]] = set()

    def needless(self) -> Iterator[Text]:
        """What `beyond` names, and nothing would be said of."""
        return (each for each in self._beyond if each not in self._needed)

    def segment(self, text: Text, segment: Segment) -> Iterator[Finding]:
        """The segment is one, and messages have it; what its condition names is there."""
        name = segment.name
        if not _own(name):
            yield from self._said(text.place, name, [self._no_segment(each, name) for each in self._dictionaries()])
            yield from self._said(text.place, name, [self._not_held(each, name) for each in self._dictionaries()])
        if isinstance(segment.selector, Condition):
            yield from self.field(text, name, segment.selector.field)

    def field(self, text: Text, segment: str, field: Field) -> Iterator[Finding]:
        """The segment has the field, and this its parts."""
        if not _own(segment):
            faults = [_no_field(each, segment, field) for each in self._dictionaries()]
            yield from self._said(text.place, f"{segment}-{field}", faults)

    def _dictionaries(self) -> Iterable[Dictionary]:
        return (dictionary(each) for each in ([self._version] if self._version else reversed(VERSIONS)))

    def _said(self, place: Place, what: str, faults: Iterable[_Fault | None]) -> Iterator[Finding]:
        """The fault in the newest dictionary that is asked, if every one of them has one."""
        first: _Fault | None = None
        for fault in faults:
            if fault is None:
                return
            first = first or fault
        # `PKG-10` is beyond with all that is in it: PKG-10.1 and PKG-10[2]; and so is all of `PKG`.
        without = {each for each in self._beyond if re.match(rf"{re.escape(each)}(?!\d)", re.sub(r"\[.*?\]", "", what))}
        self._needed |= without if first is not None else set()
        if first is not None and not without and (what, first[0]) not in self._told:
            self._told.add((what, first[0]))
            yield Finding(place, "warning", *first)

    def _no_segment(self, asked: Dictionary, name: str) -> _Fault | None:
        if name in asked.segments:
            return None
        since = _since(asked, lambda other: name in other.segments)
        meant = None if since else self._meant(asked, name)
        return "hl7-segment", f"HL7 {asked.version} has no segment {name}{since}", meant

    def _meant(self, asked: Dictionary, name: str) -> str | None:
        """A segment with another last letter, else with another one; first of those that the messages have."""
        held = frozenset[str]().union(*(asked.held_by(*message) or () for message in self._messages))
        for known in (held, asked.segments):
            near = [each for each in sorted(known) if sum(map(str.__ne__, each, name)) == 1]
            if near:
                return next((each for each in near if each[:2] == name[:2]), near[0])
        return did_you_mean(name, asked.segments)

    def _not_held(self, asked: Dictionary, name: str) -> _Fault | None:
        """No message that it is for holds such a segment."""
        if name not in asked.segments or name in _ENVELOPE or not self._messages:
            return None
        held = [asked.held_by(*message) for message in self._messages]
        if any(each is None or name in each for each in held):
            return None
        types = listed(sorted({"^".join(message) for message in self._messages}))
        return "hl7-message", f"{types} of HL7 {asked.version} {_has(types)} no {name}", None


def _has(types: str) -> str:
    return "have" if " and " in types else "has"


def _own(segment: str) -> bool:
    return segment.startswith("Z")


def _since(asked: Dictionary, has: _Has) -> str:
    """Which version has it, where this one doesn't."""
    having = [version for version in VERSIONS if has(dictionary(version))]
    if not having:
        return ""
    later = [version for version in having if VERSIONS.index(version) > VERSIONS.index(asked.version)]
    return f", which comes with {later[0]}" if later else f", which went after {having[-1]}"


def _no_field(asked: Dictionary, segment: str, field: Field) -> _Fault | None:
    fields = asked.fields(segment)
    if not fields:
        return None  # the segment is told
    name = f"{segment}-{field.number}"
    if field.number > len(fields):
        since = _since(asked, lambda other: len(other.fields(segment)) >= field.number)
        last = f"{segment} ends with {segment}-{len(fields)} in HL7 {asked.version}"
        return "hl7-field", f"{last}: it has no {name}{since}", None
    told = fields[field.number - 1]
    if not told.type:
        return "hl7-withdrawn", f"{name} is withdrawn{_withdrawn(segment, field.number, asked.version)}", None
    return _no_part(asked, name, told.type, field) or _once(asked, name, field, repeats=told.repeats)


def _withdrawn(segment: str, number: int, version: str) -> str:
    """Since which version a field is not used any more."""
    before = VERSIONS[: VERSIONS.index(version) + 1]
    used = [
        each for each in before if len(told := dictionary(each).fields(segment)) >= number and told[number - 1].type
    ]
    return f" in HL7 {before[before.index(used[-1]) + 1]}" if used else f" in HL7 {version}"


def _no_part(asked: Dictionary, name: str, data_type: str, field: Field) -> _Fault | None:
    """The data type has the component, and that the subcomponent."""
    if field.component is None or data_type in FREE:
        return None
    components = asked.components(data_type)
    if not components:
        # Its first component is all of it, so that a path holds for older and newer versions.
        simple = field.component == 1 and field.subcomponent is None
        words = f"{name} is {data_type} in HL7 {asked.version}, which has no components"
        return None if simple else ("hl7-component", f"{name}.{field.component}: {words}", None)
    if field.component > len(components):
        words = f"{name} is {data_type} in HL7 {asked.version}, and that ends with component {len(components)}"
        return "hl7-component", f"{name}.{field.component}: {words}", None
    return _no_subcomponent(asked, name, data_type, field)


def _no_subcomponent(asked: Dictionary, name: str, data_type: str, field: Field) -> _Fault | None:
    part = f"{name}.{field.component}"
    inner = asked.components(data_type)[(field.component or 1) - 1]
    if not inner:
        return "hl7-withdrawn", f"{part} is withdrawn: HL7 {asked.version} uses it no more in a {data_type}", None
    if field.subcomponent is None or inner in FREE:
        return None
    subcomponents = asked.components(inner)
    if field.subcomponent <= len(subcomponents):
        return None
    ends = f"ends with subcomponent {len(subcomponents)}" if subcomponents else "has no subcomponents"
    words = f"{name} is {data_type} in HL7 {asked.version}, and its component {field.component} ({inner}) {ends}"
    return "hl7-component", f"{part}.{field.subcomponent}: {words}", None


def _once(asked: Dictionary, name: str, field: Field, *, repeats: bool) -> _Fault | None:
    if repeats or field.repetition == 1:
        return None
    said = "*" if field.repetition is None else field.repetition
    return "hl7-repetition", f"{name}[{said}]: {name} does not repeat in HL7 {asked.version}", None
