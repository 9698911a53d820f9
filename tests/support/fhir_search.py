"""What a search of the FHIR server for tests finds: as much of FHIR's search as the tests ask for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["found"]

_NOT_FILTERS = frozenset({"_count", "_sort", "_format", "_summary"})
_COMPARED: Mapping[str, Callable[[datetime, datetime], bool]] = {
    "ge": lambda have, want: have >= want,
    "gt": lambda have, want: have > want,
    "le": lambda have, want: have <= want,
    "lt": lambda have, want: have < want,
}


def found(resources: Iterable[dict[str, Any]], query: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The resources that match all parameters: `_id`, `_lastUpdated`, and tokens and references at their root.

    In the order of `_sort=_lastUpdated` or `_sort=-_lastUpdated`.
    """
    matching = [
        resource
        for resource in resources
        if all(_matches(resource, name, value) for name, value in query if name not in _NOT_FILTERS)
    ]
    sort = dict(query).get("_sort", "")
    if sort.lstrip("-") == "_lastUpdated":
        matching.sort(key=lambda resource: _moment(resource["meta"]["lastUpdated"]), reverse=sort.startswith("-"))
    return matching


def _matches(resource: Mapping[str, Any], name: str, value: str) -> bool:
    if name == "_id":
        return resource["id"] in value.split(",")
    if name == "_lastUpdated":
        compare = _COMPARED[value[:2]]
        return compare(_moment(resource["meta"]["lastUpdated"]), _moment(value[2:]))
    return bool(set(_words(resource.get(name))) & set(value.split(",")))


def _words(element: object) -> Iterable[str]:
    """What a token or a reference may be searched by."""
    if isinstance(element, str):
        yield element
    elif isinstance(element, list):
        for each in element:
            yield from _words(each)
    elif isinstance(element, dict):
        yield from _words(element.get("coding"))
        if "value" in element or "code" in element:
            code = str(element.get("value") or element.get("code"))
            yield from (code, f"{element.get('system', '')}|{code}")
        if "reference" in element:
            yield element["reference"]


def _moment(text: str) -> datetime:
    # A `+` that nobody encoded arrives as a blank.
    return datetime.fromisoformat(text.replace(" ", "+"))
