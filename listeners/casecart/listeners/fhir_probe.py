"""Whether a FHIR server is there, lets us in, and speaks the version that the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from casecart.formats.fhir.capability import capability_of
from casecart.listeners.fhir_client import client_of
from casecart.runtime.clock import wall_clock
from casecart.runtime.fhir_server import FhirTrouble
from casecart.runtime.probe import Unfit, unfit_of

if TYPE_CHECKING:
    from casecart.listeners.fhir_settings import FhirSettings
    from casecart.runtime.fhir_server import FhirServer
    from casecart.runtime.probe import ProbeContext

__all__ = ["probe"]


async def probe(context: ProbeContext) -> None:
    """Asks for a token where one is needed, and what the server is. Raises `Unfit`."""
    settings = cast("FhirSettings", context.settings).server
    server = client_of(settings, reactor=context.reactor, now=wall_clock, root=context.root)
    try:
        said = await _version(server)
    except FhirTrouble as trouble:
        if trouble.code in {"unauthorised", "no-token"}:
            words = trouble.words.rstrip(".")
            raise Unfit("not-let-in", words, settings.at("authentication")) from trouble
        raise unfit_of(trouble.code, trouble.words, settings.at("url")) from trouble
    finally:
        await server.stop()
    if said is None:
        words = f"what {server.base}/metadata answers is no CapabilityStatement: is that the base of a FHIR server?"
        raise Unfit("not-as-expected", words, settings.at("url"))
    if said and said.split(".")[:2] != server.version.split(".")[:2]:
        words = f"the server speaks FHIR {said}, and this says {server.version}"
        raise Unfit("not-as-expected", words, settings.at("version"))


async def _version(server: FhirServer) -> str | None:
    """The version that the server says, empty if it says none; None: it is no FHIR server."""
    fetched = await server.ask("GET", "metadata")
    capability = None if fetched is None else capability_of(fetched.resource)
    return None if capability is None else capability.version
