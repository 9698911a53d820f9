"""FHIR R4, R4B and R5: reading, what is wrong, what is in a bundle, references, and the answer OperationOutcome."""

from __future__ import annotations

from casecart.formats.fhir.bundle import Bundle, Entry, contained, inner_resources, read_bundle
from casecart.formats.fhir.definitions import VERSIONS
from casecart.formats.fhir.outcome import ALL_OK, Issue, issue_of, operation_outcome, write_resource
from casecart.formats.fhir.problem import Problem, Refused
from casecart.formats.fhir.read import LIMITS, Limits, Resource, read_resource
from casecart.formats.fhir.reference import Canonical, Reference, read_canonical, read_reference, reference_of
from casecart.formats.fhir.strict import NotInstalled, alike, installed, validate_strictly
from casecart.formats.fhir.validate import FINE, Modifier, Validation, validate

__all__ = [
    "ALL_OK",
    "FINE",
    "LIMITS",
    "VERSIONS",
    "Bundle",
    "Canonical",
    "Entry",
    "Issue",
    "Limits",
    "Modifier",
    "NotInstalled",
    "Problem",
    "Reference",
    "Refused",
    "Resource",
    "Validation",
    "alike",
    "contained",
    "inner_resources",
    "installed",
    "issue_of",
    "operation_outcome",
    "read_bundle",
    "read_canonical",
    "read_reference",
    "read_resource",
    "reference_of",
    "validate",
    "validate_strictly",
    "write_resource",
]
