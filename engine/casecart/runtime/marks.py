"""Names under which the engine keeps notes of its own in the store: people's commands read them, too."""

from __future__ import annotations

from typing import Final

__all__ = ["DISPATCHER", "DRAINED", "FINGERPRINT", "RUNNING"]

RUNNING: Final = "engine:running"
"""Cursor. Position: 1 while an engine is at work; 0 when it was stopped in order."""

FINGERPRINT: Final = "secret:keys"
"""Cursor. Position: tells the secret of keys from another."""

DISPATCHER: Final = "dispatcher"
"""Owner of the timers of destinations' next tries."""

DRAINED: Final = "drained:"
"""Cursor, with a destination's name behind it. Position: the wish to drain it that is told of (its µs); epoch: postings
that may have had their effect, and nobody knows yet; 0 when it is drained."""
