"""What paths are asked of, and what they give."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["Json"]

Json: TypeAlias = Any
"""What JSON has: dict, list, str, int, bool, Decimal (never float) or None; or a collection of these: see `operate`."""
