"""Authorities and certificates for tests: made when they are needed, of nobody who exists."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Authority", "Papers"]

_NUMBERS = itertools.count(1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Papers:
    """A certificate and its key, and where they are as PEM files."""

    certificate: Path
    key: Path
    x509: x509.Certificate

    @property
    def fingerprint(self) -> str:
        """SHA-256, as OpenSSL's program shows it."""
        return self.x509.fingerprint(hashes.SHA256()).hex(":").upper()


class Authority:
    """Signs certificates.

    Args:
        folder: where files are written.
        name: its common name, and the names of its files.
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder, self._key = folder, _key(name)
        self._name = x509.Name.from_rfc4514_string(f"CN={name}")
        self._own = self._signed(self._name, self._key, 365 * _DAY, ca=True)
        self.file = folder / f"{name}.pem"
        """Its certificate."""
        self.file.write_bytes(_pem(self._own))

    def issue(
        self,
        subject: str,
        *,
        lasts: timedelta = 30 * _DAY,
        names: tuple[str, ...] = ("localhost",),
        file: str | None = None,
        own_signature: bool = False,
    ) -> Papers:
        """A certificate and its key.

        Args:
            subject: by RFC 4514, such as `CN=orsys,O=Mercy`.
            lasts: from now on; what is below zero ended before.
            names: its alternative names; what reads as an address is one.
            file: what its files are called; else a number does it.
            own_signature: whether it signs itself, and this authority has no part in it.
        """
        stem, key = file or f"issued-{next(_NUMBERS)}", _key(f"key-{next(_NUMBERS) % 4}")
        certificate = self._signed(
            x509.Name.from_rfc4514_string(subject), key, lasts, names=names, own_signature=own_signature
        )
        papers = Papers(self._folder / f"{stem}.pem", self._folder / f"{stem}.key", certificate)
        papers.certificate.write_bytes(_pem(certificate))
        papers.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return papers

    def revoke(self, *papers: Papers) -> None:
        """Adds a list of these to the authority's own file."""
        now = datetime.now(UTC)
        made = x509.CertificateRevocationListBuilder(self._name, now - _DAY, now + _DAY)
        for each in papers:
            made = made.add_revoked_certificate(
                x509.RevokedCertificateBuilder(each.x509.serial_number, now - timedelta(hours=1)).build()
            )
        signed = made.sign(self._key, hashes.SHA256())
        self.file.write_bytes(_pem(self._own) + signed.public_bytes(serialization.Encoding.PEM))

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        lasts: timedelta,
        *,
        names: tuple[str, ...] = (),
        ca: bool = False,
        own_signature: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if own_signature else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, now + lasts) - _DAY)
            .not_valid_after(now + lasts)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([_named(name) for name in names]), critical=False)
        return made.sign(key if own_signature else self._key, hashes.SHA256())


def _named(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@cache
def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
