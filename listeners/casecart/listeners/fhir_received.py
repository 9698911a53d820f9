"""As what a resource would come in that is read at a FHIR server: as it is handed in, without asking the server."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

from casecart.formats.fhir import LIMITS, Refused, read_resource
from casecart.formats.fhir.envelope import Envelope, envelope_of
from casecart.listeners.fhir_handover import arrival_of
from casecart.listeners.received import TRIED
from casecart.runtime.fhir_body import FHIR
from casecart.runtime.listener import Received

if TYPE_CHECKING:
    from casecart.listeners.fhir_settings import FhirSettings
    from casecart.runtime.listener import ListenerContext, Receipt

__all__ = ["read"]


def read(context: ListenerContext, body: bytes) -> Received:
    """A resource, or a bundle of one and of what it refers to."""
    settings = cast("FhirSettings", context.settings)
    try:
        told, words = envelope_of(read_resource(body, LIMITS), None, ()), ""
    except Refused as refused:
        told, words = Envelope("", "", None, ""), refused.problem.words
    if not told.control_id:
        told = told._replace(control_id=hashlib.blake2b(body, digest_size=16).hexdigest())
    schema = f"{FHIR}{settings.server.fhir_version}"
    made = arrival_of(context, str(settings.facility), schema, told, body, source=TRIED, reply=_nobody)
    if words:
        made.refused, made.notes = True, "not-fhir"
    return Received(made, words)


def _nobody(_: Receipt) -> None:
    """Nobody waits."""
