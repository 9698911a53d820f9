"""TLS of either side: what the configuration says of it, and the contexts that are made of that.

TLS 1.2 or later with the suites of RFC 9325 (BCP 195), as IHE ATNA (ITI-19) asks for it. Trust comes from configured
authorities, and from who the other side's certificate says that it is; never from a host's name alone.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from casecart.runtime.certificate import Certificate, Identity, certificates_in
from casecart.runtime.certificate_marks import SOON
from casecart.workspace import Declared, Finding, Secret, Text, WorkspaceError, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from casecart.workspace import Place

__all__ = ["ClientTls", "ServerTls", "Tls", "client_context", "ends_of", "faults_of", "server_context"]

_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2 (RFC 9325 §4.2); those of TLS 1.3 are all good."""

_NOT_THERE: Final = "can't be read (no such file or directory)"
_REVOKED: Final = b"-----BEGIN X509 CRL-----"


@declared(name="tls", about="How connections from other machines are encrypted, and whose are taken.")
class ServerTls(Declared):
    """How connections from other machines are encrypted, and whose are taken."""

    certificate: Text = key(
        about="A PEM file: this side's certificate, then those that lead to its authority. From the workspace.",
        example="config/tls/casecart.pem",
    )
    private_key: Secret = key(
        about="The certificate's private key, as PEM without a password, by reference.",
        example="{file: /etc/casecart/casecart.key}",
        written="key",
    )
    authorities: Text | None = key(
        about=(
            "A PEM file with the authorities that sign senders' certificates, or with these themselves; lists of "
            "revoked ones (CRL) in it are obeyed. With it every sender must show a certificate; without, none does."
        ),
        example="config/tls/hospital-authority.pem",
        default=None,
    )


@declared(name="tls", about="How the connection is encrypted, and how the server is known.")
class ClientTls(Declared):
    """How the connection is encrypted, and how the server is known. `{}` will do for a public host."""

    authorities: Text | None = key(
        about=(
            "A PEM file with the authorities that may sign the server's certificate, or with that itself; lists of "
            "revoked ones (CRL) in it are obeyed. Without it those that this machine trusts may."
        ),
        example="config/tls/hospital-authority.pem",
        default=None,
    )
    server: Identity | None = key(
        about="Whose certificate the server has. Without it the certificate must be for the host that is connected to.",
        example='{subject: "CN=billing, O=Mercy Hospital"}',
        default=None,
    )
    certificate: Text | None = key(
        about="A PEM file: this side's certificate, then those that lead to its authority, for a server that asks.",
        example="config/tls/casecart.pem",
        default=None,
    )
    private_key: Secret | None = key(
        about="The certificate's private key, as PEM without a password, by reference.",
        example="{file: /etc/casecart/casecart.key}",
        default=None,
        written="key",
    )

    def check(self) -> Iterable[Finding]:
        """Certificate and key need each other."""
        if (self.certificate is None) != (self.private_key is None):
            yield Finding(self.place, "error", "one-of", "'certificate' and 'key' go together: give both, or neither")


Tls = ServerTls | ClientTls


def server_context(tls: ServerTls, root: Path, environment: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """What a listener's connections are made with.

    Raises:
        WorkspaceError: a file can't be read or isn't what it should be, at its place.
    """
    context = _common(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    _own(context, tls, tls.private_key, root, environment)
    if tls.authorities is not None:
        _trust(context, tls, root)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(tls: ClientTls, root: Path, environment: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """What a connection to a server is made with; after the handshake `must_be_expected` looks who it is.

    Raises:
        WorkspaceError: as `server_context`.
    """
    context = _common(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname = tls.server is None
    if tls.certificate is not None and tls.private_key is not None:
        _own(context, tls, tls.private_key, root, environment)
    if tls.authorities is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _trust(context, tls, root)
    return context


def ends_of(tls: Tls, root: Path) -> int | None:
    """When the first of this side's own certificates ends, seconds since 1970. Raises as `server_context`."""
    return min((certificate.ends for certificate in _certificates(tls, root)), default=None)


def faults_of(tls: Tls, root: Path, now: int) -> Iterable[Finding]:
    """What is to be said of the files as they are on this machine; what isn't there may be on the engine's.

    Args:
        tls: what the configuration says.
        root: of the workspace.
        now: seconds since 1970.
    """
    try:
        ends = ends_of(tls, root)
        if tls.authorities is not None:
            _authorities(tls, root)
        if tls.private_key is not None and tls.private_key.file is not None and (root / tls.private_key.file).exists():
            _own(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls, tls.private_key, root, {})
    except WorkspaceError as error:
        for finding in error.findings:
            there = not finding.message.endswith(_NOT_THERE)
            yield finding if there else Finding(finding.place, "warning", finding.code, finding.message)
        return
    if ends is not None and ends - now < SOON * 86_400:
        days = (ends - now) // 86_400
        words = f"ends in {days} days" if days >= 0 else "has ended"
        message = f"the certificate in {tls.certificate} {words}: put a new one in its place; it is taken into use then"
        yield Finding(tls.at("certificate"), "warning", "bad-certificate", message)


def _certificates(tls: Tls, root: Path) -> list[Certificate]:
    if tls.certificate is None:
        return []
    place, name = tls.at("certificate"), str(tls.certificate)
    return _parsed(_read(root / name, name, place), name, place)


def _parsed(data: bytes, name: str, place: Place) -> list[Certificate]:
    try:
        found = certificates_in(data)
    except ValueError:
        found = []
    if not found:
        raise _wrong(place, f"{name} holds no certificate in PEM form")
    return found


def _common(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    # Who was verified once need not be any more: each connection has a handshake of its own.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    return context


def _own(context: ssl.SSLContext, tls: Tls, secret: Secret, root: Path, environment: Mapping[str, str]) -> None:
    _certificates(tls, root)  # what is wrong with it alone is said in better words than OpenSSL's
    with _key_file(secret.reveal(environment, root)) as key_file:
        try:
            context.load_cert_chain(root / str(tls.certificate), key_file, password=_no_password)
        except _Password:
            raise _wrong(secret.place, "the key is encrypted with a password; write it without one") from None
        except (ssl.SSLError, OSError) as error:
            if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
                raise _wrong(secret.place, f"this is not the key of the certificate in {tls.certificate}") from None
            raise _wrong(secret.place, f"certificate and key can't be used{_because(error)}") from None


def _trust(context: ssl.SSLContext, tls: Tls, root: Path) -> None:
    name, data = str(tls.authorities), _authorities(tls, root)
    try:
        context.load_verify_locations(root / name)
    except (ssl.SSLError, OSError) as error:
        raise _wrong(tls.at("authorities"), f"{name} can't be used{_because(error)}") from None
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # a certificate may be trusted by itself
    if _REVOKED in data:
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


def _authorities(tls: Tls, root: Path) -> bytes:
    place, name = tls.at("authorities"), str(tls.authorities)
    data = _read(root / name, name, place)
    _parsed(data, name, place)
    return data


class _Password(Exception):
    """A key wants a password, and nobody is there to give it."""


def _no_password() -> str:
    raise _Password


@contextmanager
def _key_file(text: str) -> Iterator[str]:
    """OpenSSL takes keys from files only: one that no other process sees, where the system has such."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("key")
        try:
            os.write(descriptor, text.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            yield file.name


def _read(path: Path, name: str, place: Place) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _wrong(place, f"{name} can't be read ({cast('str', error.strerror).lower()})") from None


def _because(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return f" ({reason.replace('_', ' ').lower()})" if isinstance(reason, str) else ""


def _wrong(place: Place, words: str) -> WorkspaceError:
    return WorkspaceError([Finding(place, "error", "bad-certificate", words)])
