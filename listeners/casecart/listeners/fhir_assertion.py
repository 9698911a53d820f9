"""The signed assertion by which a server's authorization knows a client (SMART App Launch 2.2.0, Backend Services)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from casecart.workspace import Finding, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from casecart.listeners.fhir_server_settings import SmartBackend

__all__ = ["GOOD_FOR", "Signer"]

GOOD_FOR: Final = 240
"""Seconds: five minutes are allowed, and the server's clock may be a minute behind ours."""

_FEWEST_BITS: Final = 2048


class Signer:
    """Signs with the configured key.

    Args:
        settings: which client, key and id of the key.
        environment: where a secret that names a variable is found.
        root: of the workspace.
        seconds: since 1970.
        unique: gives an id that no other assertion has.

    Raises:
        WorkspaceError: the key is missing, or no good one.
    """

    def __init__(
        self,
        settings: SmartBackend,
        environment: Mapping[str, str],
        root: Path,
        *,
        seconds: Callable[[], float],
        unique: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        self._client, self._key_id = str(settings.client), str(settings.key_id)
        self._seconds, self._unique = seconds, unique
        self._key, self.algorithm = _key_of(settings, environment, root)

    def sign(self, audience: str) -> str:
        """An assertion for one request.

        Args:
            audience: the address of the token endpoint.
        """
        claims = {
            "iss": self._client,
            "sub": self._client,
            "aud": audience,
            "exp": int(self._seconds()) + GOOD_FOR,
            "jti": self._unique(),
        }
        return jwt.encode(claims, self._key, self.algorithm, headers={"kid": self._key_id, "typ": "JWT"})


def _key_of(
    settings: SmartBackend, environment: Mapping[str, str], root: Path
) -> tuple[RSAPrivateKey | EllipticCurvePrivateKey, str]:
    text = settings.private_key.reveal(environment, root)
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError):  # TypeError: it has a password
        words = "this is no private key as PEM without a password"
    else:
        if isinstance(key, RSAPrivateKey) and key.key_size >= _FEWEST_BITS:
            return key, "RS384"
        if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP384R1):
            return key, "ES384"
        words = f"SMART wants an RSA key of {_FEWEST_BITS} bits or more, or one of the curve P-384"
    raise WorkspaceError([Finding(settings.at("key"), "error", "bad-certificate", words)])
