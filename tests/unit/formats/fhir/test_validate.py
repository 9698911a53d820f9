"""What is wrong with a resource, and where."""

from __future__ import annotations

import json
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.fhir import FINE, VERSIONS, Modifier, read_resource, validate
from casecart.formats.fhir.structs import passes
from casecart.formats.fhir.validate import look
from support.fhir_case import CASE

R4, R4B, R5 = VERSIONS.values()

SUPPLY: dict[str, Any] = {
    "resourceType": "SupplyDelivery",
    "id": "sd-1",
    "status": "completed",
    "suppliedItem": {"quantity": {"value": Decimal("2.50")}, "itemCodeableConcept": {"text": "Mesh"}},
    "occurrenceDateTime": "2026-11-03T09:30:00-06:00",
}
QUANTITY = "SupplyDelivery.suppliedItem.quantity"
PROCEDURE: dict[str, Any] = {"resourceType": "Procedure", "status": "completed", "subject": {"reference": "Patient/1"}}
PATIENT: dict[str, Any] = {"resourceType": "Patient"}


def found(resource: dict[str, Any], version: str = R4) -> list[tuple[str, str]]:
    return [(problem.code, problem.place) for problem in validate(resource, version).problems]


def test_a_usual_bundle_is_fine_at_once() -> None:
    resource = read_resource(CASE)
    assert passes(resource, R4)
    assert validate(resource, R4) is FINE


@pytest.mark.parametrize("version", [R4, R4B, R5])
def test_a_resource_that_versions_share_is_fine_in_each(version: str) -> None:
    supply = SUPPLY if version != R5 else {**SUPPLY, "suppliedItem": [SUPPLY["suppliedItem"]]}
    assert validate(supply, version) == FINE


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        ({"resourceType": "Persn"}, ("unknown-resource-type", "")),
        ({"resourceType": "DomainResource"}, ("unknown-resource-type", "")),
        ({"resourceType": "InventoryReport"}, ("other-version", "")),
        ({}, ("no-resource-type", "")),
        ({"resourceType": []}, ("no-resource-type", "")),
        (PROCEDURE | {"used": []}, ("unknown-element", "Procedure")),  # of R5
        (PROCEDURE | {"resourcetype": "Procedure"}, ("unknown-element", "Procedure")),
        (SUPPLY | {"suppliedItem": {"resourceType": "Device"}}, ("unknown-element", "SupplyDelivery.suppliedItem")),
        (SUPPLY | {"suppliedItem": [SUPPLY["suppliedItem"]]}, ("wrong-type", "SupplyDelivery.suppliedItem")),
        (SUPPLY | {"identifier": {"value": "1"}}, ("wrong-type", "SupplyDelivery.identifier")),
        (SUPPLY | {"identifier": ["1"]}, ("wrong-type", "SupplyDelivery.identifier[0]")),
        (SUPPLY | {"identifier": None}, ("null", "SupplyDelivery.identifier")),
        (SUPPLY | {"identifier": [{"value": "1"}, None]}, ("null", "SupplyDelivery.identifier[1]")),
        (SUPPLY | {"status": None}, ("null", "SupplyDelivery.status")),
        (SUPPLY | {"status": "finished"}, ("unknown-code", "SupplyDelivery.status")),
        (SUPPLY | {"status": ["completed"]}, ("wrong-type", "SupplyDelivery.status")),
        (SUPPLY | {"id": "sd/1"}, ("bad-value", "SupplyDelivery.id")),
        (SUPPLY | {"occurrenceDateTime": "1961-13-45"}, ("bad-value", "SupplyDelivery.occurrence")),
        (SUPPLY | {"occurrencePeriod": {}}, ("several-choices", "SupplyDelivery.occurrence")),
        (SUPPLY | {"suppliedItem": {"quantity": {"value": "2"}}}, ("wrong-type", f"{QUANTITY}.value")),
        (SUPPLY | {"suppliedItem": {"quantity": {"value": True}}}, ("wrong-type", f"{QUANTITY}.value")),
        ({"resourceType": "Procedure", "status": "completed"}, ("missing-element", "Procedure.subject")),
        ({"resourceType": "Procedure", "subject": {}}, ("missing-element", "Procedure.status")),
        ({"resourceType": "OperationOutcome"}, ("missing-element", "OperationOutcome.issue")),
        ({"resourceType": "OperationOutcome", "issue": []}, ("missing-element", "OperationOutcome.issue")),
        ({"resourceType": "SupplyRequest", "quantity": {}}, ("missing-element", "SupplyRequest.item")),
        (PATIENT | {"active": "true"}, ("wrong-type", "Patient.active")),
        (PATIENT | {"active": 1}, ("wrong-type", "Patient.active")),
        (PATIENT | {"gender": "xx"}, ("unknown-code", "Patient.gender")),
        (PATIENT | {"multipleBirthInteger": Decimal("2.0")}, ("wrong-type", "Patient.multipleBirth")),
        (PATIENT | {"multipleBirthInteger": 2**31}, ("bad-value", "Patient.multipleBirth")),
        (PATIENT | {"name": [{"family": ""}]}, ("bad-value", "Patient.name[0].family")),
        (PATIENT | {"name": [{"family": "x" * (1024 * 1024 + 1)}]}, ("too-long", "Patient.name[0].family")),
        (PATIENT | {"name": [{"given": ["A", None]}]}, ("null", "Patient.name[0].given[1]")),
        (PATIENT | {"name": [{"given": "A"}]}, ("wrong-type", "Patient.name[0].given")),
        (PATIENT | {"name": [{"given": ["A"], "_given": {}}]}, ("wrong-type", "Patient.name[0]._given")),
        (PATIENT | {"_birthDate": []}, ("wrong-type", "Patient._birthDate")),
        (PATIENT | {"_birthDate": {"value": "2026"}}, ("unknown-element", "Patient._birthDate")),
        (PATIENT | {"_name": [{}]}, ("unknown-element", "Patient")),
        (PATIENT | {"contained": [PATIENT | {"contained": []}]}, ("nested-contained", "Patient.contained[0]")),
        (PATIENT | {"contained": ["Device"]}, ("wrong-type", "Patient.contained[0]")),
        (PATIENT | {"contained": [PATIENT | {"active": 1}]}, ("wrong-type", "Patient.contained[0].active")),
        (
            {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {}}]},
            ("no-resource-type", "Bundle.entry[0].resource"),
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(resource: dict[str, Any], problem: tuple[str, str]) -> None:
    assert found(resource) == [problem]


@pytest.mark.parametrize(
    ("resource", "version"),
    [
        # A value may be missing where it is said why.
        ({"resourceType": "Procedure", "_status": {"extension": [{"url": "why"}]}, "subject": {}}, R4),
        (PATIENT | {"name": [{"given": ["A", None], "_given": [None, {"id": "b"}]}]}, R4),
        (PATIENT | {"_birthDate": {"id": "b"}}, R4),
        (PATIENT | {"_deceasedBoolean": {"id": "b"}}, R4),
        # What is empty says nothing, and is sent all the same.
        (PATIENT | {"name": [], "maritalStatus": {}}, R4),
        (SUPPLY | {"suppliedItem": {"quantity": {"value": 2}}}, R4),
        (SUPPLY | {"suppliedItem": {"quantity": {"value": Decimal("1E+3")}}}, R4),
        (PATIENT | {"contained": [SUPPLY]}, R4),
        # Nothing of it is known but its name.
        ({"resourceType": "Contract", "anything": [1, {"it": None}]}, R4),
        (
            {
                "resourceType": "SubscriptionStatus",
                "type": "heartbeat",
                "subscription": {},
                "eventsSinceSubscriptionStart": "9223372036854775807",
            },
            R5,
        ),
        (
            {
                "resourceType": "SubscriptionStatus",
                "type": "heartbeat",
                "subscription": {},
                "eventsSinceSubscriptionStart": 10,
            },
            R5,
        ),
    ],
)
def test_what_is_rare_and_right_is_taken(resource: dict[str, Any], version: str) -> None:
    assert found(resource, version) == []


def test_all_problems_are_told_up_to_fifty() -> None:
    names = [{"use": "no", "family": 1}] * 10
    assert len(found(PATIENT | {"name": names})) == 20
    assert len(found(PATIENT | {"name": names * 10})) == 50


def test_words_hold_no_value_and_no_name_that_fhir_does_not_have() -> None:
    sent = PATIENT | {"Example^Ada": 1, "gender": "Ada", "birthDate": "Ada", "active": "Ada", "lotNumber": "Ada"}
    told = " ".join(f"{problem.place} {problem.words}" for problem in validate(sent, R4).problems)
    assert "Ada" not in told
    assert "its member 2, counted from 1" in told
    assert "Patient has no such element in R4 (4.0.1): `lotNumber`." in told
    assert "female, male, other, unknown" in told


def test_a_resource_of_another_version_is_told_so() -> None:
    (problem,) = validate({"resourceType": "DeviceUseStatement"}, R5).problems
    assert problem.words == "DeviceUseStatement is no resource of R5 (5.0.0), but of R4 and R4B."


def deep(levels: int) -> dict[str, Any]:
    resource = PATIENT | {"extension": [{"url": "a"}]}
    innermost = resource["extension"][0]
    for _ in range(levels):
        innermost["extension"] = [{"url": "a"}]
        innermost = innermost["extension"][0]
    return resource


def test_what_is_deeper_than_any_resource_is_a_problem_and_no_crash() -> None:
    assert found(deep(90)) == []
    assert found(deep(5000))[0][0] == "too-deep"
    assert found({"resourceType": "Contract", "it": deep(5000)})[0][0] == "too-deep"


EXTENSION = {"url": "http://acme.example/not-really", "valueBoolean": True}


@pytest.mark.parametrize(
    ("resource", "modifiers"),
    [
        (PROCEDURE | {"modifierExtension": [EXTENSION]}, [("Procedure.modifierExtension[0]", EXTENSION["url"])]),
        (
            PROCEDURE | {"implicitRules": "http://acme.example/r"},
            [("Procedure.implicitRules", "http://acme.example/r")],
        ),
        (
            PROCEDURE | {"focalDevice": [{"manipulated": {}, "modifierExtension": [EXTENSION, EXTENSION]}]},
            [(f"Procedure.focalDevice[0].modifierExtension[{at}]", EXTENSION["url"]) for at in (0, 1)],
        ),
        (
            PROCEDURE | {"contained": [{"resourceType": "Contract", "x": {"modifierExtension": [EXTENSION]}}]},
            [("Procedure.contained[0].modifierExtension[0]", EXTENSION["url"])],
        ),
        (PROCEDURE | {"extension": [EXTENSION]}, []),
    ],
)
def test_what_may_turn_the_meaning_is_found_wherever_it_stands(
    resource: dict[str, Any], modifiers: list[tuple[str, str]]
) -> None:
    validation = validate(resource, R4)
    assert validation.problems == ()
    assert validation.modifiers == tuple(Modifier(place, url) for place, url in modifiers)


def test_a_modifier_without_its_url_is_one_all_the_same() -> None:
    validation = validate(PROCEDURE | {"modifierExtension": [{"valueBoolean": True}]}, R4)
    assert validation.modifiers == (Modifier("Procedure.modifierExtension[0]", ""),)


leaves = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(max_size=3) | st.floats()
rubbish = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["resourceType", "id", "_id", "extension", "contained", "x"]), inner)
    ),
    max_leaves=8,
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


SOUND = read_resource(CASE)
PLACES = places(SOUND)[1:]
NAMES = ["modifierExtension", "_status", "contained", "valueString", "occurrencePeriod", "given", "_given", "extension"]


@settings(max_examples=200)
@given(st.sampled_from(PLACES), st.sampled_from([None, *NAMES]), rubbish)
def test_what_passes_at_once_has_nothing_that_looking_closely_finds(
    place: tuple[Any, ...], name: str | None, put: object
) -> None:
    resource = deepcopy(SOUND)
    owner: Any = resource
    for key in place[:-1]:
        owner = owner[key]
    owner[name if name and isinstance(owner, dict) else place[-1]] = put
    for version in (R4, R5):
        looked = look(resource, version)
        assert not passes(resource, version) or looked == FINE


@given(
    st.dictionaries(st.sampled_from(["resourceType", "entry", "type", "x"]), rubbish), st.sampled_from([R4, R4B, R5])
)
def test_validating_never_raises(resource: dict[str, Any], version: str) -> None:
    assert validate(resource | {"resourceType": "Bundle"}, version).problems is not None
    assert validate(resource, version).problems is not None


def test_words_can_be_written_as_json() -> None:
    problems = validate({"resourceType": "Bundle", "type": 1}, R4).problems
    assert json.dumps([problem.words for problem in problems])
