"""Why no TLS connection came to be: a stable code, and words for the person who must act."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from casecart.runtime.certificate import Certificate

if TYPE_CHECKING:
    from casecart.runtime.certificate import Identity

__all__ = ["HandshakeFailed", "failure_of", "must_be_expected", "peer_of"]

_REASONS: Final = {
    "HTTP_REQUEST": ("tls-not-spoken", "it doesn't speak TLS"),
    "WRONG_VERSION_NUMBER": ("tls-not-spoken", "it doesn't speak TLS"),
    "RECORD_LAYER_FAILURE": ("tls-not-spoken", "it doesn't speak TLS"),
    "PACKET_LENGTH_TOO_LONG": ("tls-not-spoken", "it doesn't speak TLS"),
    "UNSUPPORTED_PROTOCOL": ("tls-version", "it speaks no TLS from 1.2 on"),
    "TLSV1_ALERT_PROTOCOL_VERSION": ("tls-version", "it speaks no TLS from 1.2 on"),
    "NO_SHARED_CIPHER": ("tls-cipher", "it knows none of the ciphers that are taken here"),
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": ("tls-no-certificate", "it shows no certificate"),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": ("tls-refused", "it wants a certificate of this side"),
}
"""OpenSSL's reason → a stable code, and words."""


class HandshakeFailed(Exception):
    """No TLS connection came to be.

    Attributes:
        code: stable, such as `tls-certificate`.
        words: why, with nothing in it that the other side chose.
        seen: what came from the other side where that was no TLS; its first bytes.
    """

    def __init__(self, code: str, words: str, seen: bytes = b"") -> None:
        super().__init__(words)
        self.code, self.words, self.seen = code, words, seen


def failure_of(error: ssl.SSLError, seen: bytes = b"") -> HandshakeFailed:
    """Why, by what OpenSSL says; `seen` is what came from the other side first."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return HandshakeFailed("tls-certificate", f"its certificate is not trusted ({error.verify_message})")
    reason = error.reason or ""
    known = _REASONS.get(reason)
    if known is not None:
        return HandshakeFailed(*known, seen if known[0] == "tls-not-spoken" else b"")
    if "_ALERT_" in reason:
        return HandshakeFailed("tls-refused", f"it broke off ({reason.partition('_ALERT_')[2].lower()})")
    return HandshakeFailed("tls-failed", f"the handshake failed ({reason.lower() or 'no reason given'})")


def peer_of(connection: ssl.SSLObject | ssl.SSLSocket) -> Certificate | None:
    """The certificate of the other side, after the handshake; None where none was asked for."""
    der = connection.getpeercert(binary_form=True)
    return None if der is None else Certificate.of(der)


def must_be_expected(identity: Identity | None, connection: ssl.SSLObject | ssl.SSLSocket) -> None:
    """After the handshake: the other side is who it should be, as far as that is said.

    Raises:
        HandshakeFailed: it is somebody else whom the same authority trusts.
    """
    if identity is None:
        return
    certificate = peer_of(connection)
    if certificate is None or not identity.fits(certificate):
        raise HandshakeFailed("tls-wrong-certificate", "its certificate is trusted, and is not the expected one")
