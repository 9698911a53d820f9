"""The settings of a FHIR server: what is refused, and what they come to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from casecart.listeners.fhir_client import client_of
from casecart.listeners.fhir_server_settings import FhirAuthentication, FhirServerSettings, SmartBackend
from casecart.runtime.fhir_server import FhirTrouble
from casecart.workspace import WorkspaceError, keys_of
from support.checkout import ROOT
from support.reactor import reactor
from support.settings import findings_of, settings_of

HTTPS = "url: https://ehr.example/fhir/r4\n"
PAGE = (ROOT / "docs" / "reference" / "fhir-server.md").read_text("utf-8")
SMART = "client: casecart, key: {file: smart.key}, key_id: c1, scopes: [system/Procedure.rs]"


def smart(more: str = "") -> str:
    return f"{HTTPS}authentication: {{smart: {{{SMART}{more}}}}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HTTPS, []),
        ("url: http://127.0.0.1:8080/fhir\n", []),
        ("url: http://[::1]:8080/fhir\n", []),
        ("url: http://localhost:8080/fhir\n", []),
        # In plain text to another machine, whatever it is called, and to a spelling that only some read as this one.
        ("url: http://ehr.example/fhir\n", ["engine.yaml:1:6 error plain-text"]),
        ("url: http://169.254.169.254/fhir\n", ["engine.yaml:1:6 error plain-text"]),
        ("url: http://0x7f.1/fhir\n", ["engine.yaml:1:6 error plain-text"]),
        ("url: http://localhost.evil.example/fhir\n", ["engine.yaml:1:6 error plain-text"]),
        ("url: https://user:password@ehr.example/fhir\n", ["engine.yaml:1:6 error bad-format"]),
        ("url: https://ehr.example/fhir?x=1\n", ["engine.yaml:1:6 error bad-format"]),
        ("url: https://ehr.example/fhir/../r4\n", ["engine.yaml:1:6 error bad-format"]),
        ("url: ftp://ehr.example/fhir\n", ["engine.yaml:1:6 error bad-format"]),
        ("version: R4\n", ["engine.yaml:1:1 error missing-key"]),
        (f"{HTTPS}version: STU3\n", ["engine.yaml:2:10 error unknown-value"]),
        (f"{HTTPS}connections: 0\n", ["engine.yaml:2:14 error out-of-range"]),
        (f"{HTTPS}maximum_answer: 1B\n", ["engine.yaml:2:17 error out-of-range"]),
        (f"{HTTPS}authentication: {{token: {{env: EHR_TOKEN}}}}\n", []),
        (f"{HTTPS}authentication: {{token: made-up}}\n", ["engine.yaml:2:25 error secret-literal"]),
        (f"{HTTPS}authentication: {{}}\n", ["engine.yaml:2:17 error one-of"]),
        (
            f"{HTTPS}authentication: {{token: {{env: A}}, basic: {{user: u, password: {{env: B}}}}}}\n",
            ["engine.yaml:2:17 error one-of"],
        ),
        (
            f"{HTTPS}authentication: {{basic: {{user: 'a:b', password: {{env: B}}}}}}\n",
            ["engine.yaml:2:32 error bad-format"],
        ),
        (smart(), []),
        (smart(", token_url: https://login.example.org/token"), []),
        (smart(", token_url: http://localhost:9000/token"), []),
        (smart(", token_url: http://login.example.org/token"), ["engine.yaml:2:122 error plain-text"]),
        (smart(", token_url: https://u:p@login.example.org/token"), ["engine.yaml:2:122 error bad-format"]),
        (smart().replace("[system/Procedure.rs]", "[]"), ["engine.yaml:2:88 error too-few"]),
        (smart().replace("[system/Procedure.rs]", "'system/A.rs system/B.rs'"), ["engine.yaml:2:88 error bad-format"]),
    ],
)
def test_what_is_wrong_is_found_where_it_stands(text: str, expected: list[str]) -> None:
    assert [" ".join(said.split()[:3]) for said in findings_of(FhirServerSettings, text)] == expected


def test_the_defaults_are_those_of_r4_and_of_a_server_that_is_spared() -> None:
    settings = settings_of(FhirServerSettings, HTTPS)
    assert (settings.fhir_version, settings.connections, settings.timeout) == ("4.0.1", 4, 30.0)
    assert (settings.maximum_answer, settings.authentication) == (10_000_000, None)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b"") -> str:
    """As it lies in a file."""
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()


SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that it is too short is tested


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "secret-missing"),
        ("", "secret-missing"),
        ("no key", "bad-certificate"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "bad-certificate"),
        (pem(ec.generate_private_key(ec.SECP384R1()), b"made up"), "bad-certificate"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "bad-certificate"),
        (pem(SHORT), "bad-certificate"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "bad-certificate"),
    ],
)
def test_a_key_that_smart_can_not_use_stops_the_start(text: str | None, code: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "smart.key").write_text(text, "utf-8")
    with pytest.raises(WorkspaceError, match=f"engine.yaml:2:[0-9]+ error {code}"):
        client_of(settings_of(FhirServerSettings, smart()), reactor=reactor, now=lambda: 0, root=tmp_path)


@pytest.mark.parametrize("how", ["token: {env: EHR_SECRET}", "basic: {user: casecart, password: {env: EHR_SECRET}}"])
def test_a_secret_that_is_missing_stops_the_start(how: str) -> None:
    settings = settings_of(FhirServerSettings, f"{HTTPS}authentication: {{{how}}}\n")
    with pytest.raises(WorkspaceError, match="secret-missing"):
        client_of(settings, reactor=reactor, now=lambda: 0, root=Path(), environment={})


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.+?)```", PAGE, re.DOTALL))
def test_what_the_page_shows_can_be_written_like_that(block: str) -> None:
    assert findings_of(FhirServerSettings, block) == []


def test_the_page_has_every_key_and_every_code_of_a_trouble() -> None:
    told = set(re.findall(r"`([a-z_-]+)`", PAGE))
    keys = {each.name for kind in (FhirServerSettings, SmartBackend, FhirAuthentication) for each in keys_of(kind)}
    codes = re.findall(r"`([a-z-]+)`", str(FhirTrouble.__doc__).partition("code:")[2].partition("words:")[0])
    assert len(codes) > 15
    assert (keys | set(codes)) - told == set()
