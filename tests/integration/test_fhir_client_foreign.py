"""The FHIR client at an EHR that nobody here wrote: Medplum's router, with tokens of oidc-provider."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from casecart.runtime.fhir_server import FhirTrouble
from support.client_key import ClientKey
from support.fhir_asking import Asking, asking
from support.fhir_peer import CLIENT, Medplum, SmartServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

PROCEDURE: dict[str, Any] = {
    "resourceType": "Procedure",
    "id": "p1",
    "status": "completed",
    "subject": {"reference": "Patient/1"},
}


Servers: TypeAlias = "tuple[ClientKey, SmartServer, Medplum]"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """An EHR that knows a key; tokens are given at another port."""
    with servers_for(ClientKey("ES384")) as made:
        yield made


@contextmanager
def servers_for(key: ClientKey) -> Iterator[Servers]:
    with SmartServer(key) as smart, Medplum(smart) as medplum:
        yield key, smart, medplum


@pytest.fixture(params=["RS384", "ES384"])
def each(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Servers]:
    """One with a key of that algorithm."""
    if request.param == servers[0].algorithm:
        yield servers
        return
    with servers_for(ClientKey(request.param)) as made:
        yield made


def client_of(
    servers: Servers, root: Path, *, token_url: bool = True, signs_with: ClientKey | None = None
) -> AbstractContextManager[Asking]:
    """The client, in the place of whom the servers know."""
    key, smart, medplum = servers
    (signs_with or key).write(root / "smart.key")
    how = f"client: {CLIENT}, key: {{file: smart.key}}, key_id: {key.name}, scopes: system/Procedure.rs"
    how += f", token_url: '{smart.url}/token'" if token_url else ""
    return asking(f"http://127.0.0.1:{medplum.port}", f"authentication: {{smart: {{{how}}}}}", root=root)


def test_it_is_let_in_reads_versions_and_searches(each: Servers, tmp_path: Path) -> None:
    *_, medplum = each
    with client_of(each, tmp_path) as ehr:
        first = medplum.put(PROCEDURE)["meta"]["versionId"]
        medplum.put(PROCEDURE | {"status": "entered-in-error"})
        assert ehr.read("Procedure/p1").resource["status"] == "entered-in-error"
        assert ehr.read("Procedure/p1").resource["status"] == "entered-in-error"
        assert ehr.read(f"Procedure/p1/_history/{first}").resource["status"] == "completed"
        (page,) = ehr.search("Procedure?status=entered-in-error")
        assert [entry["resource"]["id"] for entry in page.resource["entry"]] == ["p1"]
        with pytest.raises(FhirTrouble) as raised:
            ehr.read("Procedure/none")
        assert raised.value.code == "not-found"


def test_a_token_endpoint_at_another_port_is_asked_only_when_it_is_configured(servers: Servers, tmp_path: Path) -> None:
    with client_of(servers, tmp_path, token_url=False) as ehr, pytest.raises(FhirTrouble) as raised:
        ehr.read("Procedure/p1")
    assert raised.value.code == "no-token"
    assert "token_url" in raised.value.words


def test_another_key_than_the_registered_one_is_told(servers: Servers, tmp_path: Path) -> None:
    with client_of(servers, tmp_path, signs_with=ClientKey()) as ehr, pytest.raises(FhirTrouble) as raised:
        ehr.read("Procedure/p1")
    assert raised.value.code == "no-token"
    assert "does not know the client, or its key" in raised.value.words
