"""Elements that no version of FHIR has are found in a path, and nothing is said of what can't be known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.formats.fhir.path.elements import ANYTHING, Kind, kinds_of, resource_kinds

if TYPE_CHECKING:
    from casecart.formats.fhir.path.elements import Kinds
    from casecart.formats.fhir.path.mistake import FhirPathError

LINE: Final = kinds_of("Procedure.focalDevice", ANYTHING, ANYTHING, {})
BOUND: Final = {"device": resource_kinds("Device"), "any": ANYTHING}


def wrong(path: str, this: Kinds = LINE) -> list[str]:
    found: list[FhirPathError] = []
    kinds_of(path, this, resource_kinds("Procedure"), BOUND, found)
    return [f"{each.column} {each.message}{f' ({each.suggestion})' if each.suggestion else ''}" for each in found]


WRONG: Final = [
    ("Procedure.focalDevise", ["11 FHIR has no 'focalDevise' in Procedure (focalDevice)"]),
    ("manipulate.reference", ["1 FHIR has no 'manipulate' in Procedure.focalDevice (manipulated)"]),
    ("manipulated.refrence", ["13 FHIR has no 'refrence' in Reference (reference)"]),
    ("action.coding.where(sytem = 'x').code", ["21 FHIR has no 'sytem' in Coding (system)"]),
    ("manipulated.resolve().exists() and %resource.stauts = 'x'", ["46 FHIR has no 'stauts' in Procedure (status)"]),
    ("%resource.status.coding", ["18 FHIR has no 'coding' in code"]),
    ("%resource.performed.strt", ["21 FHIR has no 'strt' in Age or Period or Range or dateTime (start)"]),
    ("%resource.performed.ofType(Period).begin", ["36 FHIR has no 'begin' in Period"]),
    ("%device.udiCarrier.select(carrierHFR)", ["27 FHIR has no 'carrierHFR' in Device.udiCarrier (carrierHRF)"]),
    ("%device.udiCarrier.first().carrierHRF[0].x", ["42 FHIR has no 'x' in string"]),
    ("iif(action.x = 1, id, id.y)", ["12 FHIR has no 'x' in CodeableConcept", "26 FHIR has no 'y' in string"]),
    ("(action | manipulated).codng", ["24 FHIR has no 'codng' in CodeableConcept or Reference (coding)"]),
    ("a.b + c", ["1 FHIR has no 'a' in Procedure.focalDevice", "7 FHIR has no 'c' in Procedure.focalDevice"]),
    ("id.startsWith(%resource.idd)", ["25 FHIR has no 'idd' in Procedure (id)"]),
    ("extension('urn:x').valeu", ["20 FHIR has no 'valeu' in Extension (value)"]),
    ("`focalDevise`", ["1 FHIR has no 'focalDevise' in Procedure.focalDevice"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "expected"), WRONG, ids=[path for path, _ in WRONG])
def test_an_element_that_no_version_has_is_told_at_its_column(path: str, expected: list[str]) -> None:
    assert wrong(path) == expected


RIGHT: Final = [
    "Procedure.performed.start | Procedure.occurrence.start",
    "%resource.performedPeriod.start",
    "%resource.usedCode.coding.code | %resource.used.concept.coding.code",
    "manipulated.resolve().whatever.it.has",
    "%any.nobody.knows",
    "%resource.contained.where(id = 'x').lotNumber",
    "%resource.contained.ofType(Device).lotNumber",
    "%resource.status.extension.valueCode",
    "%resource.resourceType",
    "%resource._status.extension('urn:x').value",
    "DomainResource.text",
    "manipulated.reference.split('/').last().length()",
    "Claim.item.anything",
    "%resource.descendants().anything",
    "%device.property.value.unit | %device.property.valueQuantity.unit",
    "$this.action.coding.code.first()",
    "id.combine(x.y).z",
    "{}.anything",
    "'text'.anything",
    "%resource.text.`div`",
    "%resource.meta.tag.where(code = 'x').exists(display = 'y')",
]  # fmt: skip


@pytest.mark.parametrize("path", RIGHT)
def test_what_any_version_has_or_nobody_can_know_is_let_pass(path: str) -> None:
    assert wrong(path) == []


def test_a_wrapper_is_known_and_what_it_wraps_is_not() -> None:
    assert wrong("Bundle.entry.resource.ofType(Procedure).focalDevice.action", ANYTHING) == []
    assert wrong("Bundle.entry.resource.anything", ANYTHING) == []
    assert wrong("Bundle.entri.resource", ANYTHING) == ["8 FHIR has no 'entri' in Bundle (entry)"]
    assert wrong("Bundle.entry.resource.ofType(Device).lot", ANYTHING) == ["38 FHIR has no 'lot' in Device"]


def test_a_type_is_told_by_version() -> None:
    assert kinds_of("Procedure.occurrence.start", ANYTHING, ANYTHING, {}) == frozenset({Kind("5.0.0", "dateTime")})
    assert kinds_of("Procedure.focalDevice.manipulated.resolve()", ANYTHING, ANYTHING, {}) is ANYTHING
    assert resource_kinds("Claim") is ANYTHING


NAMES: Final = (
    "action coding value x where(a) resolve() first() select(b|c) Device ofType(Quantity) as(x) _id first()[0]"
)


@given(st.lists(st.sampled_from(NAMES.split()), min_size=1, max_size=6))
def test_any_path_is_looked_at_and_one_mistake_causes_no_other(names: list[str]) -> None:
    assert len(wrong(".".join(names))) <= 1 + 3 * sum("(" in name for name in names)
