"""What it costs to read and validate a FHIR bundle and take a usage line's values out of it, beside fhir.resources.

The bundle is the made-up case of the tests: patient, implant, operation, its use, a mesh delivered; 3.4 KB.

Usage: python tests/bench/fhir_bundle.py [--quick]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from casecart.commands.workspace import load_workspace, make_workspace
from casecart.formats.fhir import FINE, VERSIONS, read_bundle, read_reference, read_resource, validate
from casecart.mapping import FhirMessage, MappingContext, compile_mapping
from support.fhir_case import CASE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Costs", "main", "measure"]

VERSION = VERSIONS["R4B"]
MAPPINGS = ("fhir-procedure-devices", "fhir-supply-deliveries")
ROUNDS = 15


class Costs(NamedTuple):
    """CPU time in µs, the best of its rounds.

    Attributes:
        read: bytes to a resource.
        whole: the same, and that nothing is wrong with it.
        extracted: the same, and twelve values for two lines taken out.
        mapped: bytes to what the two shipped mappings make of them, which validate what they read.
        library: fhir.resources' model of the bundle from the same bytes.
    """

    read: float
    whole: float
    extracted: float
    mapped: float
    library: float


def extract(data: bytes) -> list[Any]:
    """Twelve values for two lines of usage, taken out by hand after a full validation."""
    read = read_resource(data)
    if validate(read, VERSION) is not FINE:
        raise ValueError
    found: list[Any] = []
    bundle = read_bundle(read)
    for entry in bundle.entries:
        it: Any = entry.resource
        if it["resourceType"] == "Procedure":
            used = it["focalDevice"][0]
            device: Any = bundle.find(read_reference(used["manipulated"]["reference"]), beside=entry.full_url)
            carrier = device["udiCarrier"][0]
            found += [it["identifier"][0]["value"], it["status"], it["performedPeriod"]["end"]]
            found += [it["location"]["reference"], used["action"]["coding"][0]["code"]]
            found += [carrier["carrierHRF"], carrier["deviceIdentifier"], device["lotNumber"], device["serialNumber"]]
        elif it["resourceType"] == "SupplyDelivery":
            item = it["suppliedItem"]
            found += [it["status"], item["quantity"]["value"], item["itemCodeableConcept"]["coding"][0]["code"]]
    return found


def mapped() -> Callable[[], object]:
    """Maps the bundle as channels of the shipped workspace do."""
    with tempfile.TemporaryDirectory() as folder:
        make_workspace(Path(folder) / "ws")
        workspace = load_workspace(Path(folder) / "ws")
        mappings = [compile_mapping(workspace.mappings[name], workspace.tables) for name in MAPPINGS]
    context = MappingContext(
        facility="NORTH",
        time_zone=ZoneInfo("America/Chicago"),
        today=date(2026, 11, 3),
        token=lambda kind, value: f"{kind}-{value}",
        source="bench",
        version=VERSION,
    )

    def both() -> object:
        read = FhirMessage(read_resource(CASE))
        return [mapping.run(read, context) for mapping in mappings]

    return both


def measure(rounds: int) -> Costs:
    """All of it in this process, by turns, so that a busy moment is everybody's."""
    import fhir.resources.R4B  # noqa: PLC0415 - its 60 MB are told apart

    model: Any = fhir.resources.R4B.get_fhir_model_class("Bundle")
    works: list[tuple[Callable[[], object], int]] = [
        (lambda: read_resource(CASE), 500),
        (lambda: validate(read_resource(CASE), VERSION), 500),
        (lambda: extract(CASE), 500),
        (mapped(), 200),
        (lambda: model.model_validate_json(CASE), 25),
    ]
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for number, (work, times) in enumerate(works):
            best[number] = min(best[number], _round(work, times))
    return Costs(*best)


def _round(work: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


def main(arguments: Sequence[str]) -> None:
    """Prints the table."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    validate(read_resource(CASE), VERSION)
    first = time.process_time() - began
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    costs = measure(3 if "--quick" in arguments else ROUNDS)
    print(f"FHIR, a bundle of {len(CASE):,} bytes      CPU µs   x fhir.resources")
    for title, cost in (
        ("read", costs.read),
        ("read, validated", costs.whole),
        ("read, validated, 12 values", costs.extracted),
        ("mapped by two shipped mappings", costs.mapped),
        ("fhir.resources alone", costs.library),
    ):
        print(f"  {title:<32}{cost:>9.1f}{costs.library / cost:>12.1f}")
    print(f"  the first one {first * 1e3:.0f} ms and {memory:.0f} MB: the tables and structs of a version")


if __name__ == "__main__":
    main(sys.argv[1:])
