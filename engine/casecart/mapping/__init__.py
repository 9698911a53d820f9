"""Mappings: YAML becomes one compiled function that makes canonical documents of a message."""

from __future__ import annotations

from casecart.mapping.compile import CompiledMapping, Compiler, Probe, compile_mapping, look_at_mapping
from casecart.mapping.fhir_message import FhirMessage
from casecart.mapping.fhir_paths import interpreted_paths
from casecart.mapping.mapped import Mapped, MappingContext, Version
from casecart.mapping.outgoing import CompiledOutgoing, Document, NotWritable, compile_outgoing
from casecart.mapping.problem import CODES, Problem

__all__ = [
    "CODES",
    "CompiledMapping",
    "CompiledOutgoing",
    "Compiler",
    "Document",
    "FhirMessage",
    "Mapped",
    "MappingContext",
    "NotWritable",
    "Probe",
    "Problem",
    "Version",
    "compile_mapping",
    "compile_outgoing",
    "interpreted_paths",
    "look_at_mapping",
]
