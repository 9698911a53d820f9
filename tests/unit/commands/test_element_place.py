"""Where a line's element stands in the bytes of a FHIR message, however they are written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.commands.element_place import element_at

BODY = '\ufeff {"resourceType": "P",\n  "a": [{"b": "ü"}, {"b": "]},{"}], "c": {"d": 1},\n "e": "x"}'.encode()


@pytest.mark.parametrize(
    ("place", "written", "line"),
    [
        ("P.a[1]", b'{"b": "]},{"}', 2),
        ("P.a[0].b", '"ü"'.encode(), 2),
        ("P.c[0]", b'{"d": 1}', 2),  # one that does not repeat is its own first
        ("P.e", b'"x"', 3),
    ],
)
def test_an_element_is_found_by_its_place(place: str, written: bytes, line: int) -> None:
    found = element_at(BODY, place)
    assert found is not None
    assert (BODY[found.offset : found.offset + found.length], found.line) == (written, line)


@pytest.mark.parametrize("place", ["P.a[2]", "P.c[1]", "P.nothing", "P.e.f", "P.a[0][0][1]"])
def test_what_is_not_there_is_nowhere(place: str) -> None:
    assert element_at(BODY, place) is None


@settings(deadline=None)  # other tests want the processor too
@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_what_is_no_json_is_nowhere_and_nothing_fails(text: str) -> None:
    assert element_at(text.encode("utf-8", "replace"), "P.a[0].b") is None


@settings(deadline=None)  # other tests want the processor too
@given(st.lists(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5), min_size=1), st.data())
def test_whatever_stands_before_it_the_bytes_are_those_of_the_element(values: list[Any], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(values) - 1))
    body = json.dumps({"resourceType": "P", "a": values}, indent=data.draw(st.sampled_from([None, 2]))).encode()
    found = element_at(body, f"P.a[{number}]")
    assert found is not None
    assert json.loads(body[found.offset : found.offset + found.length]) == values[number]
