"""The tables of FHIR's definitions."""

from __future__ import annotations

import pytest

from casecart.formats.fhir.definitions import VERSIONS, definitions
from casecart.formats.fhir.primitive import PRIMITIVES

versions = pytest.mark.parametrize("version", VERSIONS.values())


@versions
def test_every_type_that_an_element_has_is_there(version: str) -> None:
    defined = definitions(version)
    used = {member.type for name in defined for member in defined[name].members.values()}
    assert {name for name in used if name not in defined and name not in PRIMITIVES} == {"Resource"}


@pytest.mark.parametrize(
    ("version", "type_name", "member", "told"),
    [
        ("4.0.1", "Procedure", "usedReference", ("usedReference", "Reference", True)),
        ("5.0.0", "Procedure", "used", ("used", "CodeableReference", True)),
        ("4.3.0", "Procedure", "performedPeriod", ("performed", "Period", False)),  # a choice
        ("4.3.0", "Procedure.focalDevice", "manipulated", ("manipulated", "Reference", False)),  # an inner element
        ("5.0.0", "SupplyDelivery", "suppliedItem", ("suppliedItem", "SupplyDelivery.suppliedItem", True)),
        ("4.0.1", "Bundle.entry", "resource", ("resource", "Resource", False)),
        ("4.0.1", "Bundle.entry", "link", ("link", "Bundle.link", True)),  # an element that is described elsewhere
        ("5.0.0", "SubscriptionStatus.notificationEvent", "eventNumber", ("eventNumber", "integer64", False)),
        ("4.0.1", "Patient", "id", ("id", "id", False)),  # of a resource
        ("4.0.1", "HumanName", "id", ("id", "string", False)),  # of an element
        ("4.0.1", "Extension", "url", ("url", "uri", False)),
    ],
)
def test_a_member_is_what_its_version_says(
    version: str, type_name: str, member: str, told: tuple[str, str, bool]
) -> None:
    found = definitions(version)[type_name].members[member]
    assert (found.element, found.type, found.many) == told


@pytest.mark.parametrize(
    ("version", "type_name", "member"),
    [
        ("5.0.0", "Procedure", "usedReference"),
        ("4.0.1", "Procedure", "used"),
        ("4.0.1", "Meta", "project"),  # what Medplum's server has beyond FHIR
        ("4.0.1", "Binary", "url"),
    ],
)
def test_what_a_version_does_not_have_is_not_there(version: str, type_name: str, member: str) -> None:
    assert member not in definitions(version)[type_name].members


def test_codes_are_those_of_the_required_value_set() -> None:
    found = definitions("4.0.1")["SupplyDelivery"].members["status"].codes
    assert sorted(found or ()) == ["abandoned", "completed", "entered-in-error", "in-progress"]
    assert definitions("4.0.1")["Coding"].members["code"].codes is None


@pytest.mark.parametrize(
    ("version", "resource", "known", "described"),
    [
        ("4.0.1", "DeviceUseStatement", True, True),
        ("5.0.0", "DeviceUseStatement", False, False),
        ("4.0.1", "SubscriptionStatus", False, False),
        ("4.3.0", "SubscriptionStatus", True, True),
        ("5.0.0", "Contract", True, False),  # nothing that casecart reads
        ("4.0.1", "DomainResource", False, False),  # abstract
    ],
)
def test_all_resources_of_a_version_have_names_and_those_that_are_read_have_elements(
    version: str, resource: str, *, known: bool, described: bool
) -> None:
    defined = definitions(version)
    assert (resource in defined.resources, resource in defined) == (known, described)


def test_there_is_no_other_version() -> None:
    with pytest.raises(KeyError):
        definitions("3.0.2")
