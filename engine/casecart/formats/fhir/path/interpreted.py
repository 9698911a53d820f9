"""Paths that we don't compile, evaluated by fhirpathpy: the whole of FHIRPath, some hundred times slower.

The library keeps state in its modules (the model of a type test is the one of the last path that had one) and changes
what it is given; so the model is set before each path, and it gets a copy. An extension beside a primitive value
(`_status`) is a second item to it, so that a path that asks for no extension gets a copy without those. It is imported
when a path needs it.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from casecart.formats.fhir.path.mistake import FhirPathError, PathFailed
from casecart.formats.fhir.path.operate import OPERATIONS, items

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from casecart.formats.fhir.path.value import Json

__all__ = ["Interpreted"]

_MODELS: Final[Mapping[str, str]] = {"R4": "r4", "R4B": "r4", "R5": "r5"}
_OWN: Final = frozenset({"context", "ucum"})


class _Library(NamedTuple):
    """What we use of fhirpathpy, whose functions have no types."""

    evaluate: Callable[..., list[Json]]
    parse: Callable[[str], dict[str, Json]]
    models: Mapping[str, dict[str, Json]]
    node: Callable[[Json, str], Json]
    special: type
    types: Json


@cache
def _library() -> _Library:
    import fhirpathpy  # noqa: PLC0415 - its parser takes 50 ms to import, and most mappings don't need it
    from fhirpathpy.engine.nodes import FP_Type, ResourceNode, TypeInfo  # noqa: PLC0415 - as above
    from fhirpathpy.models import models  # noqa: PLC0415 - as above
    from fhirpathpy.parser import parse  # noqa: PLC0415 - as above

    return _Library(fhirpathpy.apply_parsed_path, parse, models, ResourceNode.create_node, FP_Type, TypeInfo)


class Interpreted:
    """A path that the library evaluates; called as a compiled path is, with what it is asked of and its scope.

    Args:
        text: the path, which our grammar has read.
        version: R4, R4B or R5.
        base: the path of what it is asked of from its resource, as `Procedure.focalDevice`: it tells the types.
        variables: the names of the scope that it uses.

    Raises:
        FhirPathError: the library can't read it.
    """

    def __init__(self, text: str, version: str, base: str | None, variables: Collection[str]) -> None:
        self._library = _library()
        self._model = self._library.models[_MODELS[version]]
        self._base, self._given = base, variables
        self._beside = "extension" in text.lower()
        try:
            self._parsed = self._library.parse(text)
        except Exception as error:
            raise FhirPathError(1, "path-syntax", "the library that evaluates this path can't read it") from error

    def __call__(self, this: Json, scope: Json) -> Json:
        """What it gives, as a collection. Raises `PathFailed`."""
        asked = self._copied(this)
        context = {name: self._copied(self._variable(name, scope)) for name in self._given if name not in _OWN}
        if self._base is not None and not (asked.__class__ is dict and "resourceType" in asked):
            asked = self._library.node(asked, self._base)
        context["context"] = asked
        self._library.types.model = self._model
        try:
            found = self._library.evaluate(asked, self._parsed, context, self._model, self._functions(scope))
            values = [_plain(value, self._library.special) for value in found if value is not None]
        except PathFailed:
            raise
        except RecursionError:
            raise PathFailed("the resource is nested too deeply for this path") from None
        except Exception as error:  # noqa: BLE001 - the library tells everything by Exception, with values in its words
            words = f"the path can't be evaluated for this resource ({type(error).__name__})"
            raise PathFailed(words) from None
        return None if not values else values[0] if len(values) == 1 else values

    def _variable(self, name: str, scope: Json) -> Json:
        if name in ("resource", "rootResource"):
            return scope.resource if name == "resource" else scope.root
        return scope.bound[name]

    def _functions(self, scope: Json) -> Json:
        """The functions that the library lacks, or has otherwise: it gives one extension of an element only."""

        def resolve(references: list[Json]) -> list[Json]:
            return [self._copied(each) for each in OPERATIONS["resolve"](references, scope, scope.resource)]

        def extension(found: list[Json], url: Json) -> list[Json]:
            return [self._library.node(each, "Extension") for each in OPERATIONS["extension"](found, url)]

        table = {"resolve": {"fn": resolve}, "extension": {"fn": extension, "arity": {1: ["String"]}}}
        return {"userInvocationTable": table}

    def _copied(self, value: Json) -> Json:
        if value.__class__ is dict:
            return {name: self._copied(each) for name, each in value.items() if self._beside or name[:1] != "_"}
        return [self._copied(each) for each in items(value)] if value.__class__ is list else value


def _plain(value: Json, special: type) -> Json:
    if isinstance(value, special):
        return str(value)
    if value.__class__ is float:
        return Decimal(repr(value))
    if value.__class__ is dict and "$error" in value:
        raise PathFailed("the path wants one value, and there are several")
    return value
