"""The FHIR client at an EHR that nobody here wrote: Medplum's router, with tokens of oidc-provider."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import pytest

from casecart.runtime.fhir_server import FhirTrouble
from support.client_key import ClientKey
from support.fhir_asking import Asking, asking
from support.fhir_peer import CLIENT, Medplum, SmartServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROCEDURE: dict[str, Any] = {
    "resourceType": "Procedure",
    "id": "p1",
    "status": "completed",
    "subject": {"reference": "Patient/1"},
}


@contextmanager
def ehr_of(
    key: ClientKey,
    root: Path,
    *,
    token_url: bool = True,
    signs_with: ClientKey | None = None,
) -> Iterator[tuple[Asking, Medplum]]:
    """The client, and the server that it asks; tokens are given at another port."""
    (signs_with or key).write(root / "smart.key")
    with SmartServer(key) as smart, Medplum(smart) as medplum:
        how = f"client: {CLIENT}, key: {{file: smart.key}}, key_id: {key.name}, scopes: system/Procedure.rs"
        how += f", token_url: '{smart.url}/token'" if token_url else ""
        base = f"http://127.0.0.1:{medplum.port}"
        with asking(base, f"authentication: {{smart: {{{how}}}}}", root=root) as ehr:
            yield ehr, medplum


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_it_is_let_in_reads_versions_and_searches(algorithm: Literal["RS384", "ES384"], tmp_path: Path) -> None:
    with ehr_of(ClientKey(algorithm), tmp_path) as (ehr, medplum):
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


def test_a_token_endpoint_at_another_port_is_asked_only_when_it_is_configured(tmp_path: Path) -> None:
    with ehr_of(ClientKey(), tmp_path, token_url=False) as (ehr, _), pytest.raises(FhirTrouble) as raised:
        ehr.read("Procedure/p1")
    assert raised.value.code == "no-token"
    assert "token_url" in raised.value.words


def test_another_key_than_the_registered_one_is_told(tmp_path: Path) -> None:
    with ehr_of(ClientKey(), tmp_path, signs_with=ClientKey()) as (ehr, _), pytest.raises(FhirTrouble) as raised:
        ehr.read("Procedure/p1")
    assert raised.value.code == "no-token"
    assert "does not know the client, or its key" in raised.value.words
