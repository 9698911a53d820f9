"""Strict validation, by fhir.resources as well."""

from __future__ import annotations

import subprocess
import sys

import pytest

from casecart.formats.fhir import VERSIONS, read_resource, strict, validate
from casecart.formats.fhir.strict import NotInstalled, alike, validate_strictly
from support.fhir_case import CASE

R4, R4B, R5 = VERSIONS.values()


@pytest.mark.parametrize("version", [R4, R4B])
def test_a_sound_bundle_is_sound_strictly_too_and_left_as_it_is(version: str) -> None:
    resource = read_resource(CASE)
    assert validate_strictly(resource, version).problems == ()
    assert resource == read_resource(CASE)


@pytest.mark.parametrize("version", [R4, R4B, R5])
def test_what_only_the_library_refuses_is_told_with_its_place_and_without_its_content(version: str) -> None:
    resource = {"resourceType": "Patient", "language": " Ada", "photo": [{"data": "AAAAA"}]}
    assert validate(resource, version).problems == ()
    problems = validate_strictly(resource, version).problems
    assert [(it.code, it.place) for it in problems] == [
        ("strict", "Patient.language"),
        ("strict", "Patient.photo[0].data"),
    ]
    assert "Ada" not in " ".join(it.words for it in problems)


def test_our_own_problems_come_first() -> None:
    (problem,) = validate_strictly({"resourceType": "Patient", "gender": "xx"}, R4).problems
    assert problem.code == "unknown-code"


@pytest.mark.parametrize(
    "name",
    [
        "Bundle",
        "ChargeItem",
        "Device",
        "DeviceUseStatement",
        "OperationOutcome",
        "Parameters",
        "Patient",
        "Procedure",
        "Subscription",
        "SupplyDelivery",
    ],
)
def test_what_usage_is_told_with_is_alike_in_r4_and_r4b(name: str) -> None:
    assert alike(name)


@pytest.mark.parametrize("name", ["Composition", "SubscriptionStatus", "Claim", "NoResource"])
def test_what_differs_or_is_not_known_is_not_alike(name: str) -> None:
    assert not alike(name)


def test_what_differs_in_r4_is_refused_also_within_a_bundle() -> None:
    claim = {"resourceType": "Claim"}
    resource = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": claim}]}
    (problem,) = validate_strictly(resource, R4).problems
    assert (problem.code, problem.place) == ("strict-not-supported", "Bundle")
    assert "Claim" in problem.words


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(strict._MODULES, R5, "fhir.no_such_module")
    with pytest.raises(NotInstalled, match="fhir-strict"):
        validate_strictly({"resourceType": "Patient"}, R5)


def test_the_library_is_imported_only_when_it_is_asked_for() -> None:
    ask = "import sys, casecart.formats.fhir; print('pydantic' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True)
    assert told.stdout.split() == ["False"]
