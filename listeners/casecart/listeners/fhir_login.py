"""How requests show a FHIR server who asks: a header that stays, or one that is got anew from time to time."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from twisted.internet.defer import Deferred

    from casecart.listeners.fhir_server_settings import BasicLogin
    from casecart.workspace import Secret

__all__ = ["FhirLogin", "Standing", "basic", "bearer"]


class FhirLogin(Protocol):
    """Gives what requests are authenticated with."""

    async def headers(self) -> Mapping[str, str]:
        """Of the next request. Raises `FhirTrouble`."""

    def refused(self, headers: Mapping[str, str]) -> bool:
        """The server answered 401 to these; whether others can be had."""

    def stop(self) -> Deferred[None] | None:
        """Let go of connections, and of secrets that are kept."""


class Standing:
    """The same headers with every request.

    Args:
        headers: by name.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    async def headers(self) -> Mapping[str, str]:
        """Always the same."""
        return self._headers

    def refused(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - whichever they were
        """There are no others."""
        return False

    def stop(self) -> None:
        """Nothing is open."""


def bearer(token: Secret, environment: Mapping[str, str], root: Path) -> Standing:
    """A token that does not end (RFC 6750 §2.1). Raises as `Secret.reveal`."""
    return Standing({"Authorization": f"Bearer {token.reveal(environment, root)}"})


def basic(login: BasicLogin, environment: Mapping[str, str], root: Path) -> Standing:
    """A user and a password (RFC 7617). Raises as `Secret.reveal`."""
    pair = f"{login.user}:{login.password.reveal(environment, root)}".encode()
    return Standing({"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"})
