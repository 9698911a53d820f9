"""FHIRPath: what compiled paths give, what is wrong in a path, and what is left to the library."""

from __future__ import annotations

import contextlib
import copy
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from casecart.formats.fhir.path import FhirPathError, PathFailed, Scope, compile_path, element_of
from unit.formats.fhir.resources import PROCEDURE, contained

if TYPE_CHECKING:
    from casecart.formats.fhir.path.value import Json

TWO = {"valueString": "a", "valueBoolean": True}
"""What FHIR doesn't allow: who wants one value must not get either."""
SCOPE = Scope(
    PROCEDURE, PROCEDURE, PROCEDURE, {"device": PROCEDURE["contained"][0], "none": None, "two": TWO}, contained
)


def asked(text: str, this: Json = PROCEDURE, scope: Scope = SCOPE) -> list[Any]:
    path = compile_path(text, variables=("device", "none", "two"))
    assert path.compiled, path.interpreted
    return path(this, scope)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        # Navigation: through lists, past what isn't there, and only from the type that the path names.
        ("Procedure.status", ["completed"]),
        ("Device.status", []),
        ("focalDevice.action.coding.code", ["implanted", "explanted"]),
        ("focalDevice[1].action.coding.code", ["explanted"]),
        ("focalDevice[7]", []),
        ("status.coding.code", []),
        ("`status`", ["completed"]),
        ("%resource.id & '/' & missing & $this.status", ["p1/completed"]),
        ("%device.lotNumber", ["L1"]),
        ("%none.lotNumber", []),
        # A choice of types, with the type in JSON's key.
        ("performed.start", ["2026-11-01T08:00:00-06:00"]),
        ("performed.ofType(Period).end", ["2026-11-01T09:30:00-06:00"]),
        ("performed.ofType(dateTime)", []),
        ("(performed as Period).start", ["2026-11-01T08:00:00-06:00"]),
        ("performed.as(FHIR.Period).start", ["2026-11-01T08:00:00-06:00"]),
        ("extension('http://example.org/weight').value.value", [Decimal("2.50"), Decimal("3.10")]),
        ("extension('http://example.org/count').value.ofType(integer)", [3]),
        ("extension('http://example.org/count').value.ofType(Quantity)", []),
        ("%two.value", ["a", True]),
        ("status.extension('http://example.org/why').value", ["signed"]),
        # Choosing.
        ("focalDevice.where(action.coding.code = 'implanted').manipulated.reference", ["#d1"]),
        ("focalDevice.where(action.empty()).manipulated.reference", ["Device/elsewhere"]),
        ("code.coding.where(system.exists()).code", ["52734007"]),
        ("note.text.first()", ["first"]),
        ("note.text.last()", ["first"]),
        ("note.text.tail()", ["second", "first"]),
        ("note.text.skip(1).take(1)", ["second"]),
        ("note.text.distinct()", ["first", "second"]),
        ("note.text | 'third' | 'first'", ["first", "second", "third"]),
        ("note.select(text & '!')", ["first!", "second!", "first!"]),
        ("id.single()", ["p1"]),
        ("iif(status = 'entered-in-error', 'reverse', 'use')", ["use"]),
        ("iif(status = 'preparation', 'none')", []),
        ("note.count()", [3]),
        # References: within the resource that holds them, also from one resource to the next.
        ("focalDevice.manipulated.resolve().lotNumber", ["L1", "L2"]),
        ("focalDevice.where(manipulated.resolve() is Device).manipulated.reference", ["#d1", "#d2"]),
        ("contained.ofType(Device).lotNumber", ["L1", "L2"]),
        # Conditions; what isn't there is neither true nor false.
        ("status in ('completed' | 'in-progress')", [True]),
        ("note.text contains 'third'", [False]),
        ("missing = 'x'", []),
        ("missing = 'x' or status = 'completed'", [True]),
        ("missing = 'x' and status = 'completed'", []),
        ("(missing = 'x').not()", []),
        ("missing.exists() xor note.exists()", [True]),
        ("missing.exists() implies missing = 'x'", [True]),
        ("focalDevice.exists(action.coding.code = 'explanted')", [True]),
        ("note.all(text.exists())", [True]),
        ("status != 'completed'", [False]),
        ("extension('http://example.org/sterile').where(value).exists()", [False]),
        ("extension('http://example.org/count').value > 2.5", [True]),
        ("performed.start < performed.end", [True]),
        # Equality is of all items, in their order; a Boolean is no number.
        ("note.text = note.text", [True]),
        ("note.text = code.coding.code", [False]),
        ("1 = 1.0", [True]),
        ("1 = true", [False]),
        ("'1' = 1", [False]),
        # Text.
        ("status.substring(0, 4).upper()", ["COMP"]),
        ("status.substring(99)", []),
        ("status.startsWith('comp') and status.endsWith('ted') and status.contains('let')", [True]),
        ("'Device/17'.replace('Device/', '')", ["17"]),
        ("'Device/17'.split('/').last()", ["17"]),
        ("note.text.join('+')", ["first+second+first"]),
        ("' x '.trim().length()", [1]),
        (r"'it\'s \u0041'", ["it's A"]),
        ("missing.upper()", []),
        ("'KDAxKTEyHTIx'.decode('base64')", ["(01)12\x1d21"]),
        ("'28C4E929'.decode('hex')", ["(Äé)"]),
        ("missing.decode('base64')", []),
        ("/* no value */ {} // at all", []),
        ("-1.50", [Decimal("-1.50")]),
    ],
)
def test_a_compiled_path_gives(text: str, values: list[Any]) -> None:
    found = asked(text)
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


def test_a_contained_reference_is_looked_for_in_the_resource_that_it_stands_in() -> None:
    owner = {"reference": "#o1"}
    other = {
        "resourceType": "Device",
        "owner": owner,
        "contained": [{"resourceType": "Organization", "id": "o1", "name": "Other"}],
    }
    bundle = {"resourceType": "Bundle", "entry": [{"resource": PROCEDURE}, {"resource": other}]}
    scope = Scope(bundle, bundle, bundle, {"device": other}, contained)
    assert asked("Bundle.entry.resource.ofType(Device).owner.resolve().name", bundle, scope) == ["Other"]
    assert asked("Bundle.entry.resource.where($this is Device).owner.resolve().name", bundle, scope) == ["Other"]
    assert asked("%device.owner.resolve().name", bundle, scope) == ["Other"]


@pytest.mark.parametrize(
    "text",
    [
        "note.text.upper()",
        "note.text in 'first'",
        "note.single()",
        "note and true",
        "status > 1",
        "note.join('/')",
        "id.length() & 'x'",
        "note is Device",
        "status.decode('base64')",
    ],
)
def test_a_path_without_an_answer_says_so_and_repeats_nothing_of_the_resource(text: str) -> None:
    with pytest.raises(PathFailed) as failed:
        asked(text)
    assert not {"first", "second", "completed", "p1"} & set(str(failed.value).replace(",", " ").split())


@pytest.mark.parametrize(
    "wild",
    [
        None, [], {}, "text", 5, True, Decimal("0.1"), [None], [[]], [{"coding": [None, 5, "x", {"code": None}]}],
        {"action": "x"}, {"action": {"coding": {"code": ["implanted", None]}}}, {"manipulated": {"reference": {}}},
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "text",
    [
        "focalDevice.where(action.coding.code = 'implanted').manipulated.resolve().lotNumber",
        "focalDevice.action.coding.code.first() in ('implanted' | 'x')",
        "focalDevice.extension('u').value | focalDevice.count()",
        "focalDevice.select(action.value).exists() and focalDevice.all(action.exists())",
    ],
)
def test_a_resource_of_any_shape_is_walked_through(text: str, wild: Json) -> None:
    this = {"resourceType": "Procedure", "focalDevice": wild}
    path = compile_path(text)
    before = copy.deepcopy(this)
    with contextlib.suppress(PathFailed):
        path(this, Scope(this, this, this, {}, contained))
    assert this == before


@pytest.mark.parametrize(
    ("text", "column", "code", "suggestion"),
    [
        ("", 1, "path-empty", None),
        ("status.", 8, "path-end", None),
        ("a..b", 3, "path-name", None),
        ("note.wher(text = 'x')", 6, "path-function", "where"),
        ("note.where(text = 'x'", 22, "path-bracket", None),
        ("note.where(text = 'x)", 19, "path-quote", None),
        ('note.where(text = "x")', 19, "path-quote", None),
        ("note.first(1)", 6, "path-arguments", None),
        ("note[]", 6, "path-index", None),
        ("note text", 6, "path-trailing", None),
        ("note # text", 6, "path-character", None),
        ("%devise.lotNumber", 1, "path-variable", "%device"),
        ("performed.ofType(Perod)", 11, "path-type", "Period"),
        ("contained is Devise", 11, "path-type", "Device"),
        ("$thi.status", 1, "path-name", "$this"),
        (r"'\x'", 2, "path-escape", None),
        ("performed < now()", 13, "path-function", None),
        ("note.trace('n')", 6, "path-function", None),
        ("note.skip(99999999999999999999)", 11, "path-number", None),
        ("(" * 50 + "a" + ")" * 50, 41, "path-depth", None),
        ("a" + ".a" * 200, 301, "path-length", None),
        ("a" * 2001, 1, "path-length", None),
    ],
)
def test_a_mistake_has_its_column_and_what_was_meant(text: str, column: int, code: str, suggestion: str | None) -> None:
    with pytest.raises(FhirPathError) as wrong:
        compile_path(text, variables=("device",))
    assert (wrong.value.column, wrong.value.code, wrong.value.suggestion) == (column, code, suggestion)


@pytest.mark.parametrize(
    ("text", "what", "column", "values"),
    [
        ("focalDevice.descendants().code.count()", "descendants()", 13, [2]),
        ("id.matches('^p[0-9]$')", "matches()", 4, [True]),
        ("note.count() + 1", "arithmetic (+)", 14, [4]),
        ("performed.start > @2026-10-01T00:00:00Z", "the date or time @2026-10-01T00:00:00Z", 19, [True]),
        ("'ABC' ~ 'abc'", "the operator ~", 7, [True]),
        ("status is code", "a type test of code", 8, [True]),
        ("%resource.status.matches('completed')", "matches()", 18, [True]),
        ("%device.lotNumber.matches('L.')", "matches()", 19, [True]),
        ("focalDevice.manipulated.resolve().lotNumber.aggregate($total & $this, '')", "aggregate()", 45, ["L1L2"]),
        (
            "extension('http://example.org/weight').where(value.value.round(1) = 3.1).value.value",
            "round()",
            58,
            [Decimal("3.10")],
        ),
    ],
)
def test_the_library_evaluates_what_is_not_compiled(text: str, what: str, column: int, values: list[Any]) -> None:
    path = compile_path(text, variables=("device",))
    before = copy.deepcopy(PROCEDURE)
    assert path.interpreted == (what, column)
    assert path(PROCEDURE, SCOPE) == values
    assert before == PROCEDURE


def test_what_the_library_can_not_evaluate_is_told_without_the_resource() -> None:
    path = compile_path("note.text.matches('f')")
    with pytest.raises(PathFailed, match=r"can't be evaluated for this resource \(Exception\)"):
        path(PROCEDURE)


def test_the_library_knows_the_types_of_a_part_by_where_it_stands() -> None:
    line = {"quantity": {"value": 2}, "itemCodeableConcept": {"text": "Mesh"}}
    path = compile_path("item.text.matches('M.*')", base="SupplyDelivery.suppliedItem")
    assert path(line) == [True]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Procedure.focalDevice", ("Procedure", "focalDevice")),
        ("Device", ("Device",)),
        ("a.b.where(c = 1).first().d[0]", ("a", "b", "d")),
        ("a.resolve()", None),
        ("$this", None),
    ],
)
def test_the_element_that_a_path_leads_to_is_told_by_its_names(text: str, names: tuple[str, ...] | None) -> None:
    assert element_of(text) == names
