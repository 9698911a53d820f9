"""A FHIR server as a listener and people's commands ask it: one configured address, and nothing but that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from twisted.internet.defer import Deferred

    from casecart.formats.fhir import Resource
    from casecart.formats.fhir.reference import Reference

__all__ = ["Fetched", "FhirServer", "FhirTrouble"]


class FhirTrouble(Exception):
    """The server gave no answer that helps.

    Attributes:
        code: stable. Of the one request: `not-found`, `gone`, `refused`, `not-ours`, `not-asked-for`, `not-fhir`,
            `too-large`, `redirected`, `paging-loop`, `too-many-pages`. Of the server or the way to it, and then the
            next calls fail at once with the same for a while: `unauthorised`, `no-token`, `throttled`, `server-error`,
            `timeout`, `connect-timeout`, `connection-refused`, `connection-failed`, `connection-lost`, `host-unknown`,
            `tls-failed`. Of casecart itself: `stopped`.
        words: what it is and what to do; never what the server wrote.
        status: of HTTP; 0 where none came.
        passing: whether the same may work later.
        retry_after: seconds for which the server wants to be left alone.
        asked: False where the server was not asked at all, since it is left alone after a trouble that another request
            met: `code` and `words` are of that one.
    """

    def __init__(
        self,
        code: str,
        words: str,
        *,
        status: int = 0,
        passing: bool = False,
        retry_after: float | None = None,
        asked: bool = True,
    ) -> None:
        super().__init__(words)
        self.code, self.words, self.status = code, words, status
        self.passing, self.retry_after, self.asked = passing, retry_after, asked


class Fetched(NamedTuple):
    """A resource as the server gave it."""

    resource: Resource
    body: bytes
    """As it was received."""


class FhirServer(Protocol):
    """Asks one server. All of these fail with `FhirTrouble`."""

    @property
    def base(self) -> str:
        """Its address, without a slash at the end."""

    @property
    def version(self) -> str:
        """Of FHIR, such as `4.0.1`."""

    async def read(self, reference: Reference) -> Fetched:
        """The resource that a relative reference names, or an absolute one below `base`; the version it names.

        Code `not-ours`: it is another server's, or no reference that can be read. Code `not-found`, `gone`.
        """

    def search(self, query: str) -> AsyncIterator[Fetched]:
        """The pages of a search such as `Procedure?status=completed`: bundles, one after the other as they are wanted.

        The `next` links are followed below `base` only (`not-ours`).
        """

    async def ask(
        self, method: str, path: str, resource: Mapping[str, Any] | None = None, **headers: str
    ) -> Fetched | None:
        """Any other request, such as `GET`, `Subscription/1/$events?eventsSinceNumber=3`; None: the answer is empty.

        A server that says of what was created only where it is, is asked for it.

        Args:
            method: of HTTP.
            path: what stands behind `base` and a slash, query included.
            resource: what is sent.
            headers: more of the request, with `_` in place of `-`.
        """

    def stop(self) -> Deferred[None]:
        """Ask no more, and let go of connections."""
