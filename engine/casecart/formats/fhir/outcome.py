"""OperationOutcome: what FHIR answers when something was not taken, and when it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.formats.fhir.problem import Problem
    from casecart.formats.fhir.read import Resource

__all__ = ["ALL_OK", "Issue", "issue_of", "operation_outcome", "write_resource"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that the answer says.

    Attributes:
        severity: `fatal`, `error`, `warning` or `information`.
        issue_type: of FHIR's value set issue-type: `security`, `transient`, `throttled` …
        words: for a person. Never content of what was sent: they end up in the sender's logs.
        place: as FHIRPath; empty where there is none.
        code: our own, stable, where it says more than the type can.
    """

    severity: str
    issue_type: str
    words: str
    place: str = ""
    code: str = ""


ALL_OK: Final = Issue("information", "informational", "All OK")


def issue_of(problem: Problem, severity: str = "error") -> Issue:
    """A problem as an issue."""
    return Issue(severity, problem.issue_type, problem.words, problem.place, problem.code)


def operation_outcome(issues: Iterable[Issue]) -> Resource:
    """The resource, which is the same in R4, R4B and R5; of no issues it says that all is well."""
    return {"resourceType": "OperationOutcome", "issue": [_written(issue) for issue in issues] or [_written(ALL_OK)]}


def _written(issue: Issue) -> dict[str, Any]:
    written: dict[str, Any] = {"severity": issue.severity, "code": issue.issue_type}
    if issue.code:
        written["details"] = {"text": issue.code}
    written["diagnostics"] = issue.words
    if issue.place:
        written["expression"] = [issue.place]
    return written


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def write_resource(resource: Resource) -> bytes:
    """A resource as JSON in UTF-8; decimals keep their digits."""
    return _ENCODER.encode(resource)
