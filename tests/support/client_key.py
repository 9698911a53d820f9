"""A client's key for `private_key_jwt`, and assertions that are signed with it: by hand, to get them wrong, too."""

from __future__ import annotations

import json
import secrets
import time
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Literal

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ClientKey"]

_P384 = 48  # bytes of a coordinate
_RSA = 256  # bytes of a modulus


class ClientKey:
    """A new one.

    Args:
        algorithm: by which it signs.

    Attributes:
        name: the `kid`.
    """

    def __init__(self, algorithm: Literal["RS384", "ES384"] = "ES384") -> None:
        self.algorithm, self.name = algorithm, "key-1"
        self._key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = (
            ec.generate_private_key(ec.SECP384R1())
            if algorithm == "ES384"
            else rsa.generate_private_key(public_exponent=65_537, key_size=8 * _RSA)
        )

    def write(self, path: Path) -> Path:
        """As PEM, readable by its owner only."""
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        path.write_bytes(self._key.private_bytes(encoding, form, serialization.NoEncryption()))
        path.chmod(0o600)
        return path

    @property
    def jwks(self) -> dict[str, Any]:
        """Its public half, as a server wants it."""
        numbers = self._key.public_key().public_numbers()
        if isinstance(numbers, rsa.RSAPublicNumbers):
            told = {"kty": "RSA", "n": _coded(numbers.n.to_bytes(_RSA)), "e": _coded(numbers.e.to_bytes(3))}
        else:
            x, y = (_coded(number.to_bytes(_P384)) for number in (numbers.x, numbers.y))
            told = {"kty": "EC", "crv": "P-384", "x": x, "y": y}
        return {"keys": [{**told, "kid": self.name, "alg": self.algorithm, "use": "sig"}]}

    def assertion(self, client: str, audience: str, **claims: object) -> str:
        """A JWT that says who the client is; `claims` are others than the usual ones."""
        now = int(time.time())
        told = {"iss": client, "sub": client, "aud": audience, "exp": now + 300, "jti": secrets.token_hex(16)}
        header = {"alg": self.algorithm, "kid": self.name, "typ": "JWT"}
        text = f"{_coded(json.dumps(header).encode())}.{_coded(json.dumps(told | claims).encode())}"
        return f"{text}.{_coded(self._signed(text.encode()))}"

    def _signed(self, text: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(text, padding.PKCS1v15(), hashes.SHA384())
        r, s = decode_dss_signature(self._key.sign(text, ec.ECDSA(hashes.SHA384())))
        return r.to_bytes(_P384) + s.to_bytes(_P384)


def _coded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
