"""De-identification: messages without what says whose they are, and the search for what is left of it."""

from __future__ import annotations

from casecart.formats.deidentify.canary import Canary
from casecart.formats.deidentify.documents import NotRead
from casecart.formats.deidentify.messages import LARGEST, Deidentified, LeftOver, deidentify

__all__ = ["LARGEST", "Canary", "Deidentified", "LeftOver", "NotRead", "deidentify"]
