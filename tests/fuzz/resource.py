"""Fuzzes what is done with the bytes of a FHIR resource: reading, validation, bundles, references.

How to run it stands in `fuzz.harness`.
"""

from __future__ import annotations

import sys

from casecart.formats.fhir import (
    FINE,
    VERSIONS,
    Limits,
    Refused,
    issue_of,
    operation_outcome,
    read_bundle,
    read_resource,
    reference_of,
    validate,
    write_resource,
)
from casecart.formats.fhir.validate import look
from fuzz.harness import Target, main
from support.fhir_case import CASE

__all__ = ["TARGET"]

LIMITS = Limits(size=4096, depth=30, members=500)


def check(data: bytes) -> None:
    """Whatever the bytes, there is a resource or a reason; and what passes at once is what passes when looked at."""
    try:
        resource = read_resource(data, LIMITS)
    except Refused as refused:
        operation_outcome([issue_of(refused.problem)])
        return
    if read_resource(write_resource(resource)) != resource:
        raise AssertionError("not written as it was read")
    for version in VERSIONS.values():
        found, looked = validate(resource, version), look(resource, version)
        if found != looked:
            raise AssertionError("what passes at once has a problem")
        outcome = operation_outcome(issue_of(problem) for problem in found.problems)
        if validate(outcome, version) is not FINE:
            raise AssertionError("the answer is no sound resource itself")
        if not found.problems and resource["resourceType"] == "Bundle":
            _entries(resource)


def _entries(resource: dict[str, object]) -> None:
    bundle = read_bundle(resource)
    bundle.problems()
    for entry in bundle.entries:
        for value in (entry.resource or {}).values():
            reference = reference_of(value) if isinstance(value, dict) and "reference" in value else None
            if reference is not None:
                bundle.find(reference, beside=entry.full_url)


HEAD = b'{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"https://a.example/Device/1","resource":'
TARGET = Target(
    name="resource",
    check=check,
    seeds=(
        CASE,
        CASE.replace(b",", b" ,\n"),
        CASE[:1500].decode().encode("utf-16"),
        HEAD + b'{"resourceType":"Device","id":"1","contained":[{"resourceType":"Device","id":"2"}]}}]}',
        HEAD + b'{"resourceType":"Patient","birthDate":"1961-04-17","_birthDate":{"extension":[{"url":"x"}]}}}]}',
        HEAD + b'{"resourceType":"Patient","name":[{"given":["A",null],"_given":[null,{"id":"1"}]}]}}]}',
        HEAD + b'{"resourceType":"Procedure","status":"completed","subject":{"reference":"#"},"implicitRules":""}}]}',
        HEAD + b'{"resourceType":"ChargeItem","status":"billed","quantity":{"value":1.00e3}}}]}',
        HEAD + b'{"resourceType":"Contract","it":{"modifierExtension":[{"url":"x"}],"implicitRules":"y"}}}]}',
        b'{"resourceType":"SubscriptionStatus","type":"heartbeat","eventsSinceSubscriptionStart":"10"}',
    ),
    marks=(
        b"{", b"}", b"[", b"]", b":", b",", b'"', b"null", b"true", b"-", b"1E9", b".", b"\\u0061", b"\\ud800", b"\xff",
        b'"resourceType":', b'"contained":[', b'"extension":[', b'"modifierExtension":[', b'"_status":', b'"Bundle"',
        b'"valueString":', b'"reference":', b"urn:uuid:", b"/_history/", b"..", b"#", b"\0", b"\xef\xbb\xbf",
    ),
    modules=("casecart.formats.fhir",),
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(TARGET))
