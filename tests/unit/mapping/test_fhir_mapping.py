"""Mappings that read FHIR: which elements become lines, what their fields are, and what a person is told."""

from __future__ import annotations

import copy
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from casecart.mapping import compile_mapping, interpreted_paths
from casecart.workspace import WorkspaceError
from unit.mapping.declarations import Tokens, context, mapping, table

if TYPE_CHECKING:
    from casecart.mapping import Mapped

TABLES: Final = {
    "status": table("status", "code,value\ncompleted,use\nentered-in-error,reverse\n*,none\n"),
    "device-action": table("device-action", "code,value\nimplanted,implanted\nexplanted,explanted\n"),
}
HEAD: Final = "mapping: m\nreads: {format: fhir, version: R4}\nmakes: Usage\nsays: state\n"
IMPLANTS: Final = """
each: Procedure.focalDevice
where: "disposition == 'implanted' && action != 'none'"
bind: {device: manipulated.resolve()}
fields:
  case: {path: "%resource.encounter.reference", required: true, token: case}
  line: {path: "%resource.id & '/' & manipulated.reference", required: true}
  action:
    path: iif((%resource.status | %device.status) contains 'entered-in-error', 'entered-in-error', %resource.status)
    table: status
    required: true
  disposition: {path: action.coding.code, table: device-action, optional: true}
  used_on: {path: ["%resource.performed.ofType(dateTime)", "%resource.performed.start"], type: date, required: true}
  quantity: {value: "1", type: decimal}
  udi:
    agree: ["%device.udiCarrier.carrierHRF", "%device.udiCarrier.select(carrierAIDC.decode('base64'))"]
    type: udi
    optional: true
  di: {agree: ["%device.udiCarrier.deviceIdentifier", udi.di], type: di, optional: true}
  lot: {agree: ["%device.lotNumber", udi.lot], optional: true}
  serial: {agree: ["%device.serialNumber", udi.serial], optional: true}
  expiry: {agree: ["%device.expirationDate", udi.expiry], type: date, optional: true}
"""
DI: Final = "09521234543213"
DEVICE: Final[dict[str, Any]] = {
    "resourceType": "Device",
    "id": "d1",
    "status": "active",
    "lotNumber": "L1",
    "expirationDate": "2027-12-31",
    "udiCarrier": [{"deviceIdentifier": DI, "carrierHRF": f"(01){DI}(17)271231(10)L1"}],
}
PROCEDURE: Final[dict[str, Any]] = {
    "resourceType": "Procedure",
    "id": "p1",
    "status": "completed",
    "encounter": {"reference": "Encounter/e1"},
    "performedDateTime": "2026-11-04T02:30:00Z",
    "focalDevice": [
        {"action": {"coding": [{"code": "implanted"}]}, "manipulated": {"reference": "Device/d1"}},
        {"action": {"coding": [{"code": "explanted"}]}, "manipulated": {"reference": "Device/d0"}},
    ],
}


def bundle(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - what JSON has
    """A bundle of resources, each under its URL."""
    entries = [
        {"fullUrl": f"http://fhir.example.org/{each['resourceType']}/{each['id']}", "resource": each}
        for each in resources
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries, **more}


def changed(resource: dict[str, Any], **members: Any) -> dict[str, Any]:  # noqa: ANN401 - what JSON has
    """A copy with other members; None takes one away."""
    new = {**copy.deepcopy(resource), **members}
    return {name: value for name, value in new.items() if value is not None}


def mapped(message: dict[str, Any], text: str = IMPLANTS, tokens: Tokens | None = None) -> Mapped:
    before = copy.deepcopy(message)
    found = compile_mapping(mapping(HEAD + text), TABLES).run(message, context(tokens))
    assert message == before
    return found


def troubles(found: Mapped) -> list[tuple[str, str, str]]:
    return [(each.place, each.code, each.field) for each in found.exceptions]


def test_an_implanted_device_of_a_bundle_becomes_a_line() -> None:
    tokens = Tokens()
    found = mapped(bundle(DEVICE, PROCEDURE), tokens=tokens)
    (usage,) = found.documents
    assert (usage.case, usage.line, usage.action, usage.disposition) == (
        "case:Encounter/e1",
        "p1/Device/d1",
        "use",
        "implanted",
    )
    assert (usage.di, usage.lot, usage.expiry, usage.quantity) == (DI, "L1", date(2027, 12, 31), Decimal(1))
    assert usage.udi == f"(01){DI}(17)271231(10)L1"
    assert found.places == ["Bundle.entry[1].resource.focalDevice[0]"]
    assert usage.source == "M1#Bundle.entry[1].resource.focalDevice[0]"
    assert [place for place, _ in found.filtered] == ["Bundle.entry[1].resource.focalDevice[1]"]
    assert (found.exceptions, tokens.asked) == ([], [("case", "Encounter/e1")])


def test_a_resource_by_itself_is_read_as_one_of_a_bundle_and_the_device_may_be_contained() -> None:
    line = {"action": {"coding": [{"code": "implanted"}]}, "manipulated": {"reference": "#d1"}}
    found = mapped(changed(PROCEDURE, focalDevice=[line], contained=[DEVICE]))
    assert found.places == ["Procedure.focalDevice[0]"]
    assert found.documents[0].lot == "L1"


@pytest.mark.parametrize(
    ("reference", "lot"),
    [
        ("Device/d1", "L1"),
        ("http://fhir.example.org/Device/d1", "L1"),
        ("http://fhir.example.org/Device/d1/_history/3", "L1"),
        ("http://elsewhere.example.org/Device/d1", None),
        ("urn:uuid:4f0c4d8e-0000-4000-8000-000000000001", "L3"),
        ("#d1", None),
        ("Device/unknown", None),
        ("../../etc/passwd", None),
    ],
)
def test_a_reference_leads_to_what_is_in_the_message_and_nowhere_else(reference: str, lot: str | None) -> None:
    line = {"action": {"coding": [{"code": "implanted"}]}, "manipulated": {"reference": reference}}
    message = bundle(DEVICE, changed(PROCEDURE, focalDevice=[line]))
    other = {"resourceType": "Device", "id": "d3", "lotNumber": "L3"}
    message["entry"].append({"fullUrl": "urn:uuid:4f0c4d8e-0000-4000-8000-000000000001", "resource": other})
    found = mapped(message)
    assert [usage.lot for usage in found.documents] == ([lot] if lot else [])
    assert [code for _, code, _ in troubles(found)] == ([] if lot else ["reference-not-found"])


def test_a_relative_reference_is_one_at_the_server_of_its_entry() -> None:
    message = bundle(DEVICE, PROCEDURE)
    other = {"fullUrl": "http://other.example.org/Device/d1", "resource": changed(DEVICE, lotNumber="L9")}
    message["entry"].append(other)
    assert [usage.lot for usage in mapped(message).documents] == ["L1"]
    message["entry"] = [other, message["entry"][1]]
    assert [code for _, code, _ in troubles(mapped(message))] == ["reference-not-found"]


def test_two_resources_that_a_reference_might_mean_are_neither() -> None:
    message = bundle(DEVICE, PROCEDURE)
    other = {"fullUrl": "http://other.example.org/Device/d1", "resource": changed(DEVICE, lotNumber="L9")}
    message["entry"] = [message["entry"][0], other, {"fullUrl": "urn:uuid:1", "resource": PROCEDURE}]
    assert [code for _, code, _ in troubles(mapped(message))] == ["reference-not-found"]


def test_of_several_versions_in_a_bundle_the_newest_counts() -> None:
    def at(version: str, resource: dict[str, Any], **members: Any) -> dict[str, Any]:  # noqa: ANN401 - what JSON has
        return changed(resource, meta={"versionId": version}, **members)

    newer = at("10", PROCEDURE, status="entered-in-error"), at("3", DEVICE, lotNumber=None)
    older = at("9", PROCEDURE), at("2", DEVICE, lotNumber="OLD")
    found = mapped(bundle(*newer, *older, type="history"))
    assert [(usage.action, usage.lot) for usage in found.documents] == [("reverse", "L1")]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2026-11-03T10:00:00Z", "2026-11-03T10:00:00.5Z"),
        ("2026-11-03T10:00:00+02:00", "2026-11-03T09:00:00Z"),
    ],
)
def test_the_newest_of_several_versions_is_told_by_the_moment_and_not_by_how_it_is_written(
    older: str, newer: str
) -> None:
    reversed_ = changed(PROCEDURE, status="entered-in-error", meta={"lastUpdated": newer})
    found = mapped(bundle(DEVICE, reversed_, changed(PROCEDURE, meta={"lastUpdated": older}), type="history"))
    assert [usage.action for usage in found.documents] == ["reverse"]


def test_of_two_servers_resources_with_one_id_neither_is_lost() -> None:
    message = bundle(DEVICE, PROCEDURE)
    for resource in (DEVICE, PROCEDURE):
        url = f"http://other.example.org/{resource['resourceType']}/{resource['id']}"
        message["entry"].append({"fullUrl": url, "resource": resource})
    found = mapped(message)
    assert len(found.documents) == 1
    assert [(each.place, each.code) for each in found.exceptions] == [
        ("Bundle.entry[3].resource.focalDevice[0]", "conflict")
    ]


@pytest.mark.parametrize(
    ("procedure", "device", "actions"),
    [
        ("completed", "active", ["use"]),
        ("in-progress", "active", []),
        ("not-done", "active", []),
        ("entered-in-error", "active", ["reverse"]),
        ("completed", "entered-in-error", ["reverse"]),
        ("completed", None, ["use"]),
    ],
)
def test_only_what_is_final_counts_and_an_error_anywhere_takes_back(
    procedure: str, device: str | None, actions: list[str]
) -> None:
    found = mapped(bundle(changed(DEVICE, status=device), changed(PROCEDURE, status=procedure)))
    assert ([usage.action for usage in found.documents], found.exceptions) == (actions, [])


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("the resource", {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}),
        ("a part of it", {"performer": [{"actor": {}, "modifierExtension": [{"url": "u"}]}]}),
        ("its rules", {"implicitRules": "http://example.org/rules"}),
    ],
)
def test_what_may_mean_something_else_is_held(where: str, change: dict[str, Any]) -> None:
    found = mapped(bundle(DEVICE, changed(PROCEDURE, **change)))
    assert (found.documents, found.filtered) == ([], []), where
    assert [code for _, code, _ in troubles(found)] == ["modifier-extension"] * 2


def test_a_device_that_may_mean_something_else_holds_its_lines() -> None:
    device = changed(DEVICE, modifierExtension=[{"url": "u"}])
    found = mapped(bundle(device, PROCEDURE))
    assert troubles(found) == [("Bundle.entry[1].resource.focalDevice[0]", "modifier-extension", "")]


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({"lotNumber": "L2"}, ("conflict", "lot")),
        ({"expirationDate": "2027-12-30"}, ("conflict", "expiry")),
        ({"udiCarrier": [{"deviceIdentifier": "00643169001763", "carrierHRF": f"(01){DI}"}]}, ("conflict", "di")),
        ({"udiCarrier": [{"carrierHRF": f"(01){DI}(10)L1"}, {"carrierHRF": f"(01){DI}(10)L2"}]}, ("conflict", "udi")),
        # What is in Base64 here has the lot L2.
        (
            {"udiCarrier": [{"carrierHRF": f"(01){DI}(10)L1", "carrierAIDC": "KDAxKTA5NTIxMjM0NTQzMjEzKDEwKUwy"}]},
            ("conflict", "udi"),
        ),
        ({"udiCarrier": [{"carrierAIDC": "~not Base64~"}]}, ("path-failed", "udi")),
        ({"udiCarrier": [{"carrierHRF": "(01)0952"}]}, ("udi-unreadable", "udi")),
        ({"lotNumber": {"value": "L1"}}, ("path-failed", "lot")),
        ({"expirationDate": "2027"}, ("date-precision", "expiry")),
        ({"expirationDate": "next year"}, ("not-a-date", "expiry")),
    ],
)
def test_what_contradicts_itself_or_can_not_be_read_is_held(change: dict[str, Any], trouble: tuple[str, str]) -> None:
    found = mapped(bundle(changed(DEVICE, **change), PROCEDURE))
    assert found.documents == []
    assert [each[1:] for each in troubles(found)] == [trouble]
    assert "L2" not in " ".join(each.words for each in found.exceptions)


def test_a_barcode_in_base64_is_a_udi_with_its_separators() -> None:
    # "0109521234543213" "10L1" GS "17271231", as a scanner gives it.
    carrier = {"carrierAIDC": "MDEwOTUyMTIzNDU0MzIxMzEwTDEdMTcyNzEyMzE="}
    (usage,) = mapped(bundle(changed(DEVICE, udiCarrier=[carrier]), PROCEDURE)).documents
    assert (usage.di, usage.lot, usage.expiry) == (DI, "L1", date(2027, 12, 31))


@pytest.mark.parametrize(
    ("when", "day"),
    [
        ({"performedDateTime": "2026-11-03"}, date(2026, 11, 3)),
        # At the facility in Chicago it was the evening before.
        ({"performedDateTime": "2026-11-04T02:30:00Z"}, date(2026, 11, 3)),
        ({"performedDateTime": "2026-11-04T02:30:00.1234567+00:00"}, date(2026, 11, 3)),
        ({"performedDateTime": "2026-11-03T23:59:59-06:00"}, date(2026, 11, 3)),
        ({"performedPeriod": {"start": "2026-11-03T08:00:00-06:00"}}, date(2026, 11, 3)),
    ],
)
def test_the_day_of_use_is_the_facilitys(when: dict[str, Any], day: date) -> None:
    (usage,) = mapped(bundle(DEVICE, changed(PROCEDURE, **{"performedDateTime": None, **when}))).documents
    assert usage.used_on == day


def test_the_day_that_something_expires_is_the_one_that_is_written() -> None:
    device = changed(DEVICE, expirationDate="2027-12-31T00:00:00Z")
    (usage,) = mapped(bundle(device, PROCEDURE)).documents
    assert usage.expiry == date(2027, 12, 31)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [(Decimal("2.50"), "2.50"), (10, "10"), (Decimal("1E+2"), "100"), (Decimal("0.10"), "0.10")],
)
def test_a_number_keeps_its_digits(quantity: Decimal | int, value: str) -> None:
    fields = "fields:\n  quantity: {path: quantity.value, type: decimal, required: true}\n"
    text = f"each: SupplyDelivery.suppliedItem\n{fields}"
    found = mapped({"resourceType": "SupplyDelivery", "suppliedItem": {"quantity": {"value": quantity}}}, text)
    assert [str(usage.quantity) for usage in found.documents] == [value]


@pytest.mark.parametrize("quantity", [Decimal("1E+999999999"), Decimal("1E-999999999"), 10**50])
def test_a_number_that_would_fill_the_memory_is_held(quantity: Decimal | int) -> None:
    path = "suppliedItem.quantity.value"
    text = f"each: SupplyDelivery\nfields:\n  quantity: {{path: {path}, type: decimal, required: true}}\n"
    found = mapped({"resourceType": "SupplyDelivery", "suppliedItem": {"quantity": {"value": quantity}}}, text)
    assert troubles(found) == [("SupplyDelivery", "path-failed", "quantity")]


def test_several_values_are_a_question_and_one_that_is_chosen_is_not() -> None:
    text = "each: ChargeItem\nfields:\n  item: {{path: {}, optional: true}}\n"
    charge = {"resourceType": "ChargeItem", "id": "c", "code": {"coding": [{"code": "A"}, {"code": "B"}]}}
    assert troubles(mapped(charge, text.format("code.coding.code"))) == [("ChargeItem", "path-failed", "item")]
    assert mapped(charge, text.format("code.coding.code.first()")).documents[0].item == "A"
    same = changed(charge, code={"coding": [{"code": "A"}, {"code": " A "}]})
    assert mapped(same, text.format("code.coding.code")).documents[0].item == "A"


def test_a_device_that_is_named_twice_by_one_procedure_is_a_question() -> None:
    found = mapped(bundle(DEVICE, changed(PROCEDURE, focalDevice=[PROCEDURE["focalDevice"][0]] * 2)))
    assert found.places == ["Bundle.entry[1].resource.focalDevice[0]"]
    assert troubles(found) == [("Bundle.entry[1].resource.focalDevice[1]", "conflict", "line")]


def test_a_line_that_can_not_be_told_from_others_is_held() -> None:
    text = (
        "each: ChargeItem.product.where(reference.upper() = 'X')\nfields:\n  item: {path: reference, optional: true}\n"
    )
    found = mapped({"resourceType": "ChargeItem", "product": [{"reference": ["x", "y"]}]}, text)
    assert [each[1:] for each in troubles(found)] == [("path-failed", "")]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"resourceType": 5},
        {"resourceType": "Patient", "id": "p"},
        {"resourceType": "Procedure"},
        {"resourceType": "Procedure", "focalDevice": None},
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "entry": {"resource": PROCEDURE}},
        {
            "resourceType": "Bundle",
            "entry": [None, 5, {}, {"resource": []}, {"request": {"method": "DELETE", "url": "Device/1"}}],
        },
        {
            "resourceType": "Bundle",
            "entry": [{"resource": {"resourceType": "Bundle", "entry": [{"resource": PROCEDURE}]}}],
        },
    ],
)
def test_a_message_without_such_resources_has_no_lines(message: dict[str, Any]) -> None:
    found = mapped(message)
    assert (found.documents, found.filtered, found.exceptions) == ([], [], [])


def test_wild_elements_are_exceptions_and_no_faults() -> None:
    wild: list[Any] = [
        None,
        5,
        "x",
        [],
        {},
        {"manipulated": {"reference": {"a": 1}}},
        {"action": {"coding": [None, {"code": []}]}},
    ]
    found = mapped(changed(PROCEDURE, focalDevice=wild, encounter=5))
    assert len(found.filtered) + len({each.place for each in found.exceptions}) == len(wild) - 1


def findings(text: str) -> list[str]:
    with pytest.raises(WorkspaceError) as caught:
        compile_mapping(mapping(text), TABLES)
    return [str(each).split(":", 1)[1] for each in caught.value.findings]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("lotNumber.frist()", "8:25 error bad-path FHIRPath has no function frist(). Did you mean 'first'?"),
        ('"%devise.lotNumber"', "8:16 error bad-path there is no variable %devise; there is %context, "),
        ("Procedure.status", "8:15 error bad-path the path is asked of a line, which is a Procedure.focalDevice:"),
        ("udi.lott", "8:19 error bad-path a UDI has no piece lott; it has "),
        ("note.where(text = 'x'", "8:36 error bad-path a ) is missing for the ( at column 11"),
        ("today()", "8:15 error bad-path today() changes with the clock"),
    ],
)
def test_a_bad_path_is_told_at_its_column(path: str, expected: str) -> None:
    line = f"lot: {{path: {path}, optional: true}}"
    text = f"{HEAD}each: Procedure.focalDevice\nbind: {{device: manipulated.resolve()}}\nfields:\n  {line}\n"
    udi = '  udi: {path: "%device.x", type: udi, optional: true}\n'
    (found,) = findings(text + udi)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (("version: R4}", "version: R5}"), None),
        (("each: Procedure.f", "each: f"), "5:7 error bad-path each begins with a resource's type"),
        (("each: Procedure.f", "each: Procedure..f"), "5:17 error bad-path here stands the name"),
        (("fields:", "grouped_by: id\nfields:"), "6:13 error bad-path grouped_by is for HL7 v2"),
        (("makes: Usage", "makes: items"), "3:8 error bad-value items can't be made from FHIR yet"),
    ],
)
def test_a_mistake_above_the_fields_is_told(head: tuple[str, str], expected: str | None) -> None:
    text = f"{HEAD}each: Procedure.focalDevice\nfields:\n  lot: {{path: id, optional: true}}\n".replace(*head)
    if expected is None:
        assert compile_mapping(mapping(text), TABLES).format == "fhir"
    else:
        assert findings(text)[0].startswith(expected)


MISTYPED = """\
each: Procedure.focalDevise
bind: {device: manipulated.resolve(), what: "%resource.used"}
fields:
  lot: {path: "%device.lotNumbre", optional: true}
  case: {path: "%resource.encounter.refrence", optional: true, token: case}
  line: {join: ["%resource.id", "%what.concept.codng.code"]}
"""


def test_an_element_that_fhir_does_not_have_is_told_at_its_column_with_what_was_meant() -> None:
    found = findings(HEAD + MISTYPED.replace("]}", "], optional: true}"))
    assert found == [
        "5:17 error bad-path FHIR has no 'focalDevise' in Procedure. Did you mean 'focalDevice'?",
        "9:37 error bad-path FHIR has no 'refrence' in Reference. Did you mean 'reference'?",
        "10:48 error bad-path FHIR has no 'codng' in CodeableConcept. Did you mean 'coding'?",
    ]


def test_a_path_that_is_not_compiled_is_warned_of_at_its_place() -> None:
    text = f"{HEAD}each: Procedure.focalDevice\nfields:\n  lot: {{path: \"id.matches('x')\", optional: true}}\n"
    (warning,) = interpreted_paths(mapping(text))
    assert str(warning).startswith(
        "mappings/m.yaml:7:19 warning interpreted-path matches() is not compiled: a library "
    )
    assert list(interpreted_paths(mapping(HEAD + IMPLANTS))) == []
    procedure = changed(PROCEDURE, focalDevice=[{"id": "ax"}])
    with_library = text.replace("matches('x')", "replaceMatches('x', 'y')")
    assert compile_mapping(mapping(with_library), {}).run(procedure, context()).documents[0].lot == "ay"
