"""Subscriptions at a FHIR server that nobody here wrote: Medplum's router, which keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.fhir_peer import Medplum
from support.new_workspace import new_workspace
from support.user import User

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEARCH = "Procedure?status=completed"
ENDPOINT = "https://casecart.mercy.example:8443/ehr"
LISTENERS = """\
  fhir-http:
    kind: http
    port: 0
    peers: {{ehr: {{facility: NORTH, token: {{env: EHR_TOKEN}}}}}}
  ehr:
    kind: fhir
    facility: NORTH
    server: {{url: "http://127.0.0.1:{port}", version: R4, authentication: {{token: {{env: CLERK}}}}}}
    hears: fhir-http/ehr
    searches: ["{search}"]
"""


@pytest.fixture
def medplum() -> Iterator[Medplum]:
    with Medplum() as server:
        yield server


@pytest.fixture
def user(medplum: Medplum, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setenv("EHR_TOKEN", "made-up-token-of-the-ehr")
    monkeypatch.setenv("CLERK", medplum.clerk)
    new_workspace(tmp_path / "new")
    made = User(tmp_path / "new", tmp_path / "ws")
    settings = made.ws / "config" / "engine.yaml"
    listeners = LISTENERS.format(port=medplum.port, search=SEARCH)
    text = settings.read_text("utf-8").replace("\ndestinations:", f"{listeners}\ndestinations:")
    settings.write_text(text, "utf-8")
    return made


def kept(medplum: Medplum) -> list[dict[str, Any]]:
    """The subscriptions that it has."""
    return [entry["resource"] for entry in medplum.ask("GET", "Subscription").json.get("entry", [])]


def test_a_foreign_server_takes_a_subscription_gives_it_back_and_lets_it_be_ended(user: User, medplum: Medplum) -> None:
    asked = ("fhir", "subscribe", "ehr", "--endpoint", ENDPOINT, "--timeout", "60")
    silent = user.run(*asked)
    assert (silent.returncode, "is no CapabilityStatement" in silent.stderr) == (1, True)
    for _ in range(2):
        done = user.run(*asked, "--dialect", "classic", "--json")
        assert '"dialect": "classic"' in done.stdout, done.stderr
    (there,) = kept(medplum)
    assert (there["criteria"], there["channel"]["endpoint"]) == (SEARCH, ENDPOINT)
    medplum.put(there | {"status": "active"})
    assert user.run(*asked, "--dialect", "classic").returncode == 0
    assert user.run("fhir", "unsubscribe", "ehr", "--yes").returncode == 0
    assert kept(medplum) == []
