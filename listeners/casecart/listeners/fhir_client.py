"""Asks one FHIR server, as it is configured, and nothing but that; see `casecart.runtime.fhir_server`.

Every request goes to the configured base with something behind it: references and links are compared with it, and none
of them becomes an address. One request tries once, but for a token that the server no longer takes; when to try again
is for the caller to say, and `FhirTrouble.retry_after` tells when it may.
"""

from __future__ import annotations

import os
from random import random as by_chance
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import CancelledError, Deferred

from casecart.formats.fhir import write_resource
from casecart.listeners.fhir_answer import fetched, sent
from casecart.listeners.fhir_assertion import Signer
from casecart.listeners.fhir_base import FhirBase
from casecart.listeners.fhir_cache import FhirCache
from casecart.listeners.fhir_gate import FhirGate
from casecart.listeners.fhir_login import Standing, basic, bearer
from casecart.listeners.fhir_smart import Smart
from casecart.runtime.exchange import Client, Response
from casecart.runtime.fhir_server import Fetched, FhirTrouble

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from casecart.formats.fhir import Resource
    from casecart.formats.fhir.reference import Reference
    from casecart.listeners.fhir_login import FhirLogin
    from casecart.listeners.fhir_server_settings import FhirServerSettings
    from casecart.runtime.fhir_server import FhirServer

__all__ = ["MOST_PAGES", "FhirClient", "client_of"]

MOST_PAGES: Final = 10_000
"""Of one search."""

_FHIR_JSON: Final = "application/fhir+json"
_OK: Final = 200
_CREATED: Final = 201
_UNCHANGED: Final = 304
_NOT_LET_IN: Final = 401


def client_of(
    settings: FhirServerSettings,
    *,
    reactor: Any,  # noqa: ANN401 - Twisted's, whose interfaces say nothing to mypy
    now: Callable[[], int],
    root: Path,
    environment: Mapping[str, str] = os.environ,
    random: Callable[[], float] = by_chance,
) -> FhirServer:
    """What asks a server.

    Args:
        settings: of the server.
        reactor: Twisted's.
        now: µs since 1970.
        root: of the workspace; files of secrets are below it.
        environment: where secrets that name a variable are found.
        random: gives a number in [0, 1).

    Raises:
        WorkspaceError: a secret is missing, or a key is no good one.
    """
    client = FhirClient(settings, reactor, random)
    how = settings.authentication
    if how is None:
        return client
    if how.smart is not None:
        signer = Signer(how.smart, environment, root, seconds=lambda: now() / 1e6)
        client.login = Smart(
            how.smart, signer, client.address, ask=client.plainly, reactor=reactor, timeout=settings.timeout
        )
    elif how.basic is not None:
        client.login = basic(how.basic, environment, root)
    elif how.token is not None:
        client.login = bearer(how.token, environment, root)
    return client


class FhirClient:
    """One server.

    Args:
        settings: of the server.
        reactor: Twisted's.
        random: gives a number in [0, 1).

    Attributes:
        address: its base.
        login: what requests are authenticated with.
    """

    def __init__(self, settings: FhirServerSettings, reactor: Any, random: Callable[[], float]) -> None:  # noqa: ANN401 - see client_of
        self.address = FhirBase(settings.url)
        self.login: FhirLogin = Standing({})
        self._version, self._longest = settings.fhir_version, settings.maximum_answer
        self._gate = FhirGate(reactor, settings.connections, random)
        self._cache = FhirCache()
        self._flying: set[Deferred[Response]] = set()
        self._exchange = Client(
            reactor,
            self.address.text,
            connections=settings.connections,
            timeout=settings.timeout,
            longest=self._longest,
        )

    @property
    def base(self) -> str:
        """The server's address, without a slash at the end."""
        return self.address.text

    @property
    def version(self) -> str:
        """Of FHIR, such as `4.0.1`."""
        return self._version

    async def read(self, reference: Reference) -> Fetched:
        """The resource that a reference names; see `FhirServer`."""
        if reference.kind not in {"relative", "absolute"}:
            raise _not_ours("This reference names no resource that a server could be asked for.")
        if reference.base not in {"", f"{self.base}/"} and self.address.below(reference.base) != "/":
            raise _not_ours("This reference leads to another server than the configured one, which is not asked.")
        name = f"{reference.type}/{reference.id}"
        path = self._path(f"{name}/_history/{reference.version}" if reference.version else name)
        answer = await self._call("GET", path, cached=True)
        return _expected(answer, reference)

    async def search(self, query: str) -> AsyncIterator[Fetched]:
        """The pages of a search; see `FhirServer`."""
        path = self._path(query)
        seen: set[str] = set()
        while path not in seen:
            if len(seen) == MOST_PAGES:
                words = f"The search has more than {MOST_PAGES} pages: ask for less, or for larger pages (_count)."
                raise FhirTrouble("too-many-pages", words)
            seen.add(path)
            page = await self._call("GET", path)
            if page is None or page.resource["resourceType"] != "Bundle":
                raise _other("no Bundle: look at the search")
            link = _next_of(page.resource)
            yield page
            if link is None:
                return
            path = self._path(link)
        raise FhirTrouble("paging-loop", "The pages of the search lead back to one that was there already.")

    async def ask(
        self, method: str, path: str, resource: Mapping[str, Any] | None = None, **headers: str
    ) -> Fetched | None:
        """Any other request; see `FhirServer`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = b""
        if resource is not None:
            body = write_resource(dict(resource))
            named["Content-Type"] = _FHIR_JSON
        return await self._call(method, self._path(path), named, body)

    def stop(self) -> Deferred[None]:
        """Ask no more: who waits and what is under way comes to the trouble `stopped`."""
        return Deferred.fromCoroutine(self._stop())

    def plainly(self, path: str, headers: Mapping[str, str]) -> Deferred[Response]:
        """A GET without a token, of one who was let through already."""
        return Deferred.fromCoroutine(self._sent("GET", path, headers))

    async def _stop(self) -> None:
        self._gate.stop()
        closing = self.login.stop()
        for each in tuple(self._flying):
            each.cancel()
        self._cache.clear()
        if closing is not None:
            await closing
        await self._exchange.close()

    def _path(self, address: str) -> str:
        path = self.address.below(address)
        if path is None:
            raise _not_ours("This address is not below the configured one of the FHIR server, and is not asked.")
        return path

    async def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        cached: bool = False,
    ) -> Fetched | None:
        began = await self._gate.enter()
        try:
            answer = await self._answer(method, path, headers or {}, body, cached=cached)
        except (FhirTrouble, CancelledError) as trouble:
            if self._gate.stopped:
                raise FhirTrouble("stopped", "casecart stops; the request was given up.", passing=True) from trouble
            if isinstance(trouble, FhirTrouble):
                self._gate.failed(trouble, began)
            raise
        finally:
            self._gate.leave()
        self._gate.succeeded()
        return answer

    async def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, cached: bool
    ) -> Fetched | None:
        known = self._cache.get(path) if cached else None
        if known is not None:
            headers = {**headers, "If-None-Match": known.tag}
        response = await self._let_in(method, path, headers, body)
        if known is not None and response.status == _UNCHANGED:
            response = Response(_OK, {"content-type": _FHIR_JSON}, known.body, whole=True)
            return fetched(response, self._longest)
        answer = fetched(response, self._longest)
        if answer is None and response.status == _CREATED:
            return await self._made(response)
        if cached and answer is not None:
            self._cache.keep(path, response.headers.get("etag", ""), answer.body)
        return answer

    async def _made(self, response: Response) -> Fetched | None:
        """What was made, of a server that says only where it is."""
        path = self.address.below(response.headers.get("location", ""))
        return fetched(await self._let_in("GET", path, {}, b""), self._longest) if path else None

    async def _let_in(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """One request, and another one with a fresh token where the first was not let in."""
        shown = await self.login.headers()
        response = await self._sent(method, path, {**headers, **shown}, body)
        if response.status == _NOT_LET_IN and self.login.refused(shown):
            response = await self._sent(method, path, {**headers, **await self.login.headers()}, body)
        return response

    async def _sent(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        if self._gate.stopped:
            raise FhirTrouble("stopped", "casecart stops; the request was given up.", passing=True)
        request = self._exchange.send(method, {"User-Agent": "casecart", "Accept": _FHIR_JSON, **headers}, body, path)
        self._flying.add(request)
        try:
            return await sent(request)
        finally:
            self._flying.discard(request)


def _next_of(bundle: Resource) -> str | None:
    """Where the next page is. Links that can't be read are a trouble: to pass them over would be to lose pages."""
    try:
        found = [link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"]
    except (TypeError, LookupError):
        found = [None]
    if not all(isinstance(url, str) for url in found):
        raise _other("a bundle with links that are none")
    return found[0] if found else None


def _expected(answer: Fetched | None, reference: Reference) -> Fetched:
    """What was asked for, and nothing that a server or a cache on the way has mixed up with it."""
    if answer is None:
        raise _other("no resource")
    resource, meta = answer.resource, answer.resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    if (resource["resourceType"], resource.get("id")) != (reference.type, reference.id):
        raise _other("another resource")
    if reference.version and version not in {None, reference.version}:
        raise _other("another version")
    return answer


def _other(what: str) -> FhirTrouble:
    words = f"What the FHIR server answered is {what}, and not what it was asked for."
    return FhirTrouble("not-asked-for", words, status=_OK)


def _not_ours(words: str) -> FhirTrouble:
    return FhirTrouble("not-ours", words)
