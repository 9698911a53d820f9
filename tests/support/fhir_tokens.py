"""The token endpoint of the FHIR server for tests, by the rules of SMART Backend Services, and whom it lets in."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = ["Tokens"]

_JSON = {"Content-Type": "application/json"}
_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST = 300
"""Seconds that an assertion may be good for (SMART App Launch 2.2.0, client-confidential-asymmetric)."""


class Tokens:
    """Issues tokens for signed assertions, and knows which are good.

    Args:
        client: its id.
        key: with which its assertions are signed.
        key_id: of that key.
        lasts: seconds that a token is good for.
        path: of the token endpoint.
        seconds: since 1970.

    Attributes:
        refused: why assertions were not taken, and how often.
        issued: the tokens, and the scopes of each.
        configured: what the server says of itself, where that is not the truth.
        turned_away: requests without a good token.
    """

    path = "/token"

    def __init__(
        self,
        client: str,
        key: RSAPublicKey | EllipticCurvePublicKey,
        *,
        key_id: str = "key-1",
        lasts: int = 300,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._key, self._key_id, self.lasts, self._seconds = client, key, key_id, lasts, seconds
        self._seen: set[str] = set()
        self._good: dict[str, float] = {}
        self.refused: Counter[str] = Counter()
        self.issued: dict[str, str] = {}
        self.configured: dict[str, Any] = {}
        self.turned_away = 0
        self.basic: tuple[str, str] | None = None

    @property
    def scopes(self) -> list[str]:
        """What was asked for, in its order."""
        return list(self.issued.values())

    def configuration(self, endpoint: str) -> bytes:
        """The server's `.well-known/smart-configuration`."""
        said = {
            "token_endpoint": endpoint,
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
            "grant_types_supported": ["client_credentials"],
            "capabilities": ["client-confidential-asymmetric", "permission-v2"],
        }
        return json.dumps(said | self.configured).encode()

    def forget(self) -> None:
        """No token that was issued is good any more."""
        self._good.clear()

    def good(self, headers: Mapping[str, str]) -> bool:
        """Whether a request may come in."""
        scheme, _, said = headers.get("authorization", "").partition(" ")
        if scheme == "Basic" and self.basic is not None:
            return base64.b64decode(said).decode() == ":".join(self.basic)
        good = scheme == "Bearer" and self._good.get(said, 0.0) > self._seconds()
        self.turned_away += not good
        return good

    def issue(self, body: bytes, endpoint: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of the answer to a request for a token."""
        form = {name: values[-1] for name, values in parse_qs(body.decode("ascii")).items()}
        why = self._why_not(form, endpoint)
        if why:
            self.refused[why] += 1
            return 400, json.dumps({"error": "invalid_client", "error_description": why}).encode(), _JSON
        token = f"made-up-token-{len(self.issued) + 1}"
        self.issued[token] = form["scope"]
        self._good[token] = self._seconds() + self.lasts
        said = {"access_token": token, "token_type": "bearer", "expires_in": self.lasts, "scope": form["scope"]}
        return 200, json.dumps(said).encode(), _JSON

    def _why_not(self, form: Mapping[str, str], endpoint: str) -> str:
        if form.get("grant_type") != "client_credentials" or form.get("client_assertion_type") != _BEARER:
            return "form"
        assertion = form.get("client_assertion", "")
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(
                assertion,
                self._key,
                algorithms=["RS384", "ES384"],
                audience=endpoint,
                options={"require": ["iss", "sub", "aud", "exp", "jti"], "verify_exp": False},
            )
        except jwt.InvalidTokenError as error:
            return type(error).__name__
        return next((name for name, holds in self._rules(header, claims) if not holds), "")

    def _rules(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> list[tuple[str, bool]]:
        left = claims["exp"] - self._seconds()
        fresh = claims["jti"] not in self._seen
        self._seen.add(claims["jti"])
        return [
            ("typ", header.get("typ") == "JWT"),
            ("kid", header.get("kid") == self._key_id),
            ("client", claims["iss"] == claims["sub"] == self._client),
            ("expired", left > 0),
            ("too long", left <= _LONGEST),
            ("jti", fresh),
        ]
