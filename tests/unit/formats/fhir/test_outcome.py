"""What FHIR answers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from casecart.formats.fhir import VERSIONS, read_resource, validate
from casecart.formats.fhir.definitions import definitions
from casecart.formats.fhir.outcome import Issue, issue_of, operation_outcome, write_resource
from casecart.formats.fhir.problem import ISSUE_TYPES


def test_problems_become_issues_with_code_place_and_words() -> None:
    problems = validate({"resourceType": "Patient", "gender": "xx"}, VERSIONS["R4"]).problems
    assert operation_outcome(issue_of(problem) for problem in problems) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "code-invalid",
                "details": {"text": "unknown-code"},
                "diagnostics": "This must be one of female, male, other, unknown.",
                "expression": ["Patient.gender"],
            }
        ],
    }


def test_no_issues_are_told_as_such() -> None:
    (issue,) = operation_outcome(iter(()))["issue"]
    assert issue == {"severity": "information", "code": "informational", "diagnostics": "All OK"}


@pytest.mark.parametrize("version", VERSIONS.values())
def test_an_outcome_is_sound_in_every_version(version: str) -> None:
    outcome = operation_outcome(
        [Issue("fatal", "security", "No."), Issue("error", "value", "Bad.", "Patient.id", "it")]
    )
    assert validate(outcome, version).problems == ()


@pytest.mark.parametrize("version", VERSIONS.values())
def test_every_problem_has_an_issue_type_of_every_version(version: str) -> None:
    codes = definitions(version)["OperationOutcome.issue"].members["code"].codes
    assert codes is not None
    assert set(ISSUE_TYPES.values()) <= codes


def test_what_is_written_is_read_back_with_its_digits() -> None:
    resource = {"resourceType": "Basic", "é": [Decimal("1.00"), Decimal("0.10"), None, True, 7, "\x1d"]}
    assert b"[1.00,0.10,null,true,7," in write_resource(resource)
    assert read_resource(write_resource(resource)) == resource
