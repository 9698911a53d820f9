"""A stored FHIR message is read again as its listener read it."""

from __future__ import annotations

from casecart.formats.fhir import LIMITS
from casecart.runtime.fhir_body import resource_of


def test_a_body_that_its_listener_took_is_not_too_large_afterwards() -> None:
    text = "x" * LIMITS.size
    assert resource_of(b'{"resourceType":"Basic","id":"' + text.encode() + b'"}')["id"] == text
