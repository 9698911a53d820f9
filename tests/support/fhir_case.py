"""A made-up case as an EHR with FHIR tells it: patient, implant, operation, its use, and a mesh delivered."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["CASE", "case_bundle"]

_BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "id": "case-4711",
    "type": "collection",
    "timestamp": "2026-11-03T10:15:00-06:00",
    "entry": [
        {
            "fullUrl": "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c01",
            "resource": {
                "resourceType": "Patient",
                "id": "pat-1",
                "identifier": [
                    {
                        "use": "usual",
                        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
                        "system": "urn:oid:2.16.840.1.113883.19.5",
                        "value": "MRN-000042",
                    }
                ],
                "active": True,
                "name": [{"use": "official", "family": "Example", "given": ["Ada", "B."]}],
                "gender": "female",
                "birthDate": "1961-04-17",
            },
        },
        {
            "fullUrl": "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c02",
            "resource": {
                "resourceType": "Device",
                "id": "dev-1",
                "identifier": [{"system": "http://acme.example/devices", "value": "A-100"}],
                "udiCarrier": [
                    {
                        "deviceIdentifier": "00643169001763",
                        "issuer": "http://hl7.org/fhir/NamingSystem/gs1",
                        "jurisdiction": "http://hl7.org/fhir/NamingSystem/fda-udi",
                        "carrierHRF": "(01)00643169001763(17)281231(10)L0T42(21)SN-4711",
                        "entryType": "barcode",
                    }
                ],
                "status": "active",
                "manufacturer": "Acme Ortho",
                "manufactureDate": "2025-01-10",
                "expirationDate": "2028-12-31",
                "lotNumber": "L0T42",
                "serialNumber": "SN-4711",
                "deviceName": [{"name": "Hip stem 12 mm", "type": "user-friendly-name"}],
                "modelNumber": "HS-12",
                "type": {
                    "coding": [
                        {
                            "system": "http://snomed.info/sct",
                            "code": "304120007",
                            "display": "Total hip replacement prosthesis",
                        }
                    ]
                },
                "patient": {"reference": "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c01"},
            },
        },
        {
            "fullUrl": "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c03",
            "resource": {
                "resourceType": "Procedure",
                "id": "proc-1",
                "meta": {"versionId": "3", "lastUpdated": "2026-11-03T10:14:58.123Z"},
                "identifier": [{"system": "http://ehr.example/cases", "value": "CASE-4711"}],
                "status": "completed",
                "code": {
                    "coding": [
                        {"system": "http://snomed.info/sct", "code": "52734007", "display": "Total hip replacement"}
                    ],
                    "text": "Total hip replacement",
                },
                "subject": {"reference": "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c01"},
                "encounter": {"reference": "Encounter/enc-7"},
                "performedPeriod": {"start": "2026-11-03T08:00:00-06:00", "end": "2026-11-03T10:00:00-06:00"},
                "performer": [{"actor": {"reference": "Practitioner/dr-1", "display": "Dr. Example"}}],
                "location": {"reference": "Location/or-1"},
                "focalDevice": [
                    {
                        "action": {"coding": [{"system": "http://hl7.org/fhir/device-action", "code": "implanted"}]},
                        "manipulated": {"reference": "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c02"},
                    }
                ],
                "usedCode": [{"coding": [{"system": "http://acme.example/items", "code": "SCREW-35"}]}],
            },
        },
        {
            "fullUrl": "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c04",
            "resource": {
                "resourceType": "DeviceUseStatement",
                "id": "dus-1",
                "status": "completed",
                "subject": {"reference": "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c01"},
                "timingDateTime": "2026-11-03T09:20:00-06:00",
                "recordedOn": "2026-11-03T10:00:00-06:00",
                "device": {"reference": "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c02"},
                "bodySite": {
                    "coding": [{"system": "http://snomed.info/sct", "code": "24136001", "display": "Hip joint"}]
                },
            },
        },
        {
            "fullUrl": "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c05",
            "resource": {
                "resourceType": "SupplyDelivery",
                "id": "sd-1",
                "status": "completed",
                "patient": {"reference": "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c01"},
                "type": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/supply-item-type", "code": "device"}]
                },
                "suppliedItem": {
                    "quantity": {
                        "value": 2.50,
                        "unit": "each",
                        "system": "http://unitsofmeasure.org",
                        "code": "{each}",
                    },
                    "itemCodeableConcept": {"coding": [{"system": "http://acme.example/items", "code": "MESH-10"}]},
                },
                "occurrenceDateTime": "2026-11-03T09:30:00-06:00",
            },
        },
    ],
}

CASE = json.dumps(_BUNDLE, separators=(",", ":")).replace('"value":2.5,', '"value":2.50,').encode()
"""A collection of R4 as bytes, 3.4 KB."""


def case_bundle() -> dict[str, Any]:
    """The same as a resource, to be changed."""
    bundle: dict[str, Any] = json.loads(CASE)
    return bundle
