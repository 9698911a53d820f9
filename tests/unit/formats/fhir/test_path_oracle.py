"""Compiled paths beside fhirpathpy: the same answers, on the official examples and on made-up resources.

Where they differ, we are by the letter of FHIRPath, and the library is not (2.2.4). The reasons have names:

- ``extension-beside``: an extension beside a primitive value (`_status`) is a second item there, so that `count()`, `=`
  and `exists()` see it; here only `extension()` sees it. Of paths without an extension we keep it from the library.
- ``all-items``: `=` looks at the first items only there.
- ``boolean-number``: `1 = true` is true there.
- ``false-condition``: `where(x)` takes an x that is the Boolean false there.
- ``one-extension``: `extension(url)` gives one extension of an element there; not where we call the library.
- ``literal-union``: equal items are not found there when one is an element and one stands in the path.
- ``two-types``: of an element with a choice of types that has two of them, which FHIR forbids, it takes one.
- ``decode``: `decode()` fails for elements there.
- ``precedence``: `a | b is T` is `(a | b) is T` there.
- ``value-by-name``: elements with a choice of types are known here by their name, not by the whole path; of R4's Device
  `property.value` finds `valueQuantity`, which is an element of its own.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casecart.formats.fhir.path import PathFailed, compile_path

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.formats.fhir.path import FhirPath
    from casecart.formats.fhir.path.value import Json

FOLDERS: Final = {"R4": "hl7.fhir.r4.examples-4.0.1", "R5": "hl7.fhir.r5.examples-5.0.0"}

PATHS: Final = {
    "Procedure": """
        Procedure.status
        id | status
        performed
        performed as Period
        occurrence.ofType(dateTime)
        code.coding.where(system = 'http://snomed.info/sct').code.first()
        code.coding[0].display
        focalDevice.where(action.coding.code = 'implanted').manipulated.reference
        status in ('completed' | 'in-progress')
        status = 'completed' and code.exists()
        subject.reference.split('/').last()
        performer.actor.reference.where($this.startsWith('Practitioner/'))
        iif(status = 'completed', 'use', 'other')
    """,
    "Device": """
        udiCarrier.carrierHRF
        udiCarrier.first().deviceIdentifier
        identifier.where(system.exists()).value
        modifierExtension.exists() or status = 'active'
        manufacturer & ' ' & lotNumber
    """,
    "SupplyDelivery": """
        SupplyDelivery.suppliedItem.quantity.value
        suppliedItem.item.coding.code
        suppliedItem.item.reference
        occurrence.ofType(dateTime)
        status.not()
    """,
    "ChargeItem": """
        quantity.value > 0
        factorOverride < 1
        occurrence.start.substring(0, 10)
        context.reference.replace('Encounter/', '')
    """,
    "InventoryReport": """
        inventoryListing.item.quantity.value
        inventoryListing.item.item.reference.reference
    """,
    "Patient": """
        name.given.join(' ')
        name.where(use = 'official').given.first()
        deceased.ofType(boolean)
        telecom.where(system = 'phone' and use = 'work').value
        telecom.select(system & ':' & value)
        telecom.skip(1).take(2).value
        telecom.all(system.exists())
        birthDate.extension('http://hl7.org/fhir/StructureDefinition/patient-birthTime').value
        active implies gender.exists()
        name.given.distinct().count()
        name.family.upper()
    """,
    "Bundle": """
        Bundle.entry.resource.ofType(Patient).id
        entry.resource.where($this is Patient).id
        entry.resource.status
        entry.fullUrl.first()
    """,
}


def answer(path: FhirPath, resource: Json) -> object:
    """What a path gives, or that it gives nothing."""
    try:
        return path(resource)
    except PathFailed:
        return "failed"


@pytest.mark.parametrize("version", FOLDERS)
@pytest.mark.parametrize("kind", PATHS)
def test_official_examples_are_read_as_the_library_reads_them(corpus: Path, version: str, kind: str) -> None:
    decode = msgspec.json.Decoder(float_hook=Decimal).decode
    files = sorted((corpus / "fhir" / FOLDERS[version]).glob(f"{kind}-*.json"))[:12]
    resources = {file.name: decode(file.read_bytes()) for file in files}
    for text in filter(None, map(str.strip, PATHS[kind].split("\n"))):
        ours, theirs = (compile_path(text, version=version, compiled=compiled) for compiled in (True, False))
        assert ours.compiled
        for name, resource in resources.items():
            assert (name, text, answer(ours, resource)) == (name, text, answer(theirs, resource))


CODES: Final = st.sampled_from(["implanted", "explanted", "", "x", "#d"])
NUMBERS: Final = st.integers(-3, 3) | st.decimals(-3, 3, places=1)
CODING: Final = st.fixed_dictionaries({}, optional={"code": CODES, "system": CODES, "userSelected": st.booleans()})
QUANTITY: Final = st.fixed_dictionaries({}, optional={"value": NUMBERS})
RESOURCE: Final = st.fixed_dictionaries(
    {"resourceType": st.just("Procedure")},
    optional={
        "status": CODES,
        "performedDateTime": CODES,
        "code": st.fixed_dictionaries({}, optional={"coding": st.lists(CODING, max_size=3), "text": CODES}),
        "note": st.lists(st.fixed_dictionaries({}, optional={"text": CODES}), max_size=3),
        "extension": st.lists(
            st.sampled_from(["valueString", "valueQuantity", "id"]).flatmap(
                lambda name: st.fixed_dictionaries(
                    {"url": st.just("u"), name: QUANTITY if name == "valueQuantity" else CODES}
                )
            ),
            max_size=1,
        ),
    },
)
LISTS: Final = st.sampled_from(
    [
        "status", "performed", "code.coding.code", "code.coding.system", "note.text", "code.text",
        "extension('u').value.value", "extension.value.ofType(string)", "missing", "Procedure.status",
        "note.text | status", "performed.ofType(dateTime)",
    ]
)  # fmt: skip
TAILS: Final = st.sampled_from(
    ["", ".first()", ".last()", ".tail()", "[0]", "[1]", ".skip(1)", ".take(2)", ".distinct()"]
)
ONE: Final = st.builds("{}.{}".format, LISTS, st.sampled_from(["first()", "last()", "skip(1).first()"])).map(
    lambda text: f"({text})" if "|" not in text else f"({text.replace(' | ', '.first() | ')}).first()"
)
CONDITION: Final = st.recursive(
    st.builds("{} {} '{}'".format, ONE, st.sampled_from(["=", "!="]), st.sampled_from(["implanted", "x"]))
    | st.builds("({}).{}".format, LISTS, st.sampled_from(["exists()", "empty()"]))
    | st.builds("{} in ({})".format, ONE, LISTS)
    | st.builds("(({}).count() {} 1)".format, LISTS, st.sampled_from(["<", ">", "<=", ">=", "="])),
    lambda inner: (
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["and", "or", "xor", "implies"]), inner)
        | st.builds("({}).not()".format, inner)
    ),
    max_leaves=4,
)
PATH: Final = (
    st.builds("({}){}".format, LISTS, TAILS)
    | CONDITION
    | st.builds("code.coding.where({}).code".format, CONDITION)
    | st.builds("note.select(iif({}, text, 'no'))".format, CONDITION)
    | st.builds("code.coding.all({})".format, CONDITION)
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=PATH, resources=st.lists(RESOURCE, min_size=1, max_size=4))
def test_made_up_paths_give_what_the_library_gives(text: str, resources: list[dict[str, Any]]) -> None:
    ours, theirs = compile_path(text), compile_path(text, compiled=False)
    assert ours.compiled
    for resource in resources:
        assert (text, answer(ours, resource)) == (text, answer(theirs, resource))


@pytest.mark.parametrize(
    ("reason", "text", "resource", "ours", "theirs"),
    [
        (
            "extension-beside",
            "extension.count() | status.count()",
            {"status": "x", "_status": {"extension": [{"url": "u"}]}},
            [0, 1],
            [0, 2],
        ),
        ("all-items", "a.b = c.b", {"a": [{"b": 1}, {"b": 2}], "c": [{"b": 1}, {"b": 3}]}, [False], [True]),
        ("boolean-number", "a = 1", {"a": True}, [False], [True]),
        ("false-condition", "a.where(b).count()", {"a": [{"b": False}]}, [0], [1]),
        ("literal-union", "(a | 'x').count()", {"a": "x"}, [1], [2]),
        ("two-types", "extension.value", {"extension": [{"valueString": "b", "valueCode": "a"}]}, ["b", "a"], ["a"]),
        ("decode", "a.decode('hex')", {"a": "41"}, ["A"], "failed"),
        ("value-by-name", "property.value.value", {"property": [{"valueQuantity": [{"value": 5}]}]}, [5], []),
    ],
)
def test_a_difference_has_a_reason(
    reason: str, text: str, resource: dict[str, Any], ours: object, theirs: object
) -> None:
    found = {"resourceType": "Device", **resource}
    assert (reason, answer(compile_path(text), found)) == (reason, ours)
    assert (reason, answer(compile_path(text, compiled=False), found)) == (reason, theirs)
