"""Ways in, one file a protocol; the engine finds them by their `kind:`, through entry points."""

from __future__ import annotations

__all__: list[str] = []
