"""A made-up notification of 3.6 KB: a procedure with its device, patient, use and delivery, as an R5 bundle."""

from __future__ import annotations

import json

__all__ = ["PATH", "TOKEN", "notification"]

PATH, TOKEN = "/ehr", "made-up-token-of-the-bench"
_SIZE = 3600


def notification(digits: str) -> bytes:
    """The bundle; the digits set it apart from any other."""
    base, patient = "https://ehr.example/fhir", {"reference": f"Patient/{digits}"}
    status: dict[str, object] = {
        "resourceType": "SubscriptionStatus",
        "status": "active",
        "type": "event-notification",
        "eventsSinceSubscriptionStart": digits,
        "notificationEvent": [{"eventNumber": digits, "focus": {"reference": f"{base}/Procedure/{digits}"}}],
        "subscription": {"reference": f"{base}/Subscription/usage"},
        "topic": "https://ehr.example/SubscriptionTopic/usage",
    }
    implanted = [{"system": "http://hl7.org/fhir/device-action", "code": "implanted"}]
    resources: list[dict[str, object]] = [
        {
            "resourceType": "Procedure",
            "id": digits,
            "meta": {"versionId": "1", "lastUpdated": "2026-03-15T10:15:30.250-05:00"},
            "status": "completed",
            "subject": patient,
            "encounter": {"reference": f"Encounter/{digits}"},
            "occurrenceDateTime": "2026-03-15",
            "location": {"reference": "Location/or-3", "display": "Operating room 3"},
            "focalDevice": [{"action": {"coding": implanted}, "manipulated": {"reference": f"Device/{digits}"}}],
        },
        {
            "resourceType": "Device",
            "id": digits,
            "udiCarrier": [
                {
                    "deviceIdentifier": "00643169001763",
                    "issuer": "http://hl7.org/fhir/NamingSystem/gs1",
                    "carrierHRF": f"(01)00643169001763(17)281231(10)LOT{digits}(21)SN{digits}",
                }
            ],
            "status": "active",
            "lotNumber": f"LOT{digits}",
            "serialNumber": f"SN{digits}",
            "expirationDate": "2028-12-31",
        },
        {"resourceType": "Patient", "id": digits, "identifier": [{"system": "urn:example:mrn", "value": digits}]},
        {
            "resourceType": "SupplyDelivery",
            "id": digits,
            "status": "completed",
            "patient": patient,
            "suppliedItem": [{"quantity": {"value": 2.0, "unit": "each", "system": "http://unitsofmeasure.org"}}],
        },
    ]
    entries: list[dict[str, object]] = [{"fullUrl": f"urn:uuid:{digits}", "resource": status}]
    for resource in resources:
        address = f"{resource['resourceType']}/{digits}"
        entries.append(
            {"fullUrl": f"{base}/{address}", "resource": resource, "request": {"method": "PUT", "url": address}}
        )
    bundle = {
        "resourceType": "Bundle",
        "id": digits,
        "type": "subscription-notification",
        "timestamp": "2026-03-15T10:15:31.000-05:00",
        "entry": entries,
    }
    report: dict[str, object] = {"resourceType": "DocumentReference", "id": digits, "description": ""}
    entries.append({"fullUrl": f"{base}/DocumentReference/{digits}", "resource": report})
    report["description"] = "made up " * ((_SIZE - len(json.dumps(bundle))) // 8)
    return json.dumps(bundle).encode()
