"""The language of mappings once more, slow and plain: it walks the lossless message, value by value.

The oracle of the compiled mapping. It knows nothing of the generated source, nor how a plan is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from casecart.canonical import Usage
from casecart.formats.hl7v2 import Message, Segment, may_belong, parse
from casecart.formats.hl7v2.path import Condition, Field, Path, parse_path, parse_segment
from casecart.formats.hl7v2.path import Segment as SegmentPath
from casecart.formats.udi import Ambiguous, Udi, Unreadable, agree, told
from casecart.formats.udi import parse as parse_udi
from casecart.workspace import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from casecart.mapping import MappingContext
    from casecart.workspace.mapping import FieldMapping
    from casecart.workspace.mapping import Mapping as MappingFile
    from casecart.workspace.table import Table

PIECES = ("di", "lot", "serial", "expiry", "manufactured", "donation_id")
HEADERS = ("MSH", "FHS", "BHS")


def leaf(segment: Segment, path: Field) -> list[str]:
    """The values of a part of a segment: one at most, or with `[*]` those of all repetitions."""
    whole = segment.field(path.number)
    if segment.name in HEADERS and path.number in (1, 2):
        return [whole.text] if whole.text else []
    chosen = whole.repetitions
    if path.repetition is not None:
        chosen = chosen[path.repetition - 1 : path.repetition]
    found = []
    for repetition in chosen:
        component = repetition.component(path.component or 1)
        part = component if path.subcomponent is None else component.subcomponent(path.subcomponent)
        if part.text.strip() not in ("", '""') and part.value.strip():
            found.append(part.value.strip())
    return found


def find(segments: Sequence[Segment], wanted: SegmentPath) -> Segment | None:
    """The segment that is meant, among these."""
    same = [segment for segment in segments if segment.name == wanted.name]
    if isinstance(wanted.selector, Condition):
        condition = wanted.selector
        same = [segment for segment in same if condition.value in leaf(segment, condition.field)]
        return same[0] if same else None
    return same[wanted.selector - 1] if wanted.selector <= len(same) else None


def values(
    message: Message, path: Path, bind: Mapping[str, SegmentPath], each: str | None, group: Sequence[Segment]
) -> list[str]:
    """What a path gives for a group of a message."""
    wanted = bind[path.segment] if isinstance(path.segment, str) else path.segment
    in_group = wanted.scope == "group" and each is not None and may_belong(each, wanted.name)
    segment = find(group if in_group else message.segments, wanted)
    return [] if segment is None else leaf(segment, path.field)


def number(text: str) -> Decimal | None:
    body = text[1:] if text[:1] in ("+", "-") else text
    whole, _, fraction = body.partition(".")
    digits = whole + fraction
    if not digits or not all(digit in "0123456789" for digit in digits) or len(text) > 40:
        return None
    return Decimal(text)


def day(text: str) -> date | str:  # noqa: PLR0911 - one return a rule
    body, offset = text, ""
    for mark in "+-":
        body, _, offset = text.partition(mark) if mark in text else (body, "", offset)
    clock, _, fraction = body.partition(".")
    if "." in body and (len(clock) != 14 or not 1 <= len(fraction) <= 6):
        return "not-a-date"
    if not all(part.isascii() and part.isdigit() for part in (clock, fraction or "0", offset or "0")):
        return "not-a-date"
    if ("+" in text or "-" in text) and (len(offset) != 4 or offset[:2] > "14" or offset[2:] > "59"):
        return "not-a-date"
    if len(clock) not in (4, 6, 8, 10, 12, 14) or clock[8:10] > "23" or clock[10:12] > "59" or clock[12:] > "59":
        return "not-a-date"
    if len(clock) < 8:
        return "date-precision"
    try:
        return date(int(clock[:4]), int(clock[4:6]), int(clock[6:8]))
    except ValueError:
        return "not-a-date"


Pieces = dict[str, dict[str, Any] | None]
"""By the field of type udi; None where that has a problem."""


@dataclass
class Outcome:
    """What comes out, as plain values."""

    documents: list[Usage] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    filtered: list[str] = field(default_factory=list)
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    """Place, code, field."""


class Interpretation:
    """One mapping, interpreted; `where` is a Python function of the fields' values."""

    def __init__(
        self,
        declaration: MappingFile,
        tables: Mapping[str, Table],
        where: Callable[[dict[str, Any]], bool] | None,
        asked: Sequence[str] = (),
    ) -> None:
        self.declaration = declaration
        self.tables = tables
        self.where = where
        self.udis = [name for name, mapped in declaration.fields.items() if mapped.type == "udi"]
        taken = {name: self.taken(declaration.fields[Text(name)]) for name in asked}
        self.asked = {*asked, *(code for codes in taken.values() for code in codes)}
        self.bind = {alias: parse_segment(text) for alias, text in declaration.bind.items()}

    def run(self, text: str, context: MappingContext) -> Outcome:
        self.today = context.today
        message = parse(text, context.charset)
        outcome = Outcome()
        leader = str(self.declaration.each)
        for number_, group in enumerate(message.groups(leader)[1], 1):
            place = f"{leader}[{number_}]"
            pieces: Pieces = {}
            read: dict[str, tuple[Any, str | None]] = {}
            for name, mapped in sorted(self.declaration.fields.items(), key=lambda each: each[1].type != "udi"):
                if mapped.type == "udi":
                    text_, code_, pieces[name] = self.device(message, group, mapped, context.today)
                    read[name] = text_, code_
                else:
                    read[name] = self.read(message, group, mapped, pieces)
            good = {name: value for name, (value, code) in read.items() if code is None}
            codes = {str(name): code for name, (_, code) in read.items() if code is not None}
            if self.where is not None and not any(name in codes for name in self.asked) and not self.where(good):
                outcome.filtered.append(place)
                continue
            if good.get("action") not in ("use", "reverse", None):
                codes["action"] = "not-allowed"
            self.sign(good, codes)
            if codes:
                ordered = [name for name in self.declaration.fields if name in codes]
                outcome.problems += [(place, codes[name], str(name)) for name in ordered]
                continue
            for name, mapped in self.declaration.fields.items():
                if mapped.token is not None and good[name] is not None:
                    good[name] = context.token(mapped.token, good[name])
            source = f"{context.source}#{place}"
            outcome.documents.append(Usage(facility=context.facility, source=source, **good))
            outcome.places.append(place)
        return outcome

    def taken(self, mapped: FieldMapping) -> list[str]:
        """The fields whose pieces a field takes."""
        names = [path.partition(".")[0] for path in (*mapped.path, *mapped.agree)]
        return [name for name in names if name in self.udis]

    def device(
        self, message: Message, group: Sequence[Segment], mapped: FieldMapping, today: date
    ) -> tuple[str | None, str | None, dict[str, Any] | None]:
        """A code's text, what is wrong with it, and its pieces: none if nothing is known of them."""
        leader = str(self.declaration.each)
        texts = [values(message, parse_path(path), self.bind, leader, group) for path in (*mapped.path, *mapped.agree)]
        flat = [text for found in texts for text in found] or [
            str(text) for text in (mapped.value, mapped.default) if text is not None
        ]
        if not flat:
            return None, "missing" if mapped.required else None, {}
        readings: list[Udi] = []
        for text in flat if mapped.agree else flat[:1]:
            reading = parse_udi(text, today=today)
            if isinstance(reading, Unreadable):
                return None, "udi-unreadable", None
            if isinstance(reading, Ambiguous):
                return None, "udi-ambiguous", None
            readings.append(reading)
        said = [{piece: getattr(each, piece) for piece in PIECES if getattr(each, piece)} for each in readings]
        days = [{each[piece] for each in said if piece in each} for piece in ("expiry", "manufactured")]
        if agree(*(told(each, "") for each in readings)) or any(len(each) > 1 for each in days):
            return None, "conflict", None
        most = next(each for each in readings if len(said[readings.index(each)]) == max(map(len, said)))
        merged: dict[str, Any] = {}
        for each in [said[readings.index(most)], *said]:
            merged = each | merged
        return most.text, None, merged

    def read(
        self, message: Message, group: Sequence[Segment], mapped: FieldMapping, pieces: Pieces
    ) -> tuple[Any, str | None]:
        """The value of a field before its sign, or the code of what is wrong with it."""
        if mapped.value is not None:
            return self.typed(mapped.value, mapped)
        flat = self.found(message, group, mapped, pieces)
        if not flat:
            unread = any(pieces[code] is None for code in self.taken(mapped))
            if mapped.default is not None:
                return self.typed(mapped.default, mapped)
            return None, "missing" if mapped.required and not unread else None
        results = [self.coded(text, mapped) for text in (flat if mapped.agree else flat[:1])]
        for value, code in results:
            if code is not None:
                return value, code
        value = results[0][0]
        if any(other != value for other, _ in results):
            return None, "conflict"
        return value, None

    def found(
        self, message: Message, group: Sequence[Segment], mapped: FieldMapping, pieces: Pieces
    ) -> list[str | date]:
        """What the sources of a field have."""
        flat: list[str | date] = []
        for path in (*mapped.path, *mapped.agree):
            code, _, piece = path.partition(".")
            if code not in self.udis:
                flat += values(message, parse_path(path), self.bind, str(self.declaration.each), group)
            elif (value := (pieces[code] or {}).get(piece)) is not None:
                flat.append(value)
        return flat

    def coded(self, text: str | date, mapped: FieldMapping) -> tuple[Any, str | None]:
        if mapped.table is not None and isinstance(text, str):
            found = self.tables[mapped.table].lookup(text, self.today)
            if found is None:
                return None, "code-not-in-table"
            text = found
        return self.typed(text, mapped)

    def typed(self, text: str | date, mapped: FieldMapping) -> tuple[Any, str | None]:
        if isinstance(text, date):
            return text, None
        if mapped.type == "decimal":
            return (number(text), None) if number(text) is not None else (None, "not-a-number")
        if mapped.type == "date":
            read = day(text)
            return (None, read) if isinstance(read, str) else (read, None)
        return str(text), None

    def sign(self, good: dict[str, Any], codes: dict[str, str]) -> None:
        """What a negative quantity means."""
        mapped = self.declaration.fields.get("quantity")
        quantity = good.get("quantity")
        if mapped is None or quantity is None or quantity >= 0:
            return
        action = good.get("action")
        if mapped.sign == "by-action" and action == "reverse":
            good["quantity"] = quantity.copy_abs()
        elif mapped.sign == "by-quantity" and action == "use":
            good["action"], good["quantity"] = "reverse", quantity.copy_abs()
        elif mapped.sign is None or "action" not in codes:
            codes["quantity"] = "quantity-sign"
            del good["quantity"]
