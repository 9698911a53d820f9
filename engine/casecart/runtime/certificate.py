"""Certificates: whose one is, how long it holds, and whether it is the one that is expected."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from casecart.workspace import Declared, Finding, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Certificate", "Identity", "certificates_in"]

_BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is asked of an X.509 certificate.

    Attributes:
        fingerprint: SHA-256 of its DER form, in small hexadecimal digits without colons.
        subject: as RFC 4514 writes it, to show.
        ends: the last moment that it holds, seconds since 1970.
        attributes: of its subject: (object identifier, value in the form that is compared).
        names: its common names and alternative names (DNS, URI, e-mail, address), in the form that is compared.
    """

    fingerprint: str
    subject: str
    ends: int
    attributes: frozenset[tuple[str, str]]
    names: frozenset[str]

    @classmethod
    def of(cls, der: bytes) -> Certificate:
        """Reads one. `ValueError`: it is none."""
        return _certificate(x509.load_der_x509_certificate(der))


@declared(name="certificate", about="By what a certificate is told from all others that the same authority signed.")
class Identity(Declared):
    """By what a certificate is told from all others that the same authority signed. All that is given must fit."""

    subject: Text | None = key(
        about=(
            "What the certificate says of its owner: attributes of its subject, of which each must be there, or, "
            "without `=`, its common name or one of its alternative names. Whoever checks in its place a host's name "
            "alone trusts every host that the authority signed for."
        ),
        example='"CN=orsys, O=Mercy Hospital"',
        default=None,
    )
    fingerprint: tuple[Text, ...] = key(
        about=(
            "The SHA-256 of the certificate itself, as `openssl x509 -fingerprint -sha256` shows it; while it is "
            "renewed, the old one and the new one."
        ),
        example='["6F:D0:43:04:F9:A8:BC:FF:D0:52:FB:DB:78:87:5B:94:8C:BD:C9:27:AE:95:AF:B5:2A:FF:6E:AC:4C:7B:77:3F"]',
        default="[]",
        scalar=True,
        pattern="([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}",
        form="32 bytes in hexadecimal digits, with or without colons",
    )

    def check(self) -> Iterable[Finding]:
        """Something is given, and the subject can be read."""
        if self.subject is None and not self.fingerprint:
            yield Finding(self.place, "error", "one-of", "a certificate is told by 'subject', 'fingerprint' or both")
        elif self.subject is not None and _wanted(self.subject) is None:
            words = "'subject' is attributes such as CN=orsys, O=Mercy Hospital, or one name such as orsys.example.org"
            yield Finding(self.at("subject"), "error", "bad-format", words)

    def fits(self, certificate: Certificate) -> bool:
        """Whether this is the expected one."""
        pins = {pin.replace(":", "").lower() for pin in self.fingerprint}
        if pins and certificate.fingerprint not in pins:
            return False
        if self.subject is None:
            return bool(pins)
        if "=" not in self.subject:
            return _compared(self.subject) in certificate.names
        wanted = _wanted(self.subject)
        return wanted is not None and wanted <= certificate.attributes


def certificates_in(pem: bytes) -> list[Certificate]:
    """All of a PEM file, in its order. `ValueError`: one of them is broken."""
    return [_certificate(x509.load_pem_x509_certificate(block)) for block in _BLOCK.findall(pem)]


def _certificate(read: x509.Certificate) -> Certificate:
    names = {_compared(str(each.value)) for each in read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    try:
        alternatives = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        pass
    else:
        names |= {
            _compared(str(each.value))
            for each in alternatives
            if isinstance(each, x509.DNSName | x509.UniformResourceIdentifier | x509.RFC822Name | x509.IPAddress)
        }
    return Certificate(
        fingerprint=read.fingerprint(SHA256()).hex(),
        subject=read.subject.rfc4514_string(),
        ends=int(read.not_valid_after_utc.timestamp()),
        attributes=_attributes(read.subject),
        names=frozenset(names),
    )


def _wanted(subject: str) -> frozenset[tuple[str, str]] | None:
    """The attributes that a configured subject names; None if it can't be read."""
    if "=" not in subject:
        return frozenset() if subject.strip() else None
    try:
        # RFC 4514 has no space behind the comma; everybody who writes a subject does.
        return _attributes(x509.Name.from_rfc4514_string(re.sub(r"(?<!\\)([,+])\s+", r"\1", subject.strip())))
    except ValueError:
        return None


def _attributes(name: x509.Name) -> frozenset[tuple[str, str]]:
    return frozenset((each.oid.dotted_string, _compared(str(each.value))) for each in name)


def _compared(value: str) -> str:
    """Names differ neither by case nor by how many spaces they have (RFC 5280 §7.1)."""
    return " ".join(value.casefold().split())
