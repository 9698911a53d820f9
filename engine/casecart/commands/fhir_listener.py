"""A listener that reads at a FHIR server, as a person's command finds it, and that server, as the command asks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from casecart.commands.configured import read_engine
from casecart.commands.refusal import Refusal
from casecart.formats.fhir.capability import Capability, capability_of
from casecart.formats.fhir.subscribed import same_endpoint, subscribed
from casecart.runtime.clock import wall_clock
from casecart.runtime.fhir_server import FhirTrouble
from casecart.runtime.kinds import listener_specs
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casecart.formats.fhir import Resource
    from casecart.formats.fhir.subscribed import Subscribed
    from casecart.runtime.fhir_reading import Expected, FhirReading
    from casecart.runtime.fhir_server import FhirServer

__all__ = ["FhirListener", "There", "capability_at", "fhir_listener", "leads_here", "one_at", "subscriptions_at"]

_MOST_PAGES: Final = 200
_NOT_OFFERED: Final = frozenset({403, 404, 405, 501})
"""What a server answers that has no such search, or doesn't let this client make it."""


@dataclass(frozen=True, slots=True)
class FhirListener:
    """The listener.

    Attributes:
        name: as configured.
        root: the workspace.
        reading: what it reads, and where.
        hears: the listener that takes its server's notifications, and the peer there; None: it only polls.
        expected: how that peer is expected to post.
    """

    name: str
    root: Path
    reading: FhirReading
    hears: tuple[str, str] | None = None
    expected: Expected | None = None

    @property
    def searches(self) -> Sequence[str]:
        """As configured."""
        return self.reading.searches

    def server(self, reactor: Any) -> FhirServer:  # noqa: ANN401 - zope interfaces say nothing to mypy
        """What asks its server. Raises `WorkspaceError` where a secret is missing."""
        return self.reading.make(reactor, wall_clock, self.root)


def fhir_listener(root: Path, name: str) -> FhirListener:
    """Finds a listener, however the rest of the workspace stands.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: its configuration has errors.
        Refusal: there is no such listener, it reads at no FHIR server, or it hears a peer that there is not.
    """
    there = {str(each): component for each, component in read_engine(root).listeners.items()}
    if name not in there:
        words = f"no listener is called '{name}'; the workspace has {listed(sorted(there)) or 'none'}"
        raise Refusal("not-found", words, did_you_mean(name, there))
    component, specs = there[name], listener_specs()
    spec = specs[component.kind]
    if spec.reads is None:
        words = f"'{name}' is of kind {component.kind}, and reads at no FHIR server: name a listener of kind fhir"
        raise Refusal("bad-value", words)
    reading = spec.reads(component.settings)
    hears = None if spec.hears is None else spec.hears(component.settings)
    if hears is None:
        return FhirListener(name, root, reading)
    taker = there.get(hears[0])
    expects = None if taker is None else specs[taker.kind].expects
    expected = None if taker is None or expects is None else expects(taker.settings, hears[1], root)
    if expected is None:
        words = f"'{name}' hears {hears[0]}/{hears[1]}, and there is no such peer of a listener of kind http"
        raise Refusal("bad-value", words)
    return FhirListener(name, root, reading, hears, expected)


@dataclass(frozen=True, slots=True)
class There:
    """A subscription that the server has."""

    resource: Resource
    read: Subscribed


async def capability_at(server: FhirServer, *, needed: bool = True) -> Capability:
    """What the server says that it does.

    Args:
        server: is asked.
        needed: else a server that has no CapabilityStatement says nothing, and that is no trouble.

    Raises:
        FhirTrouble: it gives no answer that helps.
        Refusal: what it answers is no CapabilityStatement.
    """
    try:
        fetched = await server.ask("GET", "metadata")
    except FhirTrouble as trouble:
        if needed or trouble.status not in _NOT_OFFERED:
            raise
        return Capability()
    capability = None if fetched is None else capability_of(fetched.resource)
    if capability is None and needed:
        words = f"what {server.base}/metadata answers is no CapabilityStatement: is that the base of a FHIR server?"
        raise Refusal("bad-value", words)
    return capability or Capability()


async def subscriptions_at(server: FhirServer, capability: Capability) -> list[There] | None:
    """All that the server lets us see; None: it can't be searched for them. Raises `FhirTrouble`."""
    if capability.does("Subscription", "read") is False and capability.does("Subscription", "search-type") is False:
        return None
    found: list[There] = []
    pages = 0
    try:
        async for page in server.search("Subscription"):
            entries = page.resource.get("entry")
            for entry in entries if isinstance(entries, list) else ():
                resource = entry.get("resource") if isinstance(entry, dict) else None
                if isinstance(resource, dict) and resource.get("resourceType") == "Subscription":
                    found.append(There(resource, subscribed(resource)))
            pages += 1
            if pages == _MOST_PAGES:
                words = f"the server has more subscriptions than {_MOST_PAGES} pages hold: its search has no end"
                raise Refusal("bad-value", words)
    except FhirTrouble as trouble:
        if trouble.status in _NOT_OFFERED:
            return None
        raise
    return [each for each in found if each.read.id]


async def one_at(server: FhirServer, identifier: str) -> There:
    """A subscription by its id. Raises `FhirTrouble`, and `Refusal` where it is not one."""
    fetched = await server.ask("GET", f"Subscription/{identifier}")
    resource = {} if fetched is None else fetched.resource
    read = subscribed(resource)
    if resource.get("resourceType") != "Subscription" or read.id != identifier:
        raise Refusal("bad-value", f"Subscription/{identifier} was answered with something else")
    return There(resource, read)


def leads_here(listener: FhirListener, endpoint: str, ours: str | None) -> bool:
    """Whether a subscription's endpoint is that of the peer that the listener hears.

    Args:
        listener: ours.
        endpoint: as the server has it.
        ours: the address as a person gave it; None: the path decides, since nobody here knows the name under which the
            server reaches us.
    """
    if ours is not None:
        return same_endpoint(endpoint, ours)
    if listener.expected is None:
        return False
    try:
        path = urlsplit(endpoint).path
    except ValueError:
        return False
    return path.rstrip("/").endswith(listener.expected.path.rstrip("/"))
