"""Every FHIR file of the corpus through reader and validation, beside HL7's own schemas and fhir.resources."""

from __future__ import annotations

import json
import tarfile
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import fhir.resources
import fhir.resources.R4B
import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.fhir import (
    VERSIONS,
    issue_of,
    operation_outcome,
    read_bundle,
    read_reference,
    read_resource,
    validate,
    validate_strictly,
    write_resource,
)
from support.fhir_case import case_bundle
from support.fhir_definitions import bring, needed

if TYPE_CHECKING:
    from pathlib import Path

R4, R4B, R5 = VERSIONS.values()

# What we refuse, and where. All others must be taken.
REFUSED: Final = {
    # A coding where a concept must be: `"code": {"system": …, "code": …}` without `coding`.
    "HL7__fhir-subscription-backport-ig/Basic-r4-encounter-complete.json": ["Basic.code", "Basic.code"],
    # The same in SubscriptionStatus.error.
    "HL7__fhir-subscription-backport-ig/Bundle-r4b-notification-error.json": ["Bundle.entry[0].resource.error[0]"] * 2,
}

# Taken by us and refused in strict mode: fhir.resources has no models of R4, and R4B's are not known to be alike for
# MedicationRequest, Condition, Claim and Coverage.
NO_STRICT_MODE: Final = {
    "hl7.fhir.r4.examples-4.0.1/Bundle-bundle-example.json",
    "hl7.fhir.r4.examples-4.0.1/Bundle-bundle-response-simplesummary.json",
    *(f"hl7.fhir.r4.examples-4.0.1/Claim-10015{number}.json" for number in range(4)),
}


def version_of(name: str) -> str:
    if name.startswith("hl7.fhir.r5"):
        return R5
    return R4B if "r4b" in name else R4


def resources(corpus: Path) -> dict[str, dict[str, Any]]:
    folder = corpus / "fhir"
    return {str(path.relative_to(folder)): read_resource(path.read_bytes()) for path in sorted(folder.glob("*/*.json"))}


def test_every_file_is_taken_or_refused_with_an_operation_outcome(corpus: Path) -> None:
    refused = {}
    read = resources(corpus)
    for name, resource in read.items():
        problems = validate(resource, version_of(name)).problems
        if problems:
            refused[name] = [problem.place for problem in problems]
            outcome = operation_outcome(issue_of(problem) for problem in problems)
            assert validate(outcome, version_of(name)).problems == ()
    assert len(read) > 200
    assert refused == REFUSED


def test_every_file_comes_out_with_the_values_that_went_in(corpus: Path) -> None:
    for path in sorted((corpus / "fhir").glob("*/*.json")):
        sent = json.loads(path.read_bytes(), parse_float=str, parse_int=str)
        assert json.loads(write_resource(read_resource(path.read_bytes())), parse_float=str, parse_int=str) == sent


def test_entries_and_references_of_every_bundle_are_read(corpus: Path) -> None:
    found = 0
    for resource in resources(corpus).values():
        if resource["resourceType"] == "Bundle":
            bundle = read_bundle(resource)
            assert len(bundle.entries) == len(resource.get("entry", ()))
            for entry in bundle.entries:
                if entry.resource is not None and entry.full_url:
                    found += bundle.find(read_reference(entry.full_url)) is entry.resource
    assert found > 100


@cache
def schema(version: str) -> dict[str, Any]:
    """HL7's schema of R4B or R5."""
    needed(version)
    with tarfile.open(bring(version)) as package:
        opened = package.extractfile("package/openapi/fhir.schema.json")
        assert opened is not None
        text = opened.read().decode()
    # R5's pattern of a decimal does not compile as it stands: `{1,9}})?$`.
    read: dict[str, Any] = json.loads(text.replace("{1,9}})?$", "{1,9})?$"))
    return read


@cache
def validator(version: str) -> Any:  # noqa: ANN401 - a library without a type for it
    whole = schema(version)
    return jsonschema_rs.validator_for(
        {"$schema": whole["$schema"], "$ref": "#/definitions/Bundle", "definitions": whole["definitions"]}
    )


def schema_takes(resource: dict[str, Any], version: str) -> bool:
    # The one schema of a bundle has all others within it.
    whole = resource if resource["resourceType"] == "Bundle" else {**EMPTY, "entry": [{"resource": resource}]}
    taken: bool = validator(version).is_valid(json.loads(write_resource(whole)))
    return taken


EMPTY: Final = {"resourceType": "Bundle", "type": "collection"}


def library_takes(resource: dict[str, Any], version: str) -> bool:
    """Whether fhir.resources takes a resource, also where it breaks down at it."""
    models: Any = fhir.resources if version == R5 else fhir.resources.R4B
    try:
        models.get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return True


@pytest.mark.parametrize("version", [R4B, R5])
def test_hl7s_schemas_answer_as_we_do(corpus: Path, version: str) -> None:
    # There is none of R4: R4B's speaks for it.
    for name, resource in resources(corpus).items():
        if (version_of(name) == R5) == (version == R5):
            assert schema_takes(resource, version) == (name not in REFUSED), name


def test_fhir_resources_answers_as_we_do(corpus: Path) -> None:
    for name, resource in resources(corpus).items():
        assert library_takes(resource, version_of(name)) == (name not in REFUSED), name


def test_strict_mode_takes_what_we_take_but_for_resources_of_r4_without_a_model(corpus: Path) -> None:
    found = {
        name
        for name, resource in resources(corpus).items()
        if [it.code for it in validate_strictly(resource, version_of(name)).problems] == ["strict-not-supported"]
    }
    assert found == NO_STRICT_MODE


GONE: Final = "gone"


def changed(*steps: Any, put: object = GONE) -> dict[str, Any]:  # noqa: ANN401 - names and numbers
    """The case, with one place changed or gone."""
    bundle = case_bundle()
    owner: Any = bundle
    for step in steps[:-1]:
        owner = owner[step]
    if put == GONE:
        del owner[steps[-1]]
    else:
        owner[steps[-1]] = put
    return bundle


PATIENT, PROCEDURE, USE, SUPPLY = (("entry", number, "resource") for number in (0, 2, 3, 4))


@pytest.mark.parametrize(
    ("bundle", "schema", "library"),
    [
        (changed(*USE, "device"), False, False),
        (changed(*PATIENT, "lastName", put="x"), False, False),
        (changed(*PATIENT, "birthDate", put="1961-13-45"), False, False),
        # The schema leaves every primitive value out of what must be there, since `_status` might stand for it.
        (changed(*PROCEDURE, "status"), True, False),
        # And says of an answer to a choice only what it is, not that there is one.
        (changed(*SUPPLY, "occurrencePeriod", put={"start": "2026"}), True, False),
        # And of an object what is in it, not that it must be one.
        (changed(*PATIENT, "maritalStatus", put="M"), True, False),
        # R4B's has no codes but those of resources' types; fhir.resources looks at none.
        (changed(*PROCEDURE, "status", put="finished"), True, True),
        # Its pattern of a day has 31 in each month.
        (changed(*PATIENT, "birthDate", put="1961-02-30"), True, False),
        # fhir.resources takes a null for nothing, and a number for a time since 1970.
        (changed(*PATIENT, "active", put=None), False, True),
        (changed("timestamp", put=-1), False, True),
        # It takes text for a number, and a number for truth.
        (changed(*SUPPLY, "suppliedItem", "quantity", "value", put="2.5"), False, True),
    ],
)
def test_what_we_refuse_and_the_oracles_take(
    bundle: dict[str, Any],
    schema: bool,  # noqa: FBT001 - a table's cell
    library: bool,  # noqa: FBT001 - the same
) -> None:
    assert validate(bundle, R4B).problems != ()
    assert (schema_takes(bundle, R4B), library_takes(bundle, R4B)) == (schema, library)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


BLANKS = [" ", "x y", "http://a b"]
VALUES = [
    *([], {}, [{}], ["x"], {"x": 1}, {"reference": 1}, {"resourceType": "Patient"}),
    *("", "true", "2021-02-30", "a" * 70, 1, -1, 1.5, True, *BLANKS),
]
NAMES = ["x", "_x", "extension", "contained", "_status", "id", "_given", "valueString", "occurrencePeriod", "text"]


@settings(max_examples=150)
@given(
    st.sampled_from(places(case_bundle())[1:]), st.sampled_from([None, *NAMES]), st.sampled_from([GONE, None, *VALUES])
)
def test_what_we_take_both_oracles_take_but_for_blanks(place: tuple[Any, ...], name: str | None, put: object) -> None:
    beside = name is not None and put != GONE and not isinstance(place[-1], int)
    bundle = changed(*place[:-1], name, put=put) if beside else changed(*place, put=put)
    if not isinstance(bundle.get("resourceType"), str) or validate(bundle, R4B).problems:
        return
    # We take a URI and a code with blanks in it.
    taken = put in BLANKS
    assert taken or schema_takes(bundle, R4B)
    assert taken or library_takes(bundle, R4B)
