"""HTTPS of the FHIR client: who isn't trusted is asked nothing, and shown no secret."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from casecart.runtime.fhir_server import FhirTrouble
from support.certificates import Authority
from support.fhir_asking import asking
from support.fhir_site import FhirSite

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "authentication: {token: {file: token}}"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """That this machine trusts."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    (tmp_path / "token").write_text("made-up", "utf-8")
    return made


def test_a_trusted_server_is_asked(authority: Authority, tmp_path: Path) -> None:
    with FhirSite(papers=authority.issue("CN=ehr")) as site, asking(site.base, TOKEN, root=tmp_path) as ehr:
        site.put({"resourceType": "Procedure", "id": "p1"})
        assert ehr.read("Procedure/p1").resource["id"] == "p1"
        assert ehr.read(f"{site.base}/Procedure/p1").resource["id"] == "p1"


@pytest.mark.parametrize("papers", ["another host's", "another authority's", "ended", "its own"])
def test_who_is_not_the_configured_server_is_asked_nothing(
    papers: str, authority: Authority, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shown = {
        "another host's": lambda: authority.issue("CN=localhost", names=("other.example",)),
        "another authority's": lambda: Authority(tmp_path_factory.mktemp("other"), "other").issue("CN=ehr"),
        "ended": lambda: authority.issue("CN=ehr", lasts=timedelta(days=-1)),
        "its own": lambda: authority.issue("CN=ehr", own_signature=True),
    }[papers]()
    with FhirSite(papers=shown) as site, asking(site.base, TOKEN, root=tmp_path) as ehr:
        with pytest.raises(FhirTrouble) as raised:
            ehr.read("Procedure/p1")
        assert (raised.value.code, raised.value.passing) == ("tls-failed", False)
        assert site.asked == []


def test_a_server_without_tls_is_asked_nothing(authority: Authority, tmp_path: Path) -> None:
    more = f"{TOKEN}\ntimeout: 500ms"
    with FhirSite() as site, asking(f"https://localhost:{site.port}/fhir/r4", more, root=tmp_path) as ehr:
        with pytest.raises(FhirTrouble) as raised:
            ehr.read("Procedure/p1")
        # What a web server makes of a handshake is chance: silence, or a 400.
        assert raised.value.code in {"connect-timeout", "tls-failed"}
        assert site.asked == []
