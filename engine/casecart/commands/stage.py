"""The stages of a channel that can be looked at after the fact."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["STAGES", "Stage"]

Stage = Literal["parse", "map", "verify", "derive"]
STAGES: Final[tuple[Stage, ...]] = ("parse", "map", "verify", "derive")
"""The message itself, its documents, the exceptions, the postings."""
