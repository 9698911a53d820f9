"""A line refers to something that the message doesn't have: when it is held, what is told of it, and when not."""

from __future__ import annotations

from typing import Any, Final

import pytest

from casecart.formats.fhir.path import leads_on
from casecart.mapping import compile_mapping
from unit.mapping.declarations import context, mapping
from unit.mapping.test_fhir_mapping import DEVICE, HEAD, IMPLANTS, PROCEDURE, TABLES, bundle, changed, mapped, troubles

LINE: Final = {"action": {"coding": [{"code": "implanted"}]}}
GONE: Final = "reference-not-found"
BACK: Final = "takes_back: \"status in ('completed' | 'entered-in-error' | 'not-done')\""


def of(reference: object, **members: Any) -> dict[str, Any]:  # noqa: ANN401 - what JSON has
    """A procedure that implanted what a reference leads to."""
    return changed(PROCEDURE, focalDevice=[LINE | {"manipulated": reference}], **members)


def outcome(message: dict[str, Any], text: str = IMPLANTS) -> list[str]:
    """Of each line its action, `filtered`, or the code of its problem."""
    found = mapped(message, text)
    actions = [usage.action for usage in found.documents]
    return actions + ["filtered" for _ in found.filtered] + [problem.code for problem in found.exceptions]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"reference": "Device/d9"}, [GONE]),
        ({"reference": "#d9"}, [GONE]),
        ({"reference": "http://elsewhere.example.org/Device/d1"}, [GONE]),
        ({"reference": "urn:uuid:4f0c4d8e-0000-4000-8000-000000000009"}, [GONE]),
        ({"reference": "Device?identifier=x"}, [GONE]),
        ({"reference": "Device/d9", "identifier": {"value": "SN-1"}}, [GONE]),
        ({"reference": "Device/d1"}, ["use"]),
        # What leads nowhere by its own word is not what is missing; what else such a one tells may be read.
        ({"identifier": {"value": "SN-1"}}, ["use"]),
        ({"display": "A stem"}, ["use"]),
        ({"reference": " ", "display": "A stem"}, ["use"]),
        ({"reference": None, "type": "Device"}, ["use"]),
        ({"reference": ["Device/d9"]}, ["use"]),
    ],
)
def test_a_line_whose_literal_reference_leads_to_nothing_is_held(
    reference: dict[str, Any], expected: list[str]
) -> None:
    text = IMPLANTS.replace("path: \"%resource.id & '/' & manipulated.reference\"", 'path: "%resource.id"')
    assert outcome(bundle(DEVICE, of(reference)), text) == expected


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ({"reference": "Device/Jane-Doe"}, "the Device that manipulated.resolve() leads to"),
        ({"reference": "https://jane.example/Device/Doe/_history/2"}, "the Device that"),
        ({"reference": "urn:uuid:4f0c4d8e-0000-4000-8000-000000000009", "type": "Device"}, "the Device that"),
        ({"reference": "#Jane-Doe"}, "what manipulated.resolve() leads to"),
        ({"reference": "JaneDoe/1"}, "what manipulated.resolve()"),
        ({"reference": "#1", "type": "JaneDoe"}, "what manipulated.resolve()"),
        ({"reference": "Device?name=Jane Doe"}, "what manipulated.resolve()"),
    ],
)
def test_the_person_hears_of_the_type_and_what_to_do_and_never_what_the_reference_says(
    reference: dict[str, Any], named: str
) -> None:
    (problem,) = mapped(of(reference)).exceptions
    assert (problem.place, problem.code, problem.path) == ("Procedure.focalDevice[0]", GONE, "manipulated.resolve()")
    assert problem.words.startswith(f"bind device: {named}")
    assert all(each in problem.words for each in ("into the bundle", "include", "replay the notification"))
    assert not any(each in problem.words.lower() for each in ("jane", "doe", "urn:uuid"))


def test_a_hundred_lines_have_one_cause() -> None:
    lines = [LINE | {"manipulated": {"reference": f"Device/x{number}"}} for number in range(100)]
    found = mapped(changed(PROCEDURE, focalDevice=lines))
    assert len(found.exceptions) == len({problem.place for problem in found.exceptions}) == len(lines)
    assert len({problem.words for problem in found.exceptions}) == 1


@pytest.mark.parametrize(
    ("status", "takes_back", "says", "expected"),
    [
        ("completed", True, "state", [GONE]),
        ("in-progress", True, "state", ["filtered"]),
        ("not-done", True, "state", ["filtered"]),
        # Its resource names all that is used: this line is no more, and what was posted of it is known.
        ("entered-in-error", True, "state", ["filtered"]),
        # Nothing else takes it back: it says so by itself.
        ("entered-in-error", False, "state", ["reverse"]),
        ("completed", False, "state", [GONE]),
        # A credit is found by the thing that it names.
        ("entered-in-error", False, "transactions", [GONE]),
    ],
)
def test_what_is_taken_back_needs_no_device(status: str, says: str, expected: list[str], *, takes_back: bool) -> None:
    text = f"{HEAD.replace('state', says)}{BACK if takes_back else ''}{IMPLANTS}"
    found = compile_mapping(mapping(text), TABLES).run(of({"reference": "Device/d9"}, status=status), context())
    actions = [usage.action for usage in found.documents]
    assert actions + ["filtered" for _ in found.filtered] + [each.code for each in found.exceptions] == expected
    assert [version.whole for version in found.versions] == ([status != "in-progress"] if takes_back else [])


@pytest.mark.parametrize(
    ("takes_back", "members"),
    [("status = 'completed'", {}), ("true", {"id": None}), ("(status | id).single() = 'x'", {})],
)
def test_a_line_that_takes_back_is_held_where_its_resource_does_not_name_all_lines(
    takes_back: str, members: dict[str, Any]
) -> None:
    procedure = of({"reference": "Device/d9"}, status="entered-in-error", **members)
    assert outcome(procedure, f'takes_back: "{takes_back}"{IMPLANTS}') == [GONE]


KIND: Final = """
each: Procedure.focalDevice
where: "ehr_item == 'implant'"
bind: {device: manipulated.resolve()}
fields:
  line: {path: id, optional: true}
  ehr_item: {path: "%device.type.text", FOUND}
"""


@pytest.mark.parametrize("found", ["optional: true", "required: true", "default: other"])
def test_a_condition_on_what_is_not_there_leaves_nothing_out(found: str) -> None:
    text = KIND.replace("FOUND", found)
    assert outcome(of({"reference": "Device/d1"}), text) == [GONE]
    there = [changed(DEVICE, type={"text": kind}) for kind in ("implant", "tool")]
    found_there = [mapped(bundle(each, of({"reference": "Device/d1"})), text) for each in there]
    assert [(len(each.documents), len(each.filtered)) for each in found_there] == [(1, 0), (0, 1)]


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        ("manipulated.resolve()", [GONE]),
        ("(manipulated.resolve())", [GONE]),
        ("manipulated.resolve().ofType(Device).first()", [GONE]),
        ("manipulated.resolve().parent.resolve()", [GONE]),
        ("manipulated.reference.resolve()", [GONE]),
        ("manipulated.where(reference.matches('.*')).resolve()", [GONE]),  # by the library
        # Who goes on, or has something else to fall back on, reads what there is.
        ("manipulated.resolve().lotNumber", ["use"]),
        ("manipulated.resolve() | %resource.location", ["use"]),
    ],
)
def test_only_a_bind_that_is_what_a_reference_leads_to_holds_a_line(bind: str, expected: list[str]) -> None:
    text = IMPLANTS.replace("manipulated.resolve()", f'"{bind}"')
    assert outcome(of({"reference": "Device/d9"}), text) == expected


def test_a_path_of_a_field_that_leads_to_nothing_holds_nothing() -> None:
    text = f"{IMPLANTS}  department: {{path: '%resource.location.resolve().name', optional: true}}\n"
    procedure = of({"reference": "Device/d1"}, location={"reference": "Location/9"})
    assert outcome(bundle(DEVICE, procedure), text) == ["use"]


CHARGE: Final = """
each: ChargeItem
bind: {device: product.reference.resolve()}
fields:
  lot: {path: "%device.lotNumber.first()", optional: true}
"""


def test_one_of_several_references_that_leads_to_nothing_is_enough() -> None:
    product = [{"reference": {"reference": f"Device/{name}"}} for name in ("d1", "d9")]
    charge = {"resourceType": "ChargeItem", "id": "c1", "product": product}
    assert outcome(bundle(DEVICE, charge), CHARGE) == [GONE]
    coded = charge | {"product": [{"concept": {"text": "a stem"}}, product[0]]}
    assert [usage.lot for usage in mapped(bundle(DEVICE, coded), CHARGE).documents] == ["L1"]


def test_what_is_wrong_with_the_line_as_well_is_told_when_the_device_is_there() -> None:
    procedure = of({"reference": "Device/d1"}, encounter=None)
    assert troubles(mapped(procedure)) == [("Procedure.focalDevice[0]", GONE, "")]
    assert [code for _, code, _ in troubles(mapped(bundle(DEVICE, procedure)))] == ["missing"]


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("resolve()", True),
        ("item.ofType(Reference).resolve()", True),
        ("a.resolve()[0]", True),
        ("a.resolve().where(status = 'active')", True),
        ("a.resolve() as Device", True),
        ("a.resolve() is Device", False),
        ("a.resolve().is(Device)", False),
        ("a.resolve().exists()", False),
        ("a.resolve().id", False),
        ("a", False),
        ("{}", False),
    ],
)
def test_a_path_leads_on_if_it_ends_in_what_references_lead_to(path: str, *, leads: bool) -> None:
    assert leads_on(path) is leads
