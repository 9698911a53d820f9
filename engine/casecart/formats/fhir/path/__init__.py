"""FHIRPath: the common part compiled to Python functions over dicts and lists, the rest left to fhirpathpy."""

from __future__ import annotations

from casecart.formats.fhir.path.mistake import FhirPathError, PathFailed
from casecart.formats.fhir.path.path import FhirPath, Scope, compile_path, element_of, leads_on

__all__ = ["FhirPath", "FhirPathError", "PathFailed", "Scope", "compile_path", "element_of", "leads_on"]
