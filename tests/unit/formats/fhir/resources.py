"""Made-up resources for tests of FHIRPath."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.formats.fhir.path.value import Json

__all__ = ["PROCEDURE", "contained"]

PROCEDURE: Final[dict[str, Any]] = {
    "resourceType": "Procedure",
    "id": "p1",
    "status": "completed",
    "_status": {"extension": [{"url": "http://example.org/why", "valueString": "signed"}]},
    "performedPeriod": {"start": "2026-11-01T08:00:00-06:00", "end": "2026-11-01T09:30:00-06:00"},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "52734007"}, {"code": "HIP"}]},
    "contained": [
        {"resourceType": "Device", "id": "d1", "lotNumber": "L1", "owner": {"reference": "#o1"}},
        {"resourceType": "Device", "id": "d2", "lotNumber": "L2"},
        {"resourceType": "Organization", "id": "o1", "name": "Example Hospital"},
    ],
    "focalDevice": [
        {
            "action": {"coding": [{"system": "http://hl7.org/fhir/device-action", "code": "implanted"}]},
            "manipulated": {"reference": "#d1"},
        },
        {"action": {"coding": [{"code": "explanted"}]}, "manipulated": {"reference": "#d2"}},
        {"manipulated": {"reference": "Device/elsewhere"}},
    ],
    "extension": [
        {"url": "http://example.org/weight", "valueQuantity": {"value": Decimal("2.50"), "unit": "kg"}},
        {"url": "http://example.org/weight", "valueQuantity": {"value": Decimal("3.10"), "unit": "kg"}},
        {"url": "http://example.org/count", "valueInteger": 3},
        {"url": "http://example.org/sterile", "valueBoolean": False},
    ],
    "note": [{"text": "first"}, {"text": "second"}, {"text": "first"}],
}


def contained(reference: str, holders: Sequence[Any]) -> Json:
    """What `#id` leads to in the resources that hold the reference."""
    found = [each for holder in holders for each in holder.get("contained", ()) if reference == f"#{each.get('id')}"]
    return found[0] if len(found) == 1 else None
