"""The canonical documents, as typed structs."""

from __future__ import annotations

from casecart.canonical.case import Case
from casecart.canonical.usage import FIELDS, Field, Usage

__all__ = ["FIELDS", "Case", "Field", "Usage"]
