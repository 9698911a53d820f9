"""Formats: bytes to structure and back; no sockets, no store, no clock."""

from __future__ import annotations

__all__: list[str] = []
