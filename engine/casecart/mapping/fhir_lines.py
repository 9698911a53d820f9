"""The lines of a FHIR message: the elements of its resources that become documents, and where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.formats.fhir.path import PathFailed, Scope
from casecart.mapping.trouble import Found, path_failed

if TYPE_CHECKING:
    from casecart.mapping.fhir_message import FhirMessage
    from casecart.mapping.fhir_validity import Validity
    from casecart.mapping.plan import FhirLines

__all__ = ["lines_of"]


class Line(Scope, gc=False):
    """A line; `failed` says what is wrong with it before any field is read. Where nothing was found, `this` is None."""

    failed: tuple[Found, ...] = ()


def lines_of(message: FhirMessage, lines: FhirLines, validity: Validity) -> tuple[list[str], list[Line]]:
    """The place of each line, and what its paths are asked in.

    The message is a resource, or a bundle of any type with the resource in its entries; what an entry requests is not
    looked at. Places are FHIRPath, which counts from 0: `Procedure.focalDevice[0]`, and in a bundle
    `Bundle.entry[2].resource.focalDevice[0]`. Of several versions of a resource in one bundle the newest has
    lines. Those of a resource that is not right have failed.
    """
    find = message.find
    names: list[str] = []
    found: list[Line] = []
    each, below = lines.each.function, lines.below
    for at, resource in message.resources(lines.resource):
        place = at + below
        try:
            given = each(resource, Scope(resource, resource, resource, {}, find))
        except PathFailed as why:
            names.append(place)
            wrong = path_failed("each", lines.each.text)(why)
            found.append(Line(None, resource, resource, {}, find, None, wrong))
            continue
        if given is None:
            continue  # a resource without lines keeps nobody busy, whatever is wrong with it
        number = 0
        failed: tuple[Found, ...] | None = None
        for element in given if given.__class__ is list else (given,):
            if element is None:
                continue
            if failed is None:
                failed = validity.of_line(resource, at)
            names.append(f"{place}[{number}]" if below else place)
            found.append(Line(element, resource, resource, {}, find, None, failed))
            number += 1
    return names, found
