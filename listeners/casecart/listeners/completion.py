"""What came of a message, as its sender is told: only that it was taken, or the places and codes of its trouble."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from casecart.formats.hl7v2 import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.formats.hl7v2 import Outcome
    from casecart.listeners.acknowledge import Acknowledge, ApplicationCode
    from casecart.runtime.listener import Completion, HeldLine

__all__ = ["ERROR_CODES", "MOST", "Policy", "text_of"]

MOST: Final = 10
"""Problems that one answer tells. All of them are in the worklist."""

ERROR_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": "101",
        "incomplete-usage": "101",
        "item-untold": "101",
        "location-untold": "101",
        "supplier-untold": "101",
        "cost_center-untold": "101",
        "gl_account-untold": "101",
        "lot-missing": "101",
        "serial-missing": "101",
        "expiry-missing": "101",
        "not-a-number": "102",
        "not-a-date": "102",
        "date-precision": "102",
        "time-ambiguous": "102",
        "time-skipped": "102",
        "udi-unreadable": "102",
        "udi-ambiguous": "102",
        "not-allowed": "102",
        "quantity-sign": "102",
        "code-not-in-table": "103",
        "item-unknown": "204",
        "unit-unknown": "204",
        "location-unknown": "204",
        "department-unknown": "204",
        "supplier-unknown": "204",
        "cost_center-unknown": "204",
        "gl_account-unknown": "204",
        "lot-unknown": "204",
        "serial-used": "205",
    }
)
"""Code of an exception → that of table 0357. Any other is 207, an application error."""

_OUTCOMES: Final[Mapping[ApplicationCode, Outcome]] = MappingProxyType(
    {"AA": "accepted", "AE": "error", "AR": "rejected"}
)
_PLACE: Final = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?")
_UNROUTED: Final = Problem(
    error_code="200",
    words="No channel takes messages of this type.",
    segment="MSH",
    field=9,
    application_code="unrouted",
)


class Policy:
    """What one peer is told.

    Attributes:
        asks: whether what came of a message decides anything.
    """

    __slots__ = ("_held", "_put_aside", "_unrouted", "asks")

    def __init__(self, acknowledge: Acknowledge) -> None:
        self._held = _OUTCOMES[acknowledge.held]
        self._unrouted = _OUTCOMES[acknowledge.unrouted]
        self._put_aside = _OUTCOMES[acknowledge.put_aside]
        self.asks = {self._held, self._unrouted, self._put_aside} != {"accepted"}

    def told(self, completion: Completion) -> tuple[Outcome, tuple[Problem, ...]]:
        """How the work on a message counts for its sender, and why."""
        outcome: Outcome = "accepted"
        problems: tuple[Problem, ...] = ()
        if completion.outcome == "unrouted":
            outcome, problems = self._unrouted, (_UNROUTED,)
        elif completion.outcome == "quarantined":
            outcome, problems = self._put_aside, _problems("The message was put aside", completion.held)
        elif completion.held:
            outcome, problems = self._held, _problems("This waits for a person", completion.held)
        return outcome, () if outcome == "accepted" else problems


def text_of(problems: tuple[Problem, ...]) -> str:
    """MSA-3: the first, and how many there are."""
    if not problems:
        return ""
    words = problems[0].words
    return words if len(problems) == 1 else f"{words} ({len(problems)} errors)"


def _problems(words: str, held: tuple[HeldLine, ...]) -> tuple[Problem, ...]:
    if not held:  # a person has looked at it already
        return (Problem(error_code="207", words=f"{words}."),)
    return tuple(_problem(words, each) for each in held[:MOST])


def _problem(words: str, held: HeldLine) -> Problem:
    place = _PLACE.fullmatch(held.place)
    return Problem(
        error_code=ERROR_CODES.get(held.code, "207"),
        words=f"{words}: {held.code}.",
        segment=place[1] if place else "",
        occurrence=int(place[2] or 1) if place else 1,
        application_code=held.code,
    )
