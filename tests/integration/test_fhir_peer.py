"""The EHR of the acceptance tests keeps to what they build on: Medplum's router, and oidc-provider for its tokens."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any, Literal

import pytest

from support.client_key import ClientKey
from support.fhir_peer import CLIENT, Medplum, SmartServer, asked

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = ClientKey()
PROCEDURE: dict[str, Any] = {
    "resourceType": "Procedure",
    "id": "p1",
    "status": "completed",
    "subject": {"reference": "Patient/1"},
}


@pytest.fixture(scope="module")
def smart() -> Iterator[SmartServer]:
    with SmartServer(KEY) as server:
        yield server


@pytest.fixture(scope="module")
def medplum(smart: SmartServer) -> Iterator[Medplum]:
    with Medplum(smart) as server:
        yield server


def endpoint(smart: SmartServer) -> str:
    return f"{smart.url}/token"


def test_the_configuration_below_the_fhir_base_names_the_token_endpoint(smart: SmartServer, medplum: Medplum) -> None:
    answer = asked(medplum.port, "GET", "/.well-known/smart-configuration")
    told = answer.json
    assert (answer.status, told["token_endpoint"]) == (200, endpoint(smart))
    assert told["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert "client-confidential-asymmetric" in told["capabilities"]


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_an_assertion_brings_a_token_that_opens_the_resources(algorithm: Literal["RS384", "ES384"]) -> None:
    key = ClientKey(algorithm)
    with SmartServer(key) as smart, Medplum(smart) as medplum:
        medplum.put(PROCEDURE)
        given = smart.token_for(key.assertion(CLIENT, endpoint(smart)), "system/Procedure.rs")
        assert (given.status, given.json["token_type"], given.json["expires_in"]) == (200, "Bearer", 300)
        claims = json.loads(urlsafe_b64decode(given.json["access_token"].split(".")[1] + "=="))
        assert (claims["aud"], claims["scope"]) == ("urn:fhir", "system/Procedure.rs")
        assert medplum.ask("GET", "Procedure/p1", token=given.json["access_token"]).status == 200


def test_no_token_and_a_wrong_one_open_nothing(medplum: Medplum) -> None:
    assert asked(medplum.port, "GET", "/Procedure").status == 401
    assert medplum.ask("GET", "Procedure", token="e30.e30.").status == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"exp": 1},
        {"aud": "https://elsewhere.example/token"},
        {"iss": "another"},
    ],
)
def test_an_assertion_that_says_something_else_brings_no_token(smart: SmartServer, wrong: dict[str, object]) -> None:
    assert smart.token_for(KEY.assertion(CLIENT, endpoint(smart), **wrong)).status == 401


def test_another_s_key_and_an_assertion_that_was_used_bring_no_token(smart: SmartServer) -> None:
    assert smart.token_for(ClientKey().assertion(CLIENT, endpoint(smart))).status == 401
    once = KEY.assertion(CLIENT, endpoint(smart))
    assert [smart.token_for(once).status for _ in range(2)] == [200, 401]


def test_a_resource_has_a_version_and_a_later_time_after_each_update_and_is_found_by_both(medplum: Medplum) -> None:
    before, after = medplum.put(PROCEDURE), medplum.put(PROCEDURE | {"status": "entered-in-error"})
    assert before["meta"]["versionId"] != after["meta"]["versionId"]
    assert before["meta"]["lastUpdated"] <= after["meta"]["lastUpdated"]
    path = f"Procedure/p1/_history/{before['meta']['versionId']}"
    assert medplum.ask("GET", path).json["status"] == "completed"
    query = f"Procedure?status=completed,entered-in-error&_lastUpdated=ge{after['meta']['lastUpdated']}&_count=10"
    (entry,) = medplum.ask("GET", query).json["entry"]
    assert entry["resource"] == after


def test_what_it_has_not_is_answered_with_an_operation_outcome(medplum: Medplum) -> None:
    for path in ("Procedure/nobody", "Subscription/1/$events"):
        answer = medplum.ask("GET", path)
        assert (answer.status, answer.json["resourceType"]) == (404, "OperationOutcome")
