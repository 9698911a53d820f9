"""ERR: what is wrong with a message, in the form of its sender's version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.formats.hl7v2.escape import escape
from casecart.formats.hl7v2.problem import ERROR_TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.formats.hl7v2.delimiters import Delimiters
    from casecart.formats.hl7v2.problem import Problem

__all__ = ["error_segments", "written"]

# From here on ERR-2 and what follows it (HL7 v2.5 §2.15.5); before, all is in ERR-1.
_WITH_ERR_2: Final = (2, 5)


def error_segments(problems: Iterable[Problem], delimiters: Delimiters, version: tuple[int, ...]) -> list[str]:
    """The segments, without their ends: up to 2.4 one whose ERR-1 repeats, from 2.5 on one for each problem.

    ERR-1 is `segment^sequence^field^code&text&HL70357` (data type ELD). From 2.5 on: ERR-2 place, ERR-3 code of table
    0357, ERR-4 severity, ERR-5 the application's own code, ERR-8 words for a person.
    """
    if version >= _WITH_ERR_2:
        return [_segment(problem, delimiters) for problem in problems]
    told = delimiters.repetition.join([_code_and_location(problem, delimiters) for problem in problems])
    return [f"ERR{delimiters.field}{told}"] if told else []


def written(words: str, delimiters: Delimiters) -> str:
    """Our own words as a leaf. Where the sender declares no escape character, blanks stand for its delimiters."""
    if delimiters.escape:
        return escape(words, delimiters)
    return words.translate({ord(character): " " for character in delimiters if character})


def _code_and_location(problem: Problem, delimiters: Delimiters) -> str:
    segment = problem.segment
    code = _code(problem, delimiters)
    place = [
        segment,
        str(problem.occurrence) if segment else "",
        str(problem.field or ""),
        delimiters.subcomponent.join(code if delimiters.subcomponent else code[:1]),
    ]
    return delimiters.component.join(place)


def _segment(problem: Problem, delimiters: Delimiters) -> str:
    place = []
    if problem.segment:
        place += [problem.segment, str(problem.occurrence)]
        if problem.field:
            place += [str(problem.field)]
            if problem.component:
                place += ["1", str(problem.component)]
    fields = [
        "ERR",
        "",
        delimiters.component.join(place),
        delimiters.component.join(_code(problem, delimiters)),
        problem.severity,
        written(problem.application_code, delimiters),
        "",
        "",
        written(problem.words, delimiters),
    ]
    return delimiters.field.join(fields)


def _code(problem: Problem, delimiters: Delimiters) -> list[str]:
    return [problem.error_code, written(ERROR_TEXTS.get(problem.error_code, ""), delimiters), "HL70357"]
