"""What our parser makes of the corpus agrees with hl7apy, which knows the segments and data types of each version."""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from casecart.formats.hl7v2 import Refused, decode, parse, read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from casecart.formats.hl7v2 import Message, Segment

SEED: Final = 7
SAMPLE: Final = 60

Node: TypeAlias = Any  # hl7apy says no types
Part: TypeAlias = tuple[int | None, str]  # its number in what holds it, where that is known, and its text


def ours(segment: Segment) -> Iterator[tuple[str, list[Part]]]:
    """Of each field that isn't empty: its components; of each of these: its subcomponents."""
    for f, field in enumerate(segment.fields, 1):
        for r, repetition in enumerate(field.repetitions, 1):
            if repetition.text:
                components = repetition.components
                yield f"{f}[{r}]", numbered(component.text for component in components)
                for c, component in enumerate(components, 1):
                    if component.text:
                        parts = [part.text for part in component.subcomponents]
                        yield f"{f}[{r}].{c}", numbered(parts)


def numbered(texts: Iterable[str]) -> list[Part]:
    return [(number, text) for number, text in enumerate(texts, 1) if text]


def theirs(segment: Node) -> Iterator[tuple[str, list[Part]]]:
    repetitions: Counter[int | None] = Counter()
    for field in segment.children:
        f = place(field)
        repetitions[f] += 1
        if f is None:
            if (text := field.to_er7()).strip("^~&"):
                yield "loose", [(None, text)]
        elif any(components := parts_of(field)):
            yield f"{f}[{repetitions[f]}]", components
            for component in field.children:
                c = place(component)
                if c is not None and any(parts := parts_of(component)):
                    yield f"{f}[{repetitions[f]}].{c}", parts


def parts_of(part: Node) -> list[Part]:
    return [(place(child), text) for child in part.children if (text := child.to_er7())]


def place(part: Node) -> int | None:
    """Its number in what holds it; hl7apy has none for what the version doesn't define, and in simple types."""
    number = re.fullmatch(r"\w+_(\d+)", part.name or "")
    return int(number[1]) if number else None


def compared(message: Message, text: str) -> Counter[str]:
    """How many places agree, and how many differ for a reason of the table; fails for any other difference."""
    counted: Counter[str] = Counter()
    other = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False).children
    assert [segment.name for segment in message.segments] == [segment.name for segment in other]
    for mine, other_segment in zip(message.segments, other, strict=True):
        loose = Counter(parts[0][1] for where, parts in theirs(other_segment) if where == "loose")
        found = {where: parts for where, parts in theirs(other_segment) if where != "loose"}
        for where, parts in ours(mine):
            told = found.pop(where, None)
            if mine.name == "MSH" and where.startswith(("1[", "2[")):
                continue  # the delimiters themselves, which hl7apy escapes
            if told is None and "." in where:
                continue  # hl7apy takes the component for a whole, which was compared above
            if told is None and (whole := whole_text(mine, where)) in loose:
                loose[whole] -= 1
                counted["not of this version"] += 1
            else:
                counted[difference(parts, told)] += 1
        assert not found, f"hl7apy finds more in {mine.name}: {sorted(found)}"
        assert not +loose, f"hl7apy finds more in {mine.name}"
    return counted


def whole_text(segment: Segment, where: str) -> str:
    f, r = re.findall(r"\d+", where)[:2]
    return segment.field(int(f)).repetition(int(r)).text


# Why a place may differ: (what we have, what hl7apy has) to whether it is so. Parts without text are left out.
REASONS: Final[dict[str, Callable[[str, str], bool]]] = {
    # White space belongs to a text for us until a value is taken from it; hl7apy strips it, and leaves out what was
    # nothing else.
    "white space": lambda mine, other: mine.strip() == other.strip(),
    # hl7apy turns SI and NM into numbers: `001` is `1` to it. A set id or lot that was sent with zeros keeps them here.
    "number": lambda mine, other: number(mine) is not None and number(mine) == number(other),
    # What hl7apy doesn't know as an escape sequence it escapes when it writes the leaf; it was compared as it was sent.
    "escape": lambda mine, other: mine == other.replace("\\E\\", "\\"),
}


def difference(mine: list[Part], other: list[Part] | None) -> str:
    """`agree`, or the reason for which they differ."""
    if other is None and not "".join(text for _, text in mine).strip("^~&"):
        return "separators alone"  # a field with nothing in it but these: hl7apy leaves it out
    left = [part for part in mine if part[1].strip()] if len(mine) != len(other or []) else mine
    assert len(left) == len(other or []), f"{len(mine)} parts, and hl7apy has {len(other or [])}"
    said = "agree" if left == mine else "white space"
    for (place_of_mine, text), (place_of_other, other_text) in zip(left, other or [], strict=True):
        assert place_of_other in {None, place_of_mine}, f"part {place_of_mine}, and to hl7apy {place_of_other}"
        if text != other_text:
            reasons = [name for name, holds in REASONS.items() if holds(text, other_text)]
            assert reasons, "another text"
            said = reasons[0]
    return said


def number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


# What hl7apy doesn't take, by the beginning of its words.
NOT_TAKEN: Final = (
    "The version ",  # 2.9, and what is none
    "Invalid encoding chars",  # MSH-2 that we read as meant
    "Invalid name for Segment",  # a segment that the version doesn't have, or a line that is none
    "Invalid message",
)


def run(messages: Iterable[Path]) -> tuple[Counter[str], Counter[str]]:
    counted: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for path in messages:
        body = path.read_bytes()
        try:
            text, _ = decode(body, read_header(body).character_set)
            # It reads no other line ends, and no byte order mark.
            counted += compared(parse(text), re.sub(r"[\r\n]+", "\r", text.lstrip("\ufeff")))
        except Refused:
            left_out["refused"] += 1
        except HL7apyException as refusal:
            words = next((words for words in NOT_TAKEN if str(refusal).startswith(words)), f"{path.name}: {refusal}")
            left_out[words] += 1
        except AssertionError as found:
            raise AssertionError(f"{path.name}: {found}") from found
    return counted, left_out


def test_structure_of_a_sample_agrees_with_hl7apy_but_for_the_reasons_of_the_table(corpus: Path) -> None:
    files = sorted((corpus / "hl7v2").rglob("*.hl7"))
    counted, _ = run(random.Random(SEED).sample(files, SAMPLE))
    assert counted["agree"] > 30 * SAMPLE
    assert set(counted) <= {"agree", "not of this version", "separators alone", *REASONS}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_structure_of_the_corpus_agrees_with_hl7apy_but_for_the_reasons_of_the_table(corpus: Path) -> None:
    counted, left_out = run(sorted((corpus / "hl7v2").rglob("*.hl7")))
    sys.stdout.write(f"{dict(counted)}, not compared: {dict(left_out)}\n")
    assert set(counted) == {"agree", "not of this version", "separators alone", *REASONS}
    assert counted["agree"] > 0.97 * counted.total()
    assert set(left_out) <= {"refused", *NOT_TAKEN}
