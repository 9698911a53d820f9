"""HL7's times to and from the engine's: microseconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from casecart.mapping.value import LONGEST, read_datetime

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["Stamp", "moment"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


# YYYYMMDDHHMMSS[.S[S[S[S]]]][+/-ZZZZ]: what nearly all senders write.
_USUAL: Final = re.compile(rb"([0-9]{12})([0-5][0-9])(?:\.([0-9]{1,6}))?([+-][0-9]{4})?")


@lru_cache(maxsize=1024)
def moment(field: bytes, zone: ZoneInfo) -> int | None:
    """The time of MSH-7; None where it says nothing readable, or an hour that the zone's clock shows twice.

    Args:
        field: as sent; up to 2.5 a precision may stand behind a component separator.
        zone: whose clock it is where the field gives no offset.
    """
    usual = _USUAL.fullmatch(field)
    if usual is None:
        return _read(field.partition(b"^")[0].strip(), zone) if len(field) <= 2 * LONGEST else None
    # Messages of a second come one after the other, and its minute is the same for sixty of them.
    minute, second, fraction, offset = usual.groups(b"")
    start = _read(minute + offset, zone)
    return None if start is None else start + int(second) * 1_000_000 + int(fraction.ljust(6, b"0"))


@lru_cache(maxsize=256)
def _read(field: bytes, zone: ZoneInfo) -> int | None:
    text = field.decode("latin-1")
    found = read_datetime(text, zone) if len(text) <= LONGEST else None
    return None if found is None else (found - _EPOCH) // _MICROSECOND


class Stamp:
    """Writes MSH-7 of our own messages by the clock of one zone: `20240315101530.123-0500`."""

    __slots__ = ("_end", "_millisecond", "_second", "_start", "_written", "_zone")

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._second = self._millisecond = -1
        self._start = self._end = self._written = b""

    def __call__(self, now: int) -> bytes:
        """The stamp of a time, µs since 1970."""
        millisecond = now // 1000
        if millisecond != self._millisecond:
            # Acknowledgements come in bursts: most have the millisecond, nearly all the second of the one before.
            second, rest = divmod(millisecond, 1000)
            if second != self._second:
                local = datetime.fromtimestamp(second, self._zone)
                self._start, self._end = local.strftime("%Y%m%d%H%M%S.").encode(), local.strftime("%z").encode()
                self._second = second
            self._written = b"%b%03d%b" % (self._start, rest, self._end)
            self._millisecond = millisecond
        return self._written
