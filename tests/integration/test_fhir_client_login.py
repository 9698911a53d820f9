"""How the FHIR client shows who it is: tokens of SMART Backend Services, a user and a password, a token that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from twisted.logger import capturedLogs

from casecart.runtime.fhir_server import FhirTrouble
from support.fhir_asking import Asking, asking
from support.fhir_site import FhirSite, Reply
from support.fhir_tokens import Tokens
from support.reactor import in_reactor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.runtime.fhir_server import Fetched

PROCEDURE = {"resourceType": "Procedure", "id": "p1", "status": "completed"}
JSON = {"Content-Type": "application/json"}
SCOPES = "system/Procedure.rs system/Device.rs"
ES384 = ec.generate_private_key(ec.SECP384R1())
RS384 = rsa.generate_private_key(65537, 2048)


def smart(more: str = "") -> str:
    scopes = SCOPES.replace(" ", ", ")
    how = f"client: casecart, key: {{file: smart.key}}, key_id: key-1, scopes: [{scopes}]{more}"
    return f"authentication: {{smart: {{{how}}}}}"


def kept(root: Path, key: Any) -> Path:  # noqa: ANN401 - of either sort
    """The folder, with the key in it."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (root / "smart.key").write_bytes(pem)
    return root


@pytest.fixture
def tokens() -> Tokens:
    return Tokens("casecart", ES384.public_key())


@pytest.fixture
def site(tokens: Tokens) -> Iterator[FhirSite]:
    """With one procedure, and closed to whom it doesn't know."""
    with FhirSite(tokens=tokens) as made:
        made.put(PROCEDURE)
        yield made


@pytest.fixture
def ehr(site: FhirSite, tmp_path: Path) -> Iterator[Asking]:
    """The client."""
    with asking(site.base, smart(), root=kept(tmp_path, ES384)) as made:
        yield made


def trouble(ehr: Asking) -> FhirTrouble:
    with pytest.raises(FhirTrouble) as raised:
        ehr.read("Procedure/p1")
    return raised.value


@pytest.mark.parametrize("key", [RS384, ES384], ids=["RS384", "ES384"])
def test_a_token_is_got_for_a_signed_assertion_and_kept(key: Any, tmp_path: Path) -> None:  # noqa: ANN401 - as above
    tokens = Tokens("casecart", key.public_key())
    with FhirSite(tokens=tokens) as site, asking(site.base, smart(), root=kept(tmp_path, key)) as ehr:
        site.put(PROCEDURE)
        for _ in range(3):
            assert ehr.read("Procedure/p1").resource["id"] == "p1"
    assert tokens.scopes == [SCOPES]
    assert (tokens.refused, tokens.turned_away) == ({}, 0)


def test_who_needs_the_token_together_waits_for_one_request(ehr: Asking, tokens: Tokens) -> None:
    calls = ehr.reading(*["Procedure/p1"] * 10)
    for call in calls:
        fetched: Fetched = in_reactor(lambda call=call: call)
        assert fetched.resource["id"] == "p1"
    assert len(tokens.issued) == 1


def test_a_token_is_renewed_before_its_end(ehr: Asking, tokens: Tokens) -> None:
    tokens.lasts = 1
    while len(tokens.issued) < 3:
        ehr.read("Procedure/p1")
    assert tokens.turned_away == 0
    assert tokens.refused == {}


def test_a_token_that_the_server_takes_no_longer_is_replaced_once(ehr: Asking, tokens: Tokens, site: FhirSite) -> None:
    ehr.read("Procedure/p1")
    tokens.forget()
    assert ehr.ask("POST", "Procedure", {"resourceType": "Procedure"}) is not None
    assert (len(tokens.issued), tokens.turned_away) == (2, 1)
    assert [asked.method for asked in site.asked] == ["GET", "POST", "POST"]


def test_a_server_that_lets_nobody_in_is_asked_twice_and_then_left_alone(
    ehr: Asking, tokens: Tokens, site: FhirSite
) -> None:
    site.next(*[Reply.outcome(401, "login")] * 9)
    troubles = [trouble(ehr) for _ in range(3)]
    assert [(each.code, each.passing, each.asked) for each in troubles] == [
        ("unauthorised", False, True),
        ("unauthorised", False, False),
        ("unauthorised", False, False),
    ]
    assert (len(site.asked), len(tokens.issued)) == (2, 2)


TOKEN = {"access_token": "made-up", "token_type": "bearer", "expires_in": 300}


@pytest.mark.parametrize(
    ("reply", "code", "passing", "words"),
    [
        (Reply(400, b'{"error": "invalid_client"}', JSON), "no-token", False, "does not know the client"),
        (Reply(400, b'{"error": "invalid_scope"}', JSON), "no-token", False, "does not give these scopes"),
        (Reply(401, b'{"error": "invalid_client"}', JSON), "no-token", False, "does not know the client"),
        (Reply(400, b'{"error": "Jane Made-Up"}', JSON), "no-token", False, "doesn't say why"),
        (Reply(403, b"<html>Jane Made-Up</html>", JSON), "no-token", False, "doesn't say why"),
        (Reply(404, b"", JSON), "no-token", False, "authorization"),
        (Reply(429, b"", JSON | {"Retry-After": "77"}), "throttled", True, "authorization"),
        (Reply(500, b"Jane", JSON), "server-error", True, "authorization"),
        (Reply(500, b" " * 70_000, JSON), "server-error", True, "authorization"),
        (Reply(302, b"", {"Location": "http://127.0.0.1:9/"}), "no-token", False, "redirects are not followed"),
        (Reply(200, b"<html>Jane Made-Up</html>", JSON), "no-token", False, "no bearer token"),
        (Reply(200, b"[]", JSON), "no-token", False, "no bearer token"),
        (Reply(200, b"{}", JSON), "no-token", False, "no bearer token"),
        (Reply(200, b"[" * 60_000, JSON), "no-token", False, "no bearer token"),
        (Reply.of(TOKEN | {"token_type": "mac"}), "no-token", False, "no bearer token"),
        (Reply.of(TOKEN | {"access_token": "made up"}), "no-token", False, "no bearer token"),
        (Reply.of(TOKEN | {"access_token": "a\r\nHost: evil.example"}), "no-token", False, "no bearer token"),
        (Reply.of(TOKEN | {"access_token": ["made-up"]}), "no-token", False, "no bearer token"),
        (Reply(200, b" " * 70_000, JSON), "no-token", False, "65536 bytes"),
        (Reply(200, b"{", JSON, length=100), "connection-lost", True, ""),
    ],
)
def test_what_is_no_token_is_told_by_its_kind(  # noqa: PLR0917 - a row of a table
    reply: Reply,
    code: str,
    passing: bool,  # noqa: FBT001 - the same
    words: str,
    site: FhirSite,
    ehr: Asking,
) -> None:
    site.next(reply, where="^/token$")
    met = trouble(ehr)
    assert (met.code, met.passing) == (code, passing)
    assert words in met.words
    assert "Jane" not in met.words
    assert site.asked == []


@pytest.mark.parametrize(
    "said", [{"expires_in": "300"}, {"expires_in": None}, {"expires_in": -5}, {"expires_in": 1e99}]
)
def test_how_long_a_token_is_good_for_may_be_told_badly(said: dict[str, object], site: FhirSite, ehr: Asking) -> None:
    site.next(Reply.of(TOKEN | said), where="^/token$")
    site.next(Reply.of(PROCEDURE), where="Procedure")
    ehr.read("Procedure/p1")
    assert site.asked[0].headers["authorization"] == "Bearer made-up"


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/token",
        "http://169.254.169.254/token",
        "http://localhost:1/token",
        "http://127.0.0.1:{other}/token",
        "http://user@127.0.0.1:{port}/token",
        "file:///etc/passwd",
        "/token",
        7,
        None,
    ],
)
def test_the_server_can_not_send_the_assertion_to_an_address_that_was_not_configured(
    endpoint: object, site: FhirSite, tokens: Tokens, ehr: Asking
) -> None:
    with FhirSite() as other:
        said = endpoint.format(port=site.port, other=other.port) if isinstance(endpoint, str) else endpoint
        tokens.configured = {"token_endpoint": said}
        met = trouble(ehr)
        assert met.code == "no-token"
        assert "token_url" in met.words
        assert other.asked == []


def test_an_endpoint_elsewhere_is_asked_when_it_is_configured(site: FhirSite, tokens: Tokens, tmp_path: Path) -> None:
    tokens.configured = {"token_endpoint": "https://evil.example/token"}
    with FhirSite(tokens=tokens) as other:
        settings = smart(f", token_url: '{other.origin}/token'")
        with asking(site.base, settings, root=kept(tmp_path, ES384)) as ehr:
            assert ehr.read("Procedure/p1").resource["id"] == "p1"
    assert tokens.scopes == [SCOPES]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply.outcome(404), "no-token"),
        (Reply.outcome(301, Location="http://127.0.0.1:9/"), "no-token"),
        (Reply(200, b"<html></html>"), "no-token"),
        (Reply(200, b" " * 11_000_000), "no-token"),
        (Reply(200, b"{", length=9), "connection-lost"),
    ],
)
def test_a_server_that_does_not_say_where_tokens_are_given_is_a_trouble(
    reply: Reply, code: str, site: FhirSite, ehr: Asking
) -> None:
    site.next(reply, where="well-known")
    assert trouble(ehr).code == code
    assert site.asked == []


def test_after_a_trouble_a_token_is_asked_for_anew(site: FhirSite, tokens: Tokens, ehr: Asking) -> None:
    site.next(Reply(500, b"", JSON), where="^/token$")
    assert trouble(ehr).code == "server-error"
    assert ehr.read("Procedure/p1").resource["id"] == "p1"
    assert len(tokens.issued) == 1


def test_the_end_is_told_to_who_waits_for_a_token(site: FhirSite, ehr: Asking) -> None:
    site.next(Reply(silent=True), where="^/token$")
    calls = ehr.reading("Procedure/p1", "Procedure/p1")
    while site._next:
        in_reactor(lambda: None)
    ehr.stop()
    for call in calls:
        with pytest.raises(FhirTrouble, match="stops"):
            in_reactor(lambda call=call: call)
    assert site.asked == []


def test_neither_token_nor_key_stands_in_logs_or_troubles(site: FhirSite, ehr: Asking, tokens: Tokens) -> None:
    with capturedLogs() as events:
        ehr.read("Procedure/p1")
        site.next(*[Reply.outcome(401)] * 2)
        met = trouble(ehr)
    client: Any = ehr.server
    said = repr([events, met, vars(client), vars(client.login)])
    assert tokens.issued
    assert [word for word in ("made-up-token", "PRIVATE KEY", "eyJ") if word in said] == []


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("token: {file: secret}", "Bearer Aladdin:open sesame"),
        # RFC 7617 §2
        ("basic: {user: Aladdin, password: {file: secret}}", "Basic QWxhZGRpbjpBbGFkZGluOm9wZW4gc2VzYW1l"),
    ],
)
def test_a_secret_that_stays_goes_with_every_request(how: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("Aladdin:open sesame\n", "utf-8")
    with FhirSite() as site, asking(site.base, f"authentication: {{{how}}}", root=tmp_path) as ehr:
        site.put(PROCEDURE)
        ehr.read("Procedure/p1")
        site.next(Reply.outcome(401))
        assert trouble(ehr).code == "unauthorised"
        assert [asked.headers["authorization"] for asked in site.asked] == [expected, expected]
