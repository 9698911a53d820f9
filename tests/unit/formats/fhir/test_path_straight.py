"""The straight way of a path gives what the general way gives, on resources of any shape."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.fhir.path import PathFailed, Scope, compile_path
from casecart.formats.fhir.path.operate import items
from casecart.formats.fhir.path.straight import Roots, straight
from unit.formats.fhir.changes import changed_somewhere
from unit.formats.fhir.resources import PROCEDURE, contained

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.formats.fhir.path.value import Json

PATHS: Final = (
    "Procedure.focalDevice",
    "Device.status",
    "Procedure.where(status.exists()).code",
    "Procedure.where(subject.empty()).code",
    "status",
    "performed",
    "performed.start",
    "performed.ofType(Period).end",
    "performed.ofType(dateTime)",
    "code.coding.code",
    "code.coding.code.first()",
    "code.coding.first().code",
    "code.coding[0].display",
    "code.coding.last().code.last()",
    "code.coding.code.single()",
    "code.coding.where(system = 'http://snomed.info/sct').code",
    "code.coding.where(system = 'http://snomed.info/sct' and code.exists()).code",
    "code.coding.where((system = 'x' or code.startsWith('5')).not()).code",
    "focalDevice.manipulated.reference",
    "focalDevice.select(manipulated.reference)",
    "extension.value",
    "extension.value.value",
    "note.select(text.first())",
    "note.text.first().decode('hex')",
    "%resource.id.decode('hex')",
    "%context.status.upper()",
    "%resource.status.replace('comp', 'x')",
    "status.trim().contains('let')",
    "status.endsWith('ed')",
    "id.where(startsWith('#').not()).split('/').first().split('p').last()",
    "id.where($this = 'p1' or %resource.status = 'completed')",
    "id.where(exists() and ($this in ('p1' | 'p2')).not())",
    "status = 'completed'",
    "status in ('completed' | 'entered-in-error')",
    "iif(status in ('completed' | 'x'), {}, 'planned')",
    "iif(status = 'completed', id)",
    "iif((status | %resource.id) contains 'p1', 'found', code.coding.code)",
    "iif(((status | id) contains 'p1').not(), 'other', code.text)",
    "(code.coding.code | id.split('/').last()).first()",
    "(status | code.coding.code).first()",
    "status & '/' & id",
    "where(id = 'p1').status",
    "where(id & status = 'p1completed').status",
    "$this",
    "focalDevice.where(action.exists() and %resource.code.text & 'x' = 'x').manipulated",
)


def answer(ask: Callable[[], Json]) -> object:
    """The items that it gives, or why it gives none."""
    try:
        return list(items(ask()))
    except PathFailed as failed:
        return str(failed)


@pytest.mark.parametrize("text", PATHS)
def test_the_path_has_a_straight_way(text: str) -> None:
    tree = compile_path(text).tree
    assert tree is not None
    assert straight(tree, Roots("this", "this", "resource")) is not None


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_the_straight_way_gives_what_the_general_way_gives(data: st.DataObject) -> None:
    resource = data.draw(changed_somewhere(PROCEDURE))
    before = copy.deepcopy(resource)
    scope = Scope(resource, resource, resource, {}, contained)
    for text in PATHS:
        path = compile_path(text)
        assert path.function is not path.general
        ours, theirs = (answer(lambda way=way: way(resource, scope)) for way in (path.function, path.general))  # type: ignore[misc]  # a default binds it
        assert (text, ours) == (text, theirs)
    assert resource == before


@pytest.mark.parametrize("this", [None, 5, "x", "", [], {}, [{}], [[]], True, Decimal(1)])
@pytest.mark.parametrize("text", PATHS)
def test_what_is_no_resource_is_answered_alike(text: str, this: Any) -> None:  # noqa: ANN401 - what JSON has
    path, scope = compile_path(text), Scope(this, this, this, {}, contained)
    assert answer(lambda: path.function(this, scope)) == answer(lambda: path.general(this, scope))
