"""The senders of an HTTP listener: the address that each posts to, and how each shows who it is."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Final, Literal
from zlib import crc32

from casecart.listeners.http_answer import rejected
from casecart.listeners.networks import Networks, faults_in
from casecart.listeners.partition import PARTITIONS
from casecart.runtime.certificate import Identity
from casecart.runtime.fhir_reading import Expected
from casecart.workspace import Declared, Finding, Secret, Text, WorkspaceError, declared, key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from casecart.runtime.certificate import Certificate

__all__ = ["HttpPeer", "HttpPeers", "HttpSender", "SecretHeader", "expected"]

_SHORTEST: Final = 16  # characters of a secret that nobody guesses
_BEARER: Final = b"bearer "
_DEEPER: Final = 2
"""Segments behind a peer's own address that an update has: `/Procedure/1` (R4, Subscription.channel.endpoint)."""
_VERSIONS: Final = {"R4": "4.0.1", "R4B": "4.3.0", "R5": "5.0.0"}


@declared(name="secret header", about="A header that says a secret.")
class SecretHeader(Declared):
    """A header that says a secret."""

    name: Text = key(
        about="The header's name.",
        example="X-Casecart-Secret",
        pattern=r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}",
        form="a header's name, such as X-Casecart-Secret",
    )
    secret: tuple[Secret, ...] = key(
        about="What it says, by reference; while it is changed, the old secret and the new one.",
        example="[{env: EHR_SECRET}]",
        at_least=1,
        scalar=True,
    )


@declared(name="http peer", about="A sender that an HTTP listener knows, by the address that it posts to.")
class HttpPeer(Declared):
    """A sender that an HTTP listener knows; all that is said of how it shows itself must hold."""

    facility: Text = key(about="The site that it speaks for.", example="NORTH", names="facility")
    path: Text | None = key(
        about="The address that it posts to; `/` and its name, if absent.",
        example="/fhir/north",
        default=None,
        pattern=r"(/[A-Za-z0-9._~-]{1,100}){1,8}",
        form="a path such as /fhir/north",
    )
    format: Literal["fhir", "json", "xml"] = key(
        about="What it posts: FHIR resources and notifications as JSON, or any JSON or XML.",
        example="json",
        default="fhir",
    )
    version: Literal["R4", "R4B", "R5"] | None = key(
        about="The version of FHIR that it really speaks. If absent, what the request says counts, else the form of a "
        "notification, else R4.",
        example="R5",
        default=None,
    )
    token: tuple[Secret, ...] = key(
        about=(
            "Its bearer token, by reference, as its subscription's header says it (`Authorization: Bearer …`); while "
            "it is changed, the old one and the new one."
        ),
        example="[{env: EHR_TOKEN}]",
        default="[]",
        scalar=True,
    )
    header: SecretHeader | None = key(
        about="Another header with a secret, for senders that set no `Authorization`.",
        example="{name: X-Casecart-Secret, secret: {env: EHR_SECRET}}",
        default=None,
    )
    certificate: Identity | None = key(
        about=(
            "Its certificate, with `tls` and its `authorities`: it posts on connections with that one only, and no "
            "other peer does there."
        ),
        example="{subject: CN=ehr}",
        default=None,
    )
    networks: tuple[Text, ...] = key(
        about="Where it may post from; anywhere that the listener takes connections from, if absent.",
        example="[10.1.2.3, 10.2.0.0/16]",
        default="[]",
        scalar=True,
    )

    @property
    def shows_itself(self) -> bool:
        """Whether anything tells it from a stranger who knows its address."""
        return bool(self.token or self.header or self.certificate or self.networks)

    def check(self) -> Iterable[Finding]:
        """Networks are some, and a version is one of FHIR."""
        yield from faults_in(self.networks)
        if self.version is not None and self.format != "fhir":
            yield Finding(self.at("version"), "error", "bad-value", "only FHIR has this version: leave 'version' out")


class HttpSender:
    """A peer as a request needs it.

    Args:
        name: the peer's.
        peer: as configured.
        root: of the workspace.
        environment: where secrets that name a variable are found.

    Raises:
        WorkspaceError: a secret is missing, or too short.

    Attributes:
        partition: of its messages that say nothing of their order.
    """

    def __init__(self, name: str, peer: HttpPeer, root: Path, environment: Mapping[str, str]) -> None:
        self.name, self.facility, self.format = name, str(peer.facility), peer.format
        self.path = str(peer.path or f"/{name}").encode("ascii")
        self.version = None if peer.version is None else _VERSIONS[peer.version]
        self.partition = crc32(name.encode()) % PARTITIONS
        self.certificate, self.networks = peer.certificate, Networks(peer.networks)
        self._tokens = [_digest(_revealed(secret, root, environment)) for secret in peer.token]
        header = peer.header
        self._header = b"" if header is None else str(header.name).lower().encode("ascii")
        self._secrets = (
            [] if header is None else [_digest(_revealed(each, root, environment)) for each in header.secret]
        )

    def known_by(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request shows its secrets; it takes as long for any wrong one.

        Args:
            headers: of the request, by their names in small letters.
        """
        known = True
        if self._tokens:
            said = headers.get(b"authorization", b"")
            token = said[len(_BEARER) :].strip() if said[: len(_BEARER)].lower() == _BEARER else b""
            known = _is_one_of(token, self._tokens)
        if self._secrets:
            known = _is_one_of(headers.get(self._header, b""), self._secrets) and known
        return known


class HttpPeers:
    """Tells the sender of a request. Raises as `HttpSender`."""

    def __init__(self, peers: Mapping[str, HttpPeer], root: Path, environment: Mapping[str, str] = os.environ) -> None:
        self.senders: Final = [HttpSender(str(name), peer, root, environment) for name, peer in peers.items()]
        self._by_path = {sender.path: sender for sender in self.senders}

    def allowed(self, host: str, certificate: Certificate | None) -> frozenset[HttpSender]:
        """Who may post on a connection: a certificate that is a peer's own speaks for that peer and no other.

        Args:
            host: the address that it comes from.
            certificate: that its sender has shown.
        """
        near = [sender for sender in self.senders if not sender.networks or host in sender.networks]
        own = [
            sender
            for sender in near
            if certificate is not None and sender.certificate is not None and sender.certificate.fits(certificate)
        ]
        return frozenset(own or [sender for sender in near if sender.certificate is None])

    def at(self, target: bytes) -> tuple[HttpSender, bytes]:
        """Whose address a request names, and what stands behind it: empty, or as `/Procedure/1`.

        Raises:
            Rejected: nobody's.
        """
        path = target.partition(b"?")[0]
        if not path.startswith(b"/"):  # the absolute form, as to a proxy: http://host/path (RFC 9112 §3.2.2)
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        rest = b""
        path = path.rstrip(b"/")
        for _ in range(_DEEPER + 1):
            sender = self._by_path.get(path)
            if sender is not None and (not rest or sender.format == "fhir"):
                return sender, rest
            path, _, last = path.rpartition(b"/")
            rest = b"/" + last + rest
        raise rejected("not-found")


def expected(peer: HttpPeer, name: str, root: Path, environment: Mapping[str, str] = os.environ) -> Expected:
    """How a peer is expected to post, for whoever subscribes it; its secrets are read when they are asked for."""

    def headers() -> list[tuple[str, list[str]]]:
        told = []
        if peer.token:
            tokens = (_revealed(each, root, environment).decode() for each in peer.token)
            told.append(("Authorization", [f"Bearer {token}" for token in tokens]))
        if peer.header is not None:
            secrets = (_revealed(each, root, environment).decode() for each in peer.header.secret)
            told.append((str(peer.header.name), list(secrets)))
        return told

    return Expected(str(peer.path or f"/{name}"), headers, peer.certificate is not None or bool(peer.networks))


def _revealed(secret: Secret, root: Path, environment: Mapping[str, str]) -> bytes:
    text = secret.reveal(environment, root)
    if len(text) < _SHORTEST:
        words = f"this secret has fewer than {_SHORTEST} characters: somebody could guess it"
        raise WorkspaceError([Finding(secret.place, "error", "secret-short", words)])
    return text.encode()


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _is_one_of(said: bytes, digests: Collection[bytes]) -> bool:
    """In a time that tells nothing of the secrets, not even their length."""
    digest, found = _digest(said), False
    for known in digests:
        found |= hmac.compare_digest(digest, known)
    return found
