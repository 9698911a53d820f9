"""The FHIR client with a real reactor, asked from the thread of a test."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from casecart.formats.fhir import read_reference
from casecart.listeners.fhir_client import client_of
from casecart.listeners.fhir_server_settings import FhirServerSettings
from casecart.runtime.fhir_server import FhirTrouble
from support.reactor import in_reactor, reactor
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from pathlib import Path

    from casecart.runtime.fhir_server import Fetched, FhirServer

__all__ = ["Asking", "asking", "trouble_of"]


class Asking:
    """A client; what it is asked is waited for."""

    def __init__(self, server: FhirServer) -> None:
        self.server = server

    def read(self, reference: str) -> Fetched:
        """A resource."""
        return _waited(self.server.read(read_reference(reference)))

    def reading(self, *references: str) -> list[Deferred[Fetched]]:
        """Calls that are under way together."""
        coroutines = [self.server.read(read_reference(reference)) for reference in references]
        return in_reactor(lambda: [Deferred.fromCoroutine(coroutine) for coroutine in coroutines])

    def search(self, query: str) -> list[Fetched]:
        """All pages of a search."""

        async def pages() -> list[Fetched]:
            return [page async for page in self.server.search(query)]

        return _waited(pages())

    def ask(self, method: str, path: str, resource: Mapping[str, Any] | None = None, **headers: str) -> Fetched | None:
        """Anything else."""
        return _waited(self.server.ask(method, path, resource, **headers))

    def stop(self) -> None:
        """Ask no more."""
        in_reactor(self.server.stop)


def trouble_of(call: Deferred[Any]) -> FhirTrouble:
    """What a call comes to that was begun by `Asking.reading`."""

    def caught() -> Deferred[Any]:
        return call.addErrback(lambda failure: failure.value)

    trouble = in_reactor(caught)
    assert isinstance(trouble, FhirTrouble)
    return trouble


def _waited(coroutine: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever it gives
    return in_reactor(lambda: Deferred.fromCoroutine(coroutine))


@contextmanager
def asking(base: str, more: str = "", *, root: Path) -> Iterator[Asking]:
    """A client of the server with this base.

    Args:
        base: its address.
        more: of the settings, as YAML.
        root: of the workspace, where secrets are.
    """
    settings = settings_of(FhirServerSettings, f"url: {base}\n{more}\n")
    made = Asking(
        in_reactor(
            lambda: client_of(
                settings, reactor=reactor, now=lambda: time.time_ns() // 1000, root=root, random=_no_chance
            )
        )
    )
    try:
        yield made
    finally:
        made.stop()


def _no_chance() -> float:
    return 0.0
