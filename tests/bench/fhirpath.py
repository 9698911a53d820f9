"""What a FHIRPath costs, compiled and by fhirpathpy, and the mapping of a bundle: CPU of this thread, best of nine.

python tests/bench/fhirpath.py
"""

from __future__ import annotations

import time
import timeit
from datetime import date
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from casecart.commands.workspace import load_workspace
from casecart.formats.fhir import read_resource, validate
from casecart.formats.fhir.path import Scope, compile_path
from casecart.mapping import MappingContext, compile_mapping
from casecart.workspace import reference

if TYPE_CHECKING:
    from collections.abc import Callable

PATHS: Final = (
    "Procedure.status",
    "Procedure.performed.start",
    "Procedure.focalDevice.where(action.coding.code = 'implanted').manipulated.reference",
    "Procedure.encounter.reference.split('/').last()",
    "iif(status in ('completed' | 'in-progress'), 'use', status)",
    "Procedure.contained.ofType(Device).udiCarrier.carrierHRF.first()",
)


def microseconds(function: Callable[[], object], number: int) -> float:
    """Of one call."""
    return min(timeit.repeat(function, number=number, repeat=9, timer=time.thread_time)) / number * 1e6


def main() -> None:
    """Prints the table."""
    body = (reference.root() / "samples" / "fhir" / "procedure-hip-stem.json").read_bytes()
    bundle = read_resource(body)
    procedure = bundle["entry"][0]["resource"]
    scope = Scope(procedure, procedure, procedure)
    print("| path | compiled, µs | fhirpathpy, µs |")
    print("| --- | ---: | ---: |")
    for text in PATHS:
        ours, theirs = (compile_path(text, compiled=compiled).function for compiled in (True, False))
        assert ours(procedure, scope) == theirs(procedure, scope) is not None
        costs = (
            microseconds(lambda ours=ours: ours(procedure, scope), 5000),  # type: ignore[misc]  # a default binds it
            microseconds(lambda theirs=theirs: theirs(procedure, scope), 200),  # type: ignore[misc]  # the same
        )
        print(f"| `{text}` | {costs[0]:.2f} | {costs[1]:.0f} |")
    workspace = load_workspace(reference.root())
    mapping = compile_mapping(workspace.mappings["fhir-procedure-devices"], workspace.tables)
    zone = ZoneInfo("America/Chicago")
    context = MappingContext(
        facility="NORTH", time_zone=zone, today=date(2026, 11, 3), token=lambda kind, value: kind + value, source="M1"
    )
    lines = len(procedure["focalDevice"])
    print(f"read {len(body)} bytes: {microseconds(lambda: read_resource(body), 2000):.1f} µs")
    print(f"validate: {microseconds(lambda: validate(bundle, '4.0.1'), 2000):.1f} µs")
    looked_at = replace(context, version="4.0.1")
    print(f"map its {lines} lines: {microseconds(lambda: mapping.run(bundle, context), 1000):.1f} µs")
    print(f"the same, validated before: {microseconds(lambda: mapping.run(bundle, looked_at), 1000):.1f} µs")


if __name__ == "__main__":
    main()
