"""Messages without what says whose they are: every value replaced that is not known to say nothing of a person.

Messages that are handed in together are one story: the same value becomes the same one in all of them, and a patient's
dates move by the same number of days, so that intervals and order stay. At the end it is looked whether anything of
what was replaced is left (`casecart.formats.deidentify.canary`).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from casecart.formats.deidentify.canary import Canary
from casecart.formats.deidentify.days import age, shift_of
from casecart.formats.deidentify.device import Unlike, said, with_other_serials
from casecart.formats.deidentify.documents import NotRead, read_document
from casecart.formats.deidentify.links import relinked
from casecart.formats.deidentify.replacement import Shapes, filler
from casecart.formats.deidentify.rules import AGE, KEPT, Leaf
from casecart.formats.deidentify.story import Story, code_in, looking

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import date

    from casecart.formats.deidentify.documents import Document
    from casecart.formats.deidentify.rules import Rule

__all__ = ["LARGEST", "Deidentified", "LeftOver", "deidentify"]

LARGEST: Final = 5_000_000
"""Bytes of all messages together: each of their values is looked for in all of them."""

_ATTEMPTS: Final = 24
_DATA: Final = base64.b64encode(b"removed").decode("ascii")
_NARRATIVE: Final = '<div xmlns="http://www.w3.org/1999/xhtml">removed</div>'
_FIXED: Final = frozenset({_DATA, _NARRATIVE})
_OLDEST: Final = 89


class LeftOver(Exception):
    """Something of what was replaced is left where a value stays.

    Attributes:
        number: of the message, from 1.
        place: the field or element; `` where it is over several values.
    """

    def __init__(self, number: int, place: str) -> None:
        where = f"at {place}" if place else "over several values"
        super().__init__(f"message {number}, {where}: something that is replaced elsewhere is left")
        self.number, self.place = number, place


@dataclass(frozen=True, slots=True)
class Deidentified:
    """What came of it.

    Attributes:
        bodies: the messages, in their character sets.
        canary: finds what was replaced in whatever else is to be written.
        replaced: how many values are others now.
        kept: how many stayed.
    """

    bodies: list[bytes]
    canary: Canary
    replaced: int
    kept: int


class _Replacing:
    """What becomes of each value of one message."""

    def __init__(
        self, story: Story, shapes: Shapes, canary: Canary, *, shift: int, patient: str, serials: bool
    ) -> None:
        self._story, self._shapes, self._canary = story, shapes, canary
        self._shift, self._serials = shift, serials
        self._reference = story.latest.get(patient, story.today)
        self.changed = 0

    def turn(self, leaf: Leaf) -> str:
        rule = self._story.rule(leaf)
        new = self._new(self._story.chosen(rule, leaf), leaf.value)
        self.changed += new != leaf.value
        return new

    def _new(self, rule: Rule, value: str) -> str:  # noqa: PLR0911 - one for each kind of value
        if rule in KEPT or (rule == "serial" and self._serials):
            return value
        if rule in {"text", "description"}:
            return filler(len(value)) if rule == "text" or self._canary.in_description(value) else value
        if rule in {"udi", "base64-udi"}:
            return self._device(rule, value)
        if rule in {"date", "birth"}:
            core = value.strip()
            return value.replace(core, age(core, self._shift, self._reference))
        if rule == "link":
            new = relinked(value, self._shapes.of)
            return self._shapes.of(value) if self._canary.in_value(Leaf("link", new, "")) else new
        if rule in {"data", "narrative"}:
            return _DATA if rule == "data" else _NARRATIVE
        if rule == "age":
            return _bounded(value)
        return self._shapes.of(value)

    def _device(self, rule: Rule, value: str) -> str:
        code = code_in(rule, value) or ""
        if self._serials and said(code, self._story.today)[0]:
            return value
        new = with_other_serials(code, self._story.today, self._shapes.of)
        if rule == "udi":
            return self._shapes.of(value) if new is None else value.replace(code, new)
        return _DATA if new is None else base64.b64encode(new.encode()).decode("ascii")


def _bounded(value: str) -> str:
    """An age in years; above 89 it is 90."""
    found = AGE.fullmatch(value.strip())
    return f"{_OLDEST + 1}{found[3]}" if found is not None and int(found[1]) > _OLDEST else value


def deidentify(
    bodies: Sequence[bytes],
    *,
    key: bytes,
    today: date,
    keep: Iterable[str] = (),
    allow: Iterable[str] = (),
    charset: str | None = None,
) -> Deidentified:
    """Messages without what says whose they are.

    Args:
        bodies: messages of HL7 v2, each alone, and FHIR resources as JSON; of a batch also what stands around them.
        key: 16 to 64 bytes that nobody else has: with it the replaced values can be guessed and compared.
        today: for ages, and centuries in devices' codes.
        keep: fields and elements whose values stay (`ZIM-4`, `Device.lotNumber`), and `serial` for all serial numbers.
        allow: fields and elements that may hold what is replaced elsewhere, since somebody looked.
        charset: of HL7 v2, where the sender's is known better than MSH-18 has it.

    Raises:
        NotRead: a message can't be read.
        LeftOver: something of what was replaced is left.
    """
    kept = frozenset(keep)
    if sum(map(len, bodies)) > LARGEST:
        raise NotRead(1, f"more than {LARGEST // 1_000_000} MB can't be de-identified at once")
    documents = [read_document(number, body, kept, charset) for number, body in enumerate(bodies, 1)]
    story = Story(today)
    story.gather(documents)
    if "serial" in kept:
        story.replaced = [(rule, value) for rule, value in story.replaced if rule != "serial"]
    canary = Canary(story.replaced, story.kept)
    allowed = frozenset(allow)
    _look_at_kept(story, canary, kept, allowed)
    avoid = {value.strip().casefold() for _, value in story.replaced}
    place = (1, "")
    for attempt in range(_ATTEMPTS):
        try:
            texts, changed = _replaced(documents, story, canary, Shapes(key, attempt, avoid), (key, attempt, kept))
        except Unlike:
            continue
        found = _first_left(documents, texts, story, canary, allowed)
        if found is None:
            written = [each.bytes_of(text) for each, text in zip(documents, texts, strict=True)]
            return Deidentified(written, canary, changed, sum(map(len, story.leaves)) - changed)
        place = found
    raise LeftOver(*place)


def _look_at_kept(story: Story, canary: Canary, kept: Collection[str], allowed: Collection[str]) -> None:
    """Finds what would stay and holds something that goes: it goes as well, unless a person said that it stays."""
    for number, leaves in enumerate(story.leaves, 1):
        for leaf in leaves:
            rule = story.rule(leaf)
            if rule in KEPT and not _is(leaf.place, allowed) and canary.in_value(leaf._replace(rule=rule)):
                if _is(leaf.place, kept):
                    raise LeftOver(number, leaf.place)
                story.strays.add((rule, leaf.value))


def _is(place: str, allowed: Collection[str]) -> bool:
    """Whether a place is in one of the fields or elements: `FT1[2]-7.1` is in `FT1-7`."""
    if not allowed:
        return False
    plain = "".join(part.partition("]")[2] if at else part for at, part in enumerate(place.split("[")))
    return any(plain == each or plain.startswith(f"{each}.") for each in allowed)


def _replaced(
    documents: Sequence[Document],
    story: Story,
    canary: Canary,
    shapes: Shapes,
    by: tuple[bytes, int, Collection[str]],
) -> tuple[list[str], int]:
    key, attempt, kept = by
    texts, changed = [], 0
    for document in documents:
        patient = document.patient
        days, fixed = story.days.get(patient, set()), story.fixed.get(patient, set())
        shift = shift_of(key, patient, attempt, days, fixed)
        replacing = _Replacing(story, shapes, canary, shift=shift, patient=patient, serials="serial" in kept)
        texts.append(document.turned(replacing.turn))
        changed += replacing.changed
    return texts, changed


def _first_left(
    documents: Sequence[Document],
    texts: Sequence[str],
    story: Story,
    canary: Canary,
    allowed: Collection[str],
) -> tuple[int, str] | None:
    """Where something is left, if it is: the message's number, and the place."""
    for number, (document, text, before) in enumerate(zip(documents, texts, story.leaves, strict=True), 1):
        found: list[Leaf] = []
        document.again(text).turned(looking(found))
        if len(found) != len(before):
            return number, ""
        stays = []
        for old, leaf in zip(before, found, strict=True):
            rule = story.chosen(story.rule(old), old)
            if leaf.value in _FIXED:
                continue
            if (rule in KEPT and old.value == leaf.value) or _is(leaf.place, allowed):
                stays.append(leaf.value)
            elif canary.in_value(leaf._replace(rule=rule)):
                return number, leaf.place
        if canary.across(text, "\n".join(stays), document.names) or canary.in_bytes(document.bytes_of(text)):
            return number, ""
    return None
