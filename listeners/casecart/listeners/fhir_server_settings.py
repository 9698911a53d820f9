"""What is configured of a FHIR server that casecart asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from casecart.listeners.fhir_base import FhirBase, NotAnAddress
from casecart.runtime.here import is_here
from casecart.workspace import Declared, Duration, ExactlyOne, Finding, Secret, Size, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BasicLogin", "FhirAuthentication", "FhirServerSettings", "SmartBackend"]

_VERSIONS: Final = {"R4": "4.0.1", "R4B": "4.3.0", "R5": "5.0.0"}
_URL: Final = r"https?://[!-~]+"
_URL_FORM: Final = "https://, a host, and a path without spaces"


@declared(name="smart backend", about="A client that is registered at the server, by SMART Backend Services.")
class SmartBackend(Declared):
    """A client that gets short-lived tokens for assertions that it signs."""

    client: Text = key(about="The client's id, as it was registered.", example="casecart", pattern=r"[ -~]{1,255}")
    private_key: Secret = key(
        about=(
            "Its private key, as PEM without a password, by reference: RSA of 2048 bits or more (RS384), or an "
            "elliptic curve P-384 (ES384)."
        ),
        example="{file: /etc/casecart/smart.key}",
        written="key",
    )
    key_id: Text = key(
        about="What the server knows the public key by (`kid` in the key set that was registered).",
        example="casecart-2026",
        pattern=r"[ -~]{1,255}",
    )
    scopes: tuple[Text, ...] = key(
        about="What may be asked for; older servers want `system/Procedure.read` in place of `.rs`.",
        example="[system/Procedure.rs, system/Device.rs]",
        at_least=1,
        scalar=True,
        pattern=r"[!#-\[\]-~]{1,200}",
        form="a scope such as system/Procedure.rs",
    )
    token_url: Text | None = key(
        about=(
            "Where tokens are asked for, if that is another host or port than the server's: only then must it be "
            "said. Without it the server is asked (`.well-known/smart-configuration`)."
        ),
        example="https://login.example.org/oauth2/token",
        default=None,
        pattern=_URL,
        form=_URL_FORM,
    )

    def check(self) -> Iterable[Finding]:
        """Tokens are asked for at an address that is one, and encrypted."""
        if self.token_url is not None:
            yield from _faults_of(self, "token_url", self.token_url)


@declared(name="basic login", about="A user and a password, with every request.")
class BasicLogin(Declared):
    """A user and a password."""

    user: Text = key(about="The user.", example="casecart", pattern=r"[^:\x00-\x1f]{1,255}", form="text without a ':'")
    password: Secret = key(about="The password, by reference.", example="{env: EHR_PASSWORD}")


@declared(
    name="fhir authentication",
    about="How casecart shows a FHIR server who it is.",
    rules=(ExactlyOne(("smart", "basic", "token")),),
)
class FhirAuthentication(Declared):
    """How casecart shows a FHIR server who it is."""

    smart: SmartBackend | None = key(
        about="SMART Backend Services: tokens for signed assertions.",
        example="{client: casecart, key: {file: /etc/casecart/smart.key}, key_id: c1, scopes: system/Procedure.rs}",
        default=None,
    )
    basic: BasicLogin | None = key(
        about="A user and a password.", example="{user: casecart, password: {env: EHR_PASSWORD}}", default=None
    )
    token: Secret | None = key(
        about="A bearer token that does not end, by reference.", example="{env: EHR_TOKEN}", default=None
    )


@declared(name="fhir server", about="A FHIR server that is asked.")
class FhirServerSettings(Declared):
    """A FHIR server, and how it is asked."""

    url: Text = key(
        about=(
            "Its base address. Nothing else is ever asked: redirects are not followed, nor references and links that "
            "lead elsewhere. `http://` is for a server on this machine."
        ),
        example="https://ehr.example/fhir/r4",
        pattern=_URL,
        form=_URL_FORM,
    )
    version: Literal["R4", "R4B", "R5"] = key(about="The version of FHIR that it speaks.", example="R5", default="R4")
    authentication: FhirAuthentication | None = key(
        about="How casecart shows who it is: `smart`, `basic` or `token`; not at all, if absent.",
        example="{token: {env: EHR_TOKEN}}",
        default=None,
    )
    connections: int = key(
        about="How many requests are under way at once; further ones wait in their order.",
        example=2,
        default=4,
        minimum=1,
        maximum=64,
    )
    timeout: Duration = key(
        about="How long a request may take, from connecting to the end of the answer.",
        example="1m",
        default="30s",
        minimum="100ms",
        maximum="10m",
    )
    maximum_answer: Size = key(
        about="The largest answer that is read. Where a page of a search is larger, smaller ones are asked for.",
        example="50MB",
        default="10MB",
        minimum="1KB",
        maximum="1GB",
    )

    @property
    def fhir_version(self) -> str:
        """Such as `4.0.1`."""
        return _VERSIONS[self.version]

    def check(self) -> Iterable[Finding]:
        """The address is one, and nothing goes unencrypted over a network."""
        yield from _faults_of(self, "url", self.url)


def _faults_of(settings: Declared, name: str, url: str) -> Iterable[Finding]:
    try:
        base = FhirBase(url)
    except NotAnAddress as fault:
        yield Finding(settings.at(name), "error", "bad-format", str(fault).replace("'url'", f"'{name}'"))
        return
    if base.scheme == "http" and not is_here(base.host):
        words = f"'{name}' is on another machine: patients' data and secrets would go there in plain text; use https://"
        yield Finding(settings.at(name), "error", "plain-text", words)
