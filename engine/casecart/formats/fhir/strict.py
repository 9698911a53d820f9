"""Strict validation: the resource's own models of fhir.resources as well, some twenty times slower than ours alone.

The library is optional (`pip install casecart[fhir-strict]`) and is imported when it is asked for. It has models of R4B
and R5. Those of R4B speak for R4 where both versions define a resource alike, which the tables tell.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from casecart.formats.fhir.bundle import inner_resources
from casecart.formats.fhir.definitions import VERSIONS, definitions
from casecart.formats.fhir.problem import Problem
from casecart.formats.fhir.validate import Validation, element_names, validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["NotInstalled", "alike", "installed", "validate_strictly"]

_MODULES = {"4.0.1": "fhir.resources.R4B", "4.3.0": "fhir.resources.R4B", "5.0.0": "fhir.resources"}


class NotInstalled(Exception):
    """Strict validation needs fhir.resources: install `casecart[fhir-strict]`."""

    def __init__(self) -> None:
        super().__init__("Strict validation needs fhir.resources: install casecart[fhir-strict].")


def validate_strictly(resource: Mapping[str, Any], version: str) -> Validation:
    """What `validate` finds, and where that is nothing, what fhir.resources finds.

    Args:
        resource: as `read_resource` gives it.
        version: a value of `VERSIONS`.

    Raises:
        NotInstalled: fhir.resources is not here.
    """
    found = validate(resource, version)
    if found.problems:
        return found
    names = {resource["resourceType"], *(inner["resourceType"] for inner in inner_resources(resource))}
    unlike = sorted(name for name in names if version == VERSIONS["R4"] and not alike(name))
    if unlike:
        words = f"R4 has no strict validation of {', '.join(unlike)}: there are models of R4B only, which differ."
        return Validation((Problem("strict-not-supported", resource["resourceType"], words),), found.modifiers)
    return Validation(tuple(_problems(resource, version)), found.modifiers)


def installed() -> bool:
    """Whether fhir.resources is here; it is not imported."""
    return all(find_spec(name) is not None for name in ("pydantic", "fhir", "fhir.resources"))


@cache
def alike(name: str) -> bool:
    """Whether R4 and R4B define a resource alike; what both tables don't describe is taken as different."""
    r4, r4b = definitions(VERSIONS["R4"]), definitions(VERSIONS["R4B"])
    inner = [other for other in (*r4, *r4b) if other == name or other.startswith(f"{name}.")]
    return name in r4 and all(other in r4 and other in r4b and r4[other] == r4b[other] for other in inner)


def _problems(resource: Mapping[str, Any], version: str) -> Iterable[Problem]:
    try:
        models: Any = import_module(_MODULES[version])
        pydantic: Any = import_module("pydantic")
    except ImportError:
        raise NotInstalled from None
    name = resource["resourceType"]
    try:
        model = models.get_fhir_model_class(name)
    except ValueError:
        yield Problem("strict-not-supported", name, "fhir.resources has no model of this resource.")
        return
    try:
        model.model_validate(resource)
    except pydantic.ValidationError as errors:
        for error in errors.errors(include_url=False, include_context=False, include_input=False):
            # The library's own words quote what was sent.
            yield Problem("strict", _place(name, error["loc"]), f"fhir.resources does not take this ({error['type']}).")
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        # It breaks down at some resources that are no resources of its own.
        yield Problem("strict", name, f"fhir.resources breaks down at this ({type(error).__name__}).")


def _place(name: str, steps: Iterable[str | int]) -> str:
    place = name
    for step in steps:
        if isinstance(step, int):
            place += f"[{step}]"
        elif step.removeprefix("_") in element_names():
            place += f".{step}"
    return place
