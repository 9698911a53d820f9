"""Mappings: YAML becomes one compiled function that makes canonical documents of a message."""

from __future__ import annotations

from casecart.mapping.compile import CompiledMapping, compile_mapping
from casecart.mapping.mapped import Mapped, MappingContext
from casecart.mapping.problem import CODES, Problem

__all__ = ["CODES", "CompiledMapping", "Mapped", "MappingContext", "Problem", "compile_mapping"]
