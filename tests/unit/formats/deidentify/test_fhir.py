"""FHIR resources without what says whose they are."""

from __future__ import annotations

import base64
import json
import re
from datetime import date
from typing import Any

import pytest

from casecart.formats.deidentify import LeftOver, NotRead, deidentify
from casecart.formats.udi import Udi
from casecart.formats.udi import parse as read_udi
from casecart.workspace import reference

KEY = b"a key of sixteen bytes or more"
TODAY = date(2026, 11, 4)
HRF = "(01)00643169001763(17)281231(21)SN-4720"


def done(resource: dict[str, Any], **more: Any) -> Any:  # noqa: ANN401 - as `deidentify` takes it, and JSON
    """What is left of a resource."""
    return json.loads(deidentify([json.dumps(resource).encode()], key=KEY, today=TODAY, **more).bodies[0])


def patient(**members: object) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "pat-4711", **members}


@pytest.mark.parametrize(
    "members",
    [
        {"name": [{"family": "SMITHSON", "given": ["ANNA"], "text": "Anna Smithson"}]},
        {"identifier": [{"system": "http://x", "value": "SMITHSON"}]},
        {"telecom": [{"system": "email", "value": "smithson@example.org"}]},
        {"address": [{"line": ["1 Smithson Road"], "city": "Smithson", "postalCode": "45459"}]},
        {"photo": [{"contentType": "image/png", "data": "c21pdGhzb24=", "title": "smithson"}]},
        {"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Smithson</div>'}},
        {"contact": [{"name": {"family": "Smithson"}}]},
        {"managingOrganization": {"display": "Dr. Smithson"}},
        {"generalPractitioner": [{"reference": "Practitioner/smithson"}]},
        {"maritalStatus": {"text": "to Mr. Smithson"}},
        {"extension": [{"url": "http://x/maiden", "valueString": "Smithson"}]},
        {"extension": [{"url": "http://x/maiden", "valueCoding": {"code": "smithson"}}]},
        {"extension": [{"url": "http://x/maiden", "valueCode": "smithson"}]},
        {"_birthDate": {"extension": [{"url": "http://x/b", "valueString": "smithson"}]}},
        {"gender": "Mr. Smithson"},  # where a code belongs
        {"nickname": "Smithson"},  # no member of FHIR's
        {"nicknames": {"first": ["Smithson"]}},
        {"contained": [{"resourceType": "RelatedPerson", "id": "smithson"}]},
        {"id": "smithson"},
        {"meta": {"source": "http://ehr/smithson"}},
        {"link": [{"other": {"reference": "http://ehr/fhir/Patient/smithson"}, "type": "seealso"}]},
    ],
)
def test_what_says_whose_a_resource_is_goes(members: dict[str, Any]) -> None:
    assert "smithson" not in json.dumps(done(patient(**members))).lower()


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Location", "id": "or-1", "identifier": [{"value": "OR-MAIN"}], "status": "active"},
        {
            "resourceType": "SupplyDelivery",
            "status": "completed",
            "suppliedItem": {"quantity": {"value": 3, "unit": "each"}},
            "destination": {"identifier": {"system": "http://mercy.example.org/departments", "value": "OR-MAIN"}},
        },
        {
            "resourceType": "Device",
            "status": "active",
            "lotNumber": "SC-88412",
            "manufacturer": "Example Orthopaedics",
            "expirationDate": "2028-12-31",
            "udiCarrier": [{"deviceIdentifier": "00643169001763", "carrierHRF": "(01)00643169001763(10)SC-88412"}],
        },
        {
            "resourceType": "ChargeItem",
            "status": "billable",
            "code": {"coding": [{"system": "http://cdm", "code": "CH-27130", "display": "Hip stem"}]},
            "quantity": {"value": 1.5, "code": "cc"},
        },
    ],
)
def test_what_an_interface_is_about_stays(resource: dict[str, Any]) -> None:
    assert done(resource) == resource


@pytest.mark.parametrize(("name", "number"), [("valueInteger", 93755501), ("valueDecimal", 93755501.5)])
def test_a_number_as_long_as_an_identifier_goes_where_nobody_knows_what_it_is(name: str, number: float) -> None:
    extension = [{"url": "http://x", name: number}, {"url": "http://x", name: 17}]
    made = done(patient(extension=extension))["extension"]
    assert made[0][name] != number
    assert made[1][name] == 17


def test_references_ids_and_addresses_are_renamed_alike() -> None:
    entries = [
        {"fullUrl": "http://ehr/fhir/Patient/pat-4711", "resource": patient()},
        {
            "fullUrl": "urn:uuid:0a2b1c3d-0000-4000-8000-0123456789ab",
            "resource": {
                "resourceType": "Procedure",
                "id": "proc-9001",
                "subject": {"reference": "Patient/pat-4711/_history/3"},
                "contained": [{"resourceType": "Device", "id": "stem"}],
                "focalDevice": [{"manipulated": {"reference": "#stem"}}],
                "partOf": [{"reference": "urn:uuid:0a2b1c3d-0000-4000-8000-0123456789ab"}],
            },
        },
    ]
    first, second = done({"resourceType": "Bundle", "type": "collection", "entry": entries})["entry"]
    new, procedure = first["resource"]["id"], second["resource"]
    assert new != "pat-4711"
    assert first["fullUrl"] == f"http://ehr/fhir/Patient/{new}"
    assert procedure["subject"]["reference"] == f"Patient/{new}/_history/3"
    assert procedure["focalDevice"][0]["manipulated"]["reference"] == f"#{procedure['contained'][0]['id']}"
    assert procedure["partOf"][0]["reference"] == second["fullUrl"] != entries[1]["fullUrl"]


def test_a_serial_number_is_the_same_in_every_writing_of_the_code() -> None:
    scanned = "010064316900176317281231\x1d21SN-4720"
    device = done(
        {
            "resourceType": "Device",
            "serialNumber": "SN-4720",
            "udiCarrier": [{"carrierHRF": HRF, "carrierAIDC": base64.b64encode(scanned.encode()).decode()}],
        }
    )
    carrier = device["udiCarrier"][0]
    codes = [carrier["carrierHRF"], base64.b64decode(carrier["carrierAIDC"]).decode()]
    read = [read_udi(code, today=TODAY) for code in codes]
    assert [each.serial for each in read if isinstance(each, Udi)] == [device["serialNumber"]] * 2
    assert device["serialNumber"] != "SN-4720"


def test_days_of_a_bundle_move_by_one_number() -> None:
    made = done(
        {
            "resourceType": "Procedure",
            "subject": {"reference": "Patient/pat-4711"},
            "performedPeriod": {"start": "2026-11-03T08:15:00-06:00", "end": "2026-11-05T10:40:00-06:00"},
            "note": [{"time": "2026-11-04T10:00:00Z", "text": "She fell"}],
        }
    )
    start, end = made["performedPeriod"]["start"], made["performedPeriod"]["end"]
    assert (date.fromisoformat(end[:10]) - date.fromisoformat(start[:10])).days == 2
    assert (start[10:], start[:10] != "2026-11-03") == ("T08:15:00-06:00", True)
    assert date.fromisoformat(made["note"][0]["time"][:10]) > date.fromisoformat(start[:10])


@pytest.mark.parametrize(("years", "told"), [(89, 89), (90, 90), (104, 90)])
def test_nobody_is_older_than_ninety(years: int, told: int) -> None:
    observed = {"resourceType": "Condition", "onsetAge": {"value": years, "code": "a"}}
    family = {"resourceType": "Patient", "extension": [{"url": "http://x", "valueAge": {"value": years, "code": "a"}}]}
    assert done(family)["extension"][0]["valueAge"]["value"] == told
    assert done(observed)["onsetAge"]["value"] == told  # also of a resource that casecart does not read


@pytest.mark.parametrize(
    "members",
    [
        {"birthDate": "1931"},
        {"_birthDate": {"extension": [{"url": "http://x/time", "valueDateTime": "1931-03-05T04:05:06Z"}]}},
        {"extension": [{"url": "http://x", "valueDate": "1931"}]},
        {"extension": [{"url": "http://x", "valueInteger": 96}]},
        {"extension": [{"url": "http://x", "valueDecimal": 96.5}]},
        {"extension": [{"url": "http://x", "valueAge": {"value": 96, "unit": "years"}}]},
        {"extension": [{"url": "http://x", "valueAge": {"value": 96}}]},
        {"extension": [{"url": "http://x", "valueQuantity": {"value": 96, "code": "a"}}]},
    ],
)
def test_an_age_over_ninety_is_told_nowhere(members: dict[str, Any]) -> None:
    assert not re.search("1931|96", json.dumps(done(patient(**members))))


def test_a_number_of_many_digits_stays_a_number() -> None:
    made = done(patient(extension=[{"url": "http://x", "valueInteger": int("7" * 90)}]))
    assert re.fullmatch("[0-9]{90}", str(made["extension"][0]["valueInteger"]))


def test_an_age_of_an_observation_is_bounded_by_its_unit() -> None:
    observed = {"resourceType": "Observation", "valueQuantity": {"value": 96, "unit": "years"}}
    assert done(observed)["valueQuantity"]["value"] == 90


def test_numbers_keep_their_digits() -> None:
    body = b'{"resourceType":"SupplyDelivery","suppliedItem":{"quantity":{"value":1.00}}}'
    assert deidentify([body], key=KEY, today=TODAY).bodies == [body]


def test_an_element_stays_that_somebody_says_stays() -> None:
    device = {"resourceType": "Device", "serialNumber": "SN-4720"}
    assert done(device, keep=["Device.serialNumber"]) == device
    with pytest.raises(LeftOver):
        done({**device, "patient": {"identifier": {"value": "SN-4720"}}}, keep=["Device.serialNumber"])


@pytest.mark.parametrize(
    "body",
    [b"{}", b"{", b"[]", b'{"resourceType":1}', b'{"resourceType":"Patient","a":1,"a":2}', b'{"a":' * 200, b"[" * 9000],
)
def test_what_is_no_resource_is_refused(body: bytes) -> None:
    with pytest.raises(NotRead):
        deidentify([body], key=KEY, today=TODAY)


def test_a_type_that_is_a_name_stops_it() -> None:
    with pytest.raises(LeftOver):
        done({"resourceType": "Smithson", "name": [{"family": "SMITHSON"}]})


@pytest.mark.parametrize("kind", ["Nobody", "patient", "X" * 70, "Pätient"])
def test_a_type_that_there_is_not_is_no_way_out(kind: str) -> None:
    made = done({"resourceType": kind, "name": [{"family": "SMITHSON"}], "status": "final", "id": "SMITHSON-1"})
    assert "SMITHSON" not in json.dumps({**made, "resourceType": ""})


@pytest.mark.parametrize(
    "path", sorted((reference.root() / "samples" / "fhir").glob("*.json")), ids=lambda path: path.stem
)
def test_of_a_shipped_sample_the_structure_stays(path: Any) -> None:  # noqa: ANN401 - a path
    def shape(node: object) -> object:
        if isinstance(node, dict):
            return {name: shape(value) for name, value in node.items()}
        return [shape(each) for each in node] if isinstance(node, list) else type(node)

    body = path.read_bytes()
    made = deidentify([body], key=KEY, today=TODAY).bodies[0]
    assert shape(json.loads(made)) == shape(json.loads(body))
