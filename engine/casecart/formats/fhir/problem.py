"""What is wrong with a resource, in words and codes for the person at the sender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ISSUE_TYPES", "Problem", "Refused"]

ISSUE_TYPES: Final = {
    "bad-value": "value",
    "bundle": "invariant",
    "duplicate-member": "structure",
    "encoding": "structure",
    "missing-element": "required",
    "nested-contained": "structure",
    "no-resource-type": "structure",
    "not-an-object": "structure",
    "not-json": "structure",
    "null": "structure",
    "number": "value",
    "other-version": "not-supported",
    "several-choices": "structure",
    "strict": "invalid",
    "strict-not-supported": "not-supported",
    "too-deep": "too-costly",
    "too-large": "too-long",
    "too-long": "too-long",
    "too-many-members": "too-costly",
    "unknown-code": "code-invalid",
    "unknown-element": "structure",
    "unknown-resource-type": "not-supported",
    "wrong-type": "structure",
}
"""Our codes, which are stable, and what FHIR calls such an issue (value set issue-type, as R4 has it)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        code: a key of `ISSUE_TYPES`.
        place: where, as FHIRPath: `Bundle.entry[2].resource.status`; empty where no place can be named. Indexes count
            from 0.
        words: what is wrong and what is expected. Never a value of the resource: they end up in the sender's logs.
    """

    code: str
    place: str
    words: str

    @property
    def issue_type(self) -> str:
        """The code for `OperationOutcome.issue.code`."""
        return ISSUE_TYPES[self.code]


class Refused(Exception):
    """These bytes can't be taken as a FHIR resource.

    Attributes:
        problem: why.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.words)
        self.problem = problem
