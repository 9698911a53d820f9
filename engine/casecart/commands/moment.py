"""Times as the store keeps them (µs since 1970 UTC), and as people and programs read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["microseconds", "moment"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def moment(at: int) -> datetime:
    """The time in UTC; exact."""
    return _EPOCH + timedelta(microseconds=at)


def microseconds(at: datetime) -> int:
    """The inverse of `moment`, for a time of any zone."""
    return (at - _EPOCH) // _MICROSECOND
