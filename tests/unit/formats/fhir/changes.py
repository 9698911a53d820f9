"""Resources that are changed somewhere: what stands at some places is another thing than it was."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st

__all__ = ["changed_somewhere"]

WILD: Final[st.SearchStrategy[Any]] = st.sampled_from(
    [
        None, True, 0, 5, Decimal("2.50"), "", " ", "x", "#d1", "Device/d1", "completed", "entered-in-error", "41",
        [], [None], [[]], ["x"], ["x", "x"], ["x", "y"], [{}], {}, {"a": 1}, {"reference": "#d1"}, {"code": "x"},
    ]
)  # fmt: skip


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:  # noqa: ANN401 - any JSON
    """Every place of a resource: its owner, and the name or number there."""
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        if isinstance(each, dict | list):
            _places(each, found)
    return found


@st.composite
def changed_somewhere(draw: st.DrawFn, resource: dict[str, Any], most: int = 4) -> dict[str, Any]:
    """A copy of a resource that is changed at some places, or at none."""
    new = copy.deepcopy(resource)
    for _ in range(draw(st.integers(0, most))):
        places = _places(new, [])
        if not places:
            break
        owner, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["replace", "remove", "wrap", "double", "unwrap"]))
        value = owner[key]
        if how == "remove":
            del owner[key]
        elif how == "replace":
            owner[key] = copy.deepcopy(draw(WILD))
        elif how == "wrap":
            owner[key] = [value]
        elif how == "double":
            owner[key] = [*value, *copy.deepcopy(value)] if isinstance(value, list) else [value, copy.deepcopy(value)]
        elif isinstance(value, list) and value:
            owner[key] = value[0]
    return new
