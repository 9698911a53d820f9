"""What servers say that they do, also where they say it wildly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.formats.fhir.capability import Capability, capability_of

IG = "http://hl7.org/fhir/uv/subscriptions-backport"
TOPIC = "https://ehr.example/topics/used"
TELLS_TOPIC = {
    "url": f"{IG}/StructureDefinition/capabilitystatement-subscriptiontopic-canonical",
    "valueCanonical": TOPIC,
}
ALL = ("read", "search-type", "create", "update", "delete")


def resource(kind: str = "Subscription", *does: str, **more: object) -> dict[str, Any]:
    """What is said of a type."""
    return {"type": kind, "interaction": [{"code": each} for each in does or ALL], **more}


def statement(*resources: dict[str, Any], version: str = "4.0.1", **more: object) -> dict[str, Any]:
    """A statement of one server."""
    rest = [{"mode": "server", "resource": list(resources)}]
    return {"resourceType": "CapabilityStatement", "fhirVersion": version, "rest": rest, **more}


def read(value: dict[str, Any]) -> Capability:
    """It is a statement."""
    capability = capability_of(value)
    assert capability is not None
    return capability


def test_what_is_said_and_what_is_not_are_told_apart() -> None:
    capability = read(statement(resource("Procedure", "read", "search-type"), {"type": "Device"}))
    assert capability.does("Procedure", "search-type") is True
    assert capability.does("Procedure", "create") is False
    assert capability.does("Device", "read") is None
    assert capability.does("Subscription", "create") is False


def test_of_a_statement_without_resources_nothing_is_known() -> None:
    assert read({"resourceType": "CapabilityStatement"}).does("Subscription", "create") is None


def test_security_parameters_operations_and_topics_are_read() -> None:
    said = statement(
        resource(
            searchParam=[{"name": "url", "type": "uri"}],
            operation=[{"name": "$events", "definition": f"{IG}/OperationDefinition/backport-subscription-events"}],
            extension=[TELLS_TOPIC],
        )
    )
    said["rest"][0]["security"] = {"service": [{"coding": [{"code": "SMART-on-FHIR"}, {"code": "made-up"}]}]}
    capability = read(said)
    assert capability.security == ("SMART-on-FHIR",)
    assert capability.topics == (TOPIC,)
    assert capability.offers["Subscription"].parameters == {"url"}
    assert capability.operates("events")
    assert not capability.operates("status")


@pytest.mark.parametrize(
    ("said", "dialects"),
    [
        (statement(resource()), ("classic",)),
        (statement(resource(), version="4.3.0"), ("classic",)),
        (statement(resource(), version="5.0.0"), ("R5",)),
        (statement(resource(), version="5.0.0-ballot"), ("R5",)),
        # what tells the Backport, each by itself
        (statement(resource(), implementationGuide=[f"{IG}/ImplementationGuide/hl7"]), ("backport", "classic")),
        (statement(resource(), instantiates=[f"{IG}/CapabilityStatement/x|1.1.0"]), ("backport", "classic")),
        (
            statement(resource(supportedProfile=[f"{IG}/StructureDefinition/backport-subscription"])),
            ("backport", "classic"),
        ),
        (statement(resource(operation=[{"name": "status"}])), ("backport", "classic")),
        (statement(resource(operation={"name": "$events"})), ("backport", "classic")),  # no list
        (statement(resource(extension=[TELLS_TOPIC])), ("backport", "classic")),
        (statement(resource(), resource("SubscriptionTopic"), version="4.3.0"), ("backport", "classic")),
        # no subscription can be made
        (statement(resource("Procedure")), ()),
        (statement(resource("Subscription", "read")), ()),
        # some servers let a client name the id only
        (statement(resource("Subscription", "read", "update")), ("classic",)),
        # it does not say which interactions
        (statement({"type": "Subscription"}), ("classic",)),
        # of no version that is known, or of none
        (statement(resource(), version="3.0.2"), ()),
        (statement(resource(), version="made up"), ()),
        ({"resourceType": "CapabilityStatement", "fhirVersion": 4, "rest": [{"resource": [resource()]}]}, ()),
    ],
)
def test_the_dialects_are_those_that_the_statement_lets_expect(said: dict[str, Any], dialects: tuple[str, ...]) -> None:
    assert read(said).dialects == dialects


def test_what_several_rests_say_is_put_together_and_what_a_client_would_do_is_not() -> None:
    said = statement(resource("Procedure", "read"))
    said["rest"] += [
        {"resource": [resource("Procedure", "search-type")]},
        {"mode": "client", "resource": [resource("Subscription")]},
    ]
    capability = read(said)
    assert capability.offers["Procedure"].interactions == frozenset({"read", "search-type"})
    assert capability.does("Subscription", "create") is False


@pytest.mark.parametrize(
    "said",
    [
        {"rest": None},
        {"rest": "server"},
        {"rest": {"mode": "server", "resource": resource()}},  # no lists
        {"rest": [None, 1, [], {"resource": [None, 5, {"type": 7}, {"type": ["Subscription"]}]}]},
        {"rest": [{"resource": [{"type": "Subscription", "interaction": [{"code": 1}, None, "create"]}]}]},
        {"rest": [{"security": [{"service": "OAuth"}], "resource": [{"type": "Device", "operation": [{"name": {}}]}]}]},
        {"implementationGuide": {"url": IG}, "instantiates": [1, None, {"a": IG}], "fhirVersion": ["4.0.1"]},
        {"rest": [{"extension": [{"url": 1}, {"url": TELLS_TOPIC["url"], "valueCanonical": ["x"]}]}]},
        {"rest": [{"resource": [resource(extension=[TELLS_TOPIC | {"valueCanonical": "two words\n"}])]}]},
    ],
)
def test_wild_statements_are_read_as_far_as_they_can_be(said: dict[str, Any]) -> None:
    capability = read({"resourceType": "CapabilityStatement", **said})
    assert capability.topics == ()


def test_of_a_huge_statement_the_first_thousands_are_read() -> None:
    many = [resource(f"Type{number}", extension=[TELLS_TOPIC] * 50) for number in range(20_000)]
    topics = [TELLS_TOPIC | {"valueCanonical": f"urn:topic:{number}"} for number in range(5_000)]
    capability = read(statement(resource(extension=topics), *many))
    assert len(capability.offers) == 2_000
    assert len(capability.topics) == 100


def test_another_resource_is_none() -> None:
    assert capability_of({"resourceType": "OperationOutcome"}) is None
    assert capability_of({}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["Subscription", "create"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["rest", "resource", "type", "interaction", "code", "extension", "url", "operation", "security",
                         "service", "coding", "searchParam", "name", "definition", "mode", "supportedProfile"]),
        inner, max_size=5,
    ),
    max_leaves=30,
)  # fmt: skip


@given(JSON, JSON)
def test_any_json_is_read(rest: Any, guides: Any) -> None:  # noqa: ANN401 - any JSON
    said = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest, "implementationGuide": guides}
    assert set(read(said).dialects) <= {"backport", "classic"}
