"""How long a service wants to be left alone."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["retry_after"]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks for (RFC 9110 §10.2.3); a date is taken against the service's own clock.

    Args:
        headers: of its answer, by name in lower case.
    """
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        return max(0.0, (parsedate_to_datetime(said) - _date(headers)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _date(headers: Mapping[str, str]) -> datetime:
    """When the service answered: by its own clock, where it tells."""
    with suppress(ValueError, TypeError, OverflowError):
        said = parsedate_to_datetime(headers.get("date", ""))
        if said.tzinfo is not None:
            return said
    return datetime.now(UTC)
