"""The signed assertion of SMART Backend Services (SMART App Launch 2.2.0)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from casecart.listeners.fhir_assertion import GOOD_FOR, Signer
from casecart.listeners.fhir_server_settings import SmartBackend
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_795_000_000.7
ENDPOINT = "https://ehr.example/token"
KEYS: dict[str, Any] = {
    "RS384": rsa.generate_private_key(65537, 2048),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
}


def signer(algorithm: str, **more: Callable[[], str]) -> Signer:
    pem = KEYS[algorithm].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    text = "{client: casecart, key: {env: SMART_KEY}, key_id: key-1, scopes: system/Device.rs}"
    settings = settings_of(SmartBackend, text)
    return Signer(settings, {"SMART_KEY": pem.decode()}, Path(), seconds=lambda: NOW, **more)


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_it_says_what_smart_asks_for_and_no_more(algorithm: str) -> None:
    assertion = signer(algorithm, unique=lambda: "once").sign(ENDPOINT)
    assert jwt.get_unverified_header(assertion) == {"alg": algorithm, "typ": "JWT", "kid": "key-1"}
    claims = jwt.decode(
        assertion, KEYS[algorithm].public_key(), [algorithm], audience=ENDPOINT, options={"verify_exp": False}
    )
    assert claims == {
        "iss": "casecart", "sub": "casecart", "aud": ENDPOINT, "exp": 1_795_000_000 + GOOD_FOR, "jti": "once",
    }  # fmt: skip


def test_it_is_good_for_less_than_the_five_minutes_that_are_allowed() -> None:
    assert 60 < GOOD_FOR < 300


def test_no_two_have_the_same_id() -> None:
    signing = signer("ES384")
    ids = {jwt.decode(signing.sign(ENDPOINT), options={"verify_signature": False})["jti"] for _ in range(100)}
    assert len(ids) == 100
    assert min(map(len, ids)) >= 22  # 128 bits and more
