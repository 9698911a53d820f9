"""A message of HL7 v2 value by value: each is handed out with the rule of its place, and what comes back is put there.

Segments, fields, repetitions, components and their separators stay as they are, and so does each value that comes back
unchanged, byte for byte.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from casecart.formats.deidentify.hl7v2_rules import Shape, field_shape, observation_rule, type_shape
from casecart.formats.deidentify.rules import YEARS, Leaf
from casecart.formats.hl7v2 import Delimiters, escape, parse, unescape
from casecart.formats.hl7v2.null import NULL_TEXT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from casecart.formats.deidentify.rules import Rule, Turn
    from casecart.formats.hl7v2 import Message

__all__ = ["patient_of", "turned", "turned_header"]

_HEADERS: Final = frozenset({"MSH", "FHS", "BHS"})
_OBSERVATION: Final = "OBX"
_TYPE, _CODE, _VALUE, _UNIT = 2, 3, 5, 6  # of OBX
_OFFSETS: Final = dict.fromkeys(_HEADERS, 1)
_STRANGE: Final = Shape(("identifier",), "identifier")
# Where a patient's number stands, the first that has one.
_PATIENT: Final = (("PID", 3), ("PID", 2), ("PV1", 19), ("PID", 18))
_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_SPECIAL: Final = re.compile(r"[\x00-\x1f\x7f]")


def patient_of(message: Message) -> str:
    """The number of the first patient of a message, to move the dates of all of that patient's messages alike."""
    for name, number in _PATIENT:
        segment = message.segment(name)
        if segment is not None:
            value = segment.field(number).repetition().component().value.strip()
            if value:
                return value
    return ""


def turned(text: str, charset: str, turn: Turn, keep: Collection[str] = ()) -> str:
    """A message with each value as `turn` has it.

    Args:
        text: one message, decoded.
        charset: the codec of bytes in its escapes.
        turn: what becomes of a value.
        keep: fields whose values stay, as `ZIM-4`.

    Raises:
        Refused: as `parse` does.
    """
    message = parse(text, charset)
    seen: Counter[str] = Counter()
    written = [message.prefix]
    for segment in message.segments:
        seen[segment.name] += 1
        line = segment.line
        if segment.name:
            reader = _Reader(segment.name, seen[segment.name], message.delimiters, charset, turn, keep)
            written.append(reader.segment(line.text))
        else:
            place = f"line {len(written)}"
            written.append(turn(Leaf("identifier", line.text, place)) if line.text.strip() else line.text)
        written.append(line.terminator)
    return "".join(written)


def turned_header(text: str, delimiters: Delimiters, charset: str, turn: Turn, keep: Collection[str] = ()) -> str:
    """The same of segments around messages: FHS, BHS, BTS, FTS and what stands with them."""
    parts = re.split(r"([\r\n]+)", text)
    for at in range(0, len(parts), 2):
        name, separator, _ = parts[at].partition(delimiters.field)
        if separator and _NAME.fullmatch(name):
            parts[at] = _Reader(name, 1, delimiters, charset, turn, keep).segment(parts[at])
        elif parts[at].strip() and not _NAME.fullmatch(parts[at]):  # no segment: text that strayed there
            parts[at] = turn(Leaf("identifier", parts[at], f"line {at // 2 + 1} of the header"))
    return "".join(parts)


class _Reader:
    """One segment."""

    def __init__(  # noqa: PLR0917 - all of them belong to the one segment
        self, name: str, occurrence: int, delimiters: Delimiters, charset: str, turn: Turn, keep: Collection[str]
    ) -> None:
        self._name, self._delimiters, self._charset, self._turn, self._keep = name, delimiters, charset, turn, keep
        self._at = f"{name}[{occurrence}]" if occurrence > 1 else name
        self._offset = _OFFSETS.get(name, 0)

    def segment(self, text: str) -> str:
        tokens = text.split(self._delimiters.field)
        shapes = [self._shape(tokens, at + self._offset) for at in range(len(tokens))]
        for at in range(1, len(tokens)):
            number = at + self._offset
            literal = self._offset and at == 1
            if tokens[at] and not literal and f"{self._name}-{number}" not in self._keep:
                tokens[at] = self._field(tokens[at], shapes[at], f"{self._at}-{number}")
            elif tokens[at] and not literal:
                self._turn(Leaf("supply", self._read(tokens[at]), f"{self._at}-{number}"))
        return self._delimiters.field.join(tokens)

    def _shape(self, tokens: Sequence[str], number: int) -> Shape:
        if self._name != _OBSERVATION or number != _VALUE:
            return field_shape(self._name, number)
        code = tokens[_CODE].split(self._delimiters.component)[0].strip() if len(tokens) > _CODE else ""
        rule = observation_rule(code)
        if rule == "udi":
            return Shape(("udi", "keep", "keep", "keep"), "unknown")
        if rule is not None:
            return Shape((rule,), rule)
        unit = tokens[_UNIT].split(self._delimiters.component)[0].strip() if len(tokens) > _UNIT else ""
        if unit.casefold() in YEARS:
            return Shape(("age",), "age")  # whatever it is called
        kind = tokens[_TYPE].strip() if len(tokens) > _TYPE else ""
        return type_shape(kind if kind != "ST" else "")

    def _field(self, text: str, shape: Shape, place: str) -> str:
        separator = self._delimiters.repetition
        parts = text.split(separator) if separator else [text]
        several = len(parts) > 1
        for at, part in enumerate(parts):
            parts[at] = self._repetition(part, shape, f"{place}[{at + 1}]" if several else place)
        return separator.join(parts)

    def _repetition(self, text: str, shape: Shape, place: str) -> str:
        separator = self._delimiters.component
        parts = text.split(separator) if separator else [text]
        for at, part in enumerate(parts):
            here = f"{place}.{at + 1}"
            if shape.rule(at + 1, 1) == "udi":  # ISBT's codes have an ampersand
                parts[at] = self._leaf(part, "udi", here)
                continue
            described = at > 0 and bool(parts[at - 1].strip())
            parts[at] = self._component(part, shape, at + 1, here, described=described)
        return separator.join(parts)

    def _component(self, text: str, shape: Shape, number: int, place: str, *, described: bool) -> str:
        separator = self._delimiters.subcomponent
        parts = text.split(separator) if separator else [text]
        several = len(parts) > 1
        for at, part in enumerate(parts):
            rule = shape.rule(number, at + 1)
            # Without a code beside it, it is what a person typed.
            rule = "text" if rule == "description" and not described else rule
            parts[at] = self._leaf(part, rule, f"{place}.{at + 1}" if several else place)
        return separator.join(parts)

    def _leaf(self, text: str, rule: Rule, place: str) -> str:
        if not text.strip() or text.strip() == NULL_TEXT:
            return text
        value = self._read(text)
        new = self._turn(Leaf(rule, value, place))
        if new == value:
            return text
        if value == text and not _SPECIAL.search(new) and not self._parts_in(new):
            return new
        return escape(new, self._delimiters) if self._delimiters.escape else new

    def _read(self, text: str) -> str:
        return unescape(text, self._delimiters, self._charset)

    def _parts_in(self, new: str) -> bool:
        """Whether it has a character that parts a message: a code may, which is not split there."""
        parting = self._delimiters._replace(subcomponent="", truncation="")
        return any(sign and sign in new for sign in parting)
