"""Subscriptions that are asked for, each valid in its version, and servers' own as they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.formats.fhir import FINE, validate
from casecart.formats.fhir.subscribed import Header, headers_of, same_endpoint, same_subscription, subscribed
from casecart.formats.fhir.subscription import (
    BadSubscription,
    Wanted,
    asked_again,
    criterion,
    subscriptions,
    switched_off,
)
from support.require import require

if TYPE_CHECKING:
    from casecart.formats.fhir.notification import Content, Dialect

CORPUS = Path(__file__).parents[5] / "shared" / "corpus" / "fhir"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
TOPIC = "https://ehr.example/topics/used"
ENDPOINT = "https://casecart.mercy.example:8443/ehr"
SECRET = Header("Authorization", "Bearer made-up-token-of-the-ehr")
SEARCH = "Procedure?status=completed"

VERSIONS = {"classic": ("4.0.1", "4.3.0"), "backport": ("4.0.1", "4.3.0"), "R5": ("5.0.0",)}


def wanted(dialect: Dialect = "classic", **more: Any) -> Wanted:  # noqa: ANN401 - any attribute
    """What is usual of a dialect."""
    usual: dict[str, Any] = {"criteria": (SEARCH,)} if dialect == "classic" else {"topic": TOPIC, "content": "id-only"}
    return Wanted(dialect=dialect, endpoint=ENDPOINT, **(usual | {"headers": (SECRET,)} | more))


def made(of: Wanted) -> dict[str, Any]:
    """The only one."""
    (only,) = subscriptions(of)
    return only


# --- what is made


def test_a_classic_one_has_the_search_and_the_header() -> None:
    assert made(wanted()) == {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "casecart: what was used on patients, for the inventory",
        "criteria": SEARCH,
        "channel": {"type": "rest-hook", "endpoint": ENDPOINT, "header": [SECRET.line]},
    }


def test_of_several_searches_several_classic_ones_are_made() -> None:
    several = subscriptions(wanted(criteria=(SEARCH, "SupplyDelivery?"), content="full-resource"))
    assert [each["criteria"] for each in several] == [SEARCH, "SupplyDelivery?"]
    assert {each["channel"]["payload"] for each in several} == {"application/fhir+json"}


def test_one_of_the_backport_has_the_topic_and_the_extensions() -> None:
    resource = made(wanted("backport", criteria=(SEARCH,), heartbeat=60))
    assert resource["criteria"] == TOPIC
    assert resource["meta"] == {"profile": [f"{BACKPORT}backport-subscription"]}
    filters = [{"url": f"{BACKPORT}backport-filter-criteria", "valueString": SEARCH}]
    assert resource["_criteria"] == {"extension": filters}
    assert resource["channel"] == {
        "type": "rest-hook",
        "endpoint": ENDPOINT,
        "payload": "application/fhir+json",
        "_payload": {"extension": [{"url": f"{BACKPORT}backport-payload-content", "valueCode": "id-only"}]},
        "extension": [{"url": f"{BACKPORT}backport-heartbeat-period", "valueUnsignedInt": 60}],
        "header": [SECRET.line],
    }


def test_one_of_r5_has_elements_for_all_of_it() -> None:
    resource = made(wanted("R5", criteria=("Procedure?status=completed&code:in=x&date=ge2026-01-01",), heartbeat=60))
    procedure = "http://hl7.org/fhir/StructureDefinition/Procedure"
    assert resource == {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "casecart: what was used on patients, for the inventory",
        "topic": TOPIC,
        "channelType": {
            "system": "http://terminology.hl7.org/CodeSystem/subscription-channel-type",
            "code": "rest-hook",
        },
        "endpoint": ENDPOINT,
        "contentType": "application/fhir+json",
        "content": "id-only",
        "filterBy": [
            {"resourceType": procedure, "filterParameter": "status", "value": "completed"},
            {"resourceType": procedure, "filterParameter": "code", "modifier": "in", "value": "x"},
            {"resourceType": procedure, "filterParameter": "date", "value": "ge2026-01-01"},
        ],
        "parameter": [{"name": "Authorization", "value": SECRET.value}],
        "heartbeatPeriod": 60,
    }


@pytest.mark.parametrize("dialect", ["classic", "backport", "R5"])
@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
@pytest.mark.parametrize("more", [{}, {"headers": ()}, {"criteria": (SEARCH, "SupplyDelivery?status=completed")}])
def test_whatever_is_made_is_valid_and_says_what_was_wanted(
    dialect: Dialect, content: Content, more: dict[str, Any]
) -> None:
    if (dialect, content) == ("classic", "id-only"):
        content = "empty"
    beat: dict[str, Any] = {} if dialect == "classic" else {"heartbeat": 60}
    of = wanted(dialect, content=content, **beat, **more)
    for resource in subscriptions(of):
        for version in VERSIONS[dialect]:
            for each in (resource, asked_again(resource, [SECRET]), switched_off(resource)):
                assert validate(each, version) is FINE
        read = subscribed(resource)
        assert same_subscription(read, subscribed(resource))
        assert (read.dialect, read.status, read.content) == (dialect, "requested", content)
        assert read.heartbeat == of.heartbeat
        assert headers_of(resource) == (list(of.headers))


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (wanted("backport", topic=""), "say which"),
        (wanted("R5", topic=""), "say which"),
        (wanted(criteria=()), "needs a criterion"),
        (wanted(topic=TOPIC), "neither a topic"),
        (wanted(heartbeat=60), "nor a heartbeat"),
        (wanted(content="id-only"), "or the resource"),
        (wanted("R5", criteria=("Procedure?",)), "has a parameter"),
        (wanted("R5", criteria=("Procedure?subject:Patient.name=x",)), "no chains"),
        (wanted("R5", criteria=("Procedure?status",)), "a value"),
        (wanted("R5", criteria=("Procedure?status:wild=x",)), "no chains"),
    ],
)
def test_what_a_dialect_does_not_have_is_refused(of: Wanted, words: str) -> None:
    with pytest.raises(BadSubscription, match=words):
        subscriptions(of)


def test_a_secret_is_not_in_what_python_shows() -> None:
    assert SECRET.value not in repr(wanted()) + repr(SECRET) + str(SECRET)


# --- criteria


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ("SupplyDelivery", "SupplyDelivery?"),
        ("SupplyDelivery?", "SupplyDelivery?"),
        ("Procedure?status=completed,entered-in-error", "Procedure?status=completed,entered-in-error"),
        ("Procedure?_include=Procedure:device&status=completed&_count=5", "Procedure?status=completed"),
        ("Device?_include:iterate=Device:location&_lastUpdated=gt2026", "Device?"),
    ],
)
def test_a_criterion_is_the_search_without_what_says_how_it_is_answered(search: str, told: str) -> None:
    assert criterion(search) == told


@pytest.mark.parametrize(
    "search",
    ["", "?status=completed", "procedure?x=1", "Procedure/1", "https://ehr.example/Procedure?x=1", "Procedure?a=b c",
     "Procedure?a=b\n", "Procedure?a=b\r\nX: y", "Procedure?a#b", "Procedure?" + "a" * 2001, "../Procedure"],
)  # fmt: skip
def test_what_is_no_search_is_no_criterion(search: str) -> None:
    with pytest.raises(BadSubscription, match="a criterion is a search"):
        criterion(search)


# --- what a server has


def test_it_is_the_wanted_one_by_endpoint_and_what_it_is_about() -> None:
    there = subscribed(made(wanted("backport")) | {"id": "1", "status": "active", "meta": {"versionId": "3"}})
    for other, same in [
        (wanted("backport", content="full-resource", headers=()), True),
        (wanted("backport", topic=f"{TOPIC}|1.0"), True),
        (wanted("backport", topic=f"{TOPIC}/other"), False),
        (wanted("backport", criteria=(SEARCH,)), False),
        (wanted(), False),
    ]:
        assert same_subscription(there, subscribed(made(other))) is same
    assert (there.id, there.version, there.status) == ("1", "3", "active")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (ENDPOINT + "/", True),
        ("https://CASECART.mercy.example:8443/ehr", True),
        ("https://casecart.mercy.example/ehr", False),
        ("http://casecart.mercy.example:8443/ehr", False),
        ("https://casecart.mercy.example:8443/EHR", False),
        ("https://casecart.mercy.example:wild/ehr", False),
        ("", False),
    ],
)
def test_an_endpoint_is_the_same_however_it_is_spelled(other: str, same: bool) -> None:  # noqa: FBT001 - of a table
    assert same_endpoint(ENDPOINT, other) is same


def test_the_usual_port_goes_without_saying() -> None:
    assert same_endpoint("https://casecart.example:443/ehr", "https://casecart.example/ehr/")


def test_one_that_is_asked_again_shows_the_new_secret_and_is_else_as_it_was() -> None:
    old = Header("authorization", "Bearer old")
    there = made(wanted(headers=(old,))) | {"id": "1", "status": "error", "error": "can't connect", "contact": [{}]}
    there["channel"]["header"].insert(0, "X-Other: kept")
    again = asked_again(there, [SECRET])
    assert again["channel"]["header"] == ["X-Other: kept", SECRET.line]
    assert (again["status"], again["contact"], "error" in again) == ("requested", [{}], False)
    assert there["status"] == "error"  # what was read stays as it is
    kept = asked_again(made(wanted("R5", headers=(old,))), [SECRET])
    assert kept["parameter"] == [{"name": "Authorization", "value": SECRET.value}]
    assert asked_again(there, ())["channel"] == there["channel"]


def test_a_classic_subscription_to_a_topic_url_is_of_the_backport() -> None:
    assert subscribed({"criteria": TOPIC, "channel": {}}).dialect == "backport"
    assert subscribed({"criteria": "Procedure?x=https://a", "channel": {}}).dialect == "classic"


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"id": "../x", "status": "wild", "meta": [], "channel": "rest-hook", "criteria": 5, "error": {}},
        {"id": 7, "meta": {"versionId": "a b", "profile": "x"}, "channel": {"_payload": [], "header": "x"}},
        {"id": "..", "topic": 1, "filterBy": [None, 1, {"value": []}], "heartbeatPeriod": "60", "parameter": {"a": 1}},
        {"channelType": None, "heartbeatPeriod": -1, "endpoint": ["x"]},
        {"_criteria": {"extension": [None, {"url": 1}, {"url": f"{BACKPORT}backport-filter-criteria"}]}},
        {"channel": {"extension": {"url": "x"}, "header": [None, 1]}},
    ],
)
def test_wild_ones_are_read_as_far_as_they_can_be(resource: dict[str, Any]) -> None:
    there = subscribed(resource)
    assert (there.id, there.version, there.status, there.heartbeat, there.endpoint) == ("", "", "", None, "")
    assert asked_again(resource, [SECRET])["status"] == "requested"
    assert all(isinstance(each, Header) for each in headers_of(resource))


JSON = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["extension", "header", "url", "name", "value"]), inner)
    ),
)
NAMES = ["channel", "topic", "criteria", "_criteria", "meta", "filterBy", "parameter"]


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_any_json_is_read(resource: dict[str, Any]) -> None:
    assert subscribed(resource).id == ""
    assert asked_again(resource, [SECRET])["status"] == "requested"
    assert headers_of(resource) is not None


@pytest.mark.parametrize(
    ("file", "dialect", "status", "about"),
    [
        ("hl7.fhir.r4.examples-4.0.1/Subscription-example.json", "classic", "requested",
         "Observation?code=http://loinc.org|1975-2"),
        ("hl7.fhir.r4.examples-4.0.1/Subscription-example-error.json", "classic", "error",
         "Observation?code=http://loinc.org|1975-2"),
        ("hl7.fhir.r5.examples-5.0.0/Subscription-admission.json", "R5", "active", "?patient=Patient/123"),
        ("hl7.fhir.r5.examples-5.0.0/Subscription-example.json", "R5", "active", "Encounter?patient=Patient/123"),
    ],
)  # fmt: skip
def test_the_official_examples_are_read(file: str, dialect: str, status: str, about: str) -> None:
    path = CORPUS / file
    if not path.exists():
        require("corpus", f"it was looked for at {CORPUS}")
    there = subscribed(json.loads(path.read_text("utf-8")))
    assert (there.dialect, there.status, there.criteria) == (dialect, status, (about,))
