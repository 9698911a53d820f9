"""Names under which the engine keeps notes of its own in the store: people's commands read them, too."""

from __future__ import annotations

from typing import Final

__all__ = ["DISPATCHER", "FINGERPRINT", "RUNNING"]

RUNNING: Final = "engine:running"
"""Cursor. Position: 1 while an engine is at work; 0 when it was stopped in order."""

FINGERPRINT: Final = "secret:keys"
"""Cursor. Position: tells the secret of keys from another."""

DISPATCHER: Final = "dispatcher"
"""Owner of the timers of destinations' next tries."""
