"""The value that decides a message's partition, cut from its bytes before anything is parsed."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from casecart.workspace import key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.formats.hl7v2 import Delimiters, Header

__all__ = ["PARTITIONS", "Partition", "partition_key"]

PARTITIONS: Final = 64

_PATH: Final = r"(?!MSH)[A-Z][A-Z0-9]{2}-[1-9][0-9]{0,2}(\.[1-9][0-9]?)?"
"""What a partition path looks like: the first segment of its kind, a field, perhaps a component. MSH tells the peer."""


def partition_key() -> Any:  # noqa: ANN401 - a field specifier, as `key`
    """The key `partition_by` of a listener."""
    return key(
        about=(
            "What keeps messages in order: those with the same value come one after the other. The first path that has "
            "a value decides; without one the peer does."
        ),
        example="[PID-3.1]",
        default="[PV1-19.1, PID-3.1]",
        scalar=True,
        pattern=_PATH,
        form="a path such as PV1-19.1, in another segment than MSH, without [ ] and occurrences",
    )


class Partition:
    """Finds the partition of a message.

    Args:
        paths: as `partition_key` takes them. The first that has a value decides: messages with the same value come one
            after the other.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(map(_parsed, paths))
        # For the usual separator what is looked for is ready; others are put together when they come.
        self._ready = self._sought(b"|")

    def of(self, body: bytes, header: Header, otherwise: int) -> int:
        """A number from 0 to 63.

        Args:
            body: the message.
            header: its own.
            otherwise: the partition of a message that has no value at any of the paths.
        """
        separator = header.separator
        for mark, field, component in self._ready if separator == b"|" else self._sought(separator):
            at = body.find(mark)
            if at < 0 and (b"\n" not in body or (at := body.find(b"\n" + mark[1:])) < 0):
                continue
            begin = at + 5
            end = body.find(b"\r", begin)
            segment = body[begin:end] if end >= 0 else body[begin:]
            if b"\n" in segment and (behind := _segment_start(separator).search(segment)) is not None:
                segment = segment[: behind.start()]
            fields = segment.split(separator, field)
            if len(fields) < field:
                continue
            value = fields[field - 1]
            if value and (value := _part(value, component, header.delimiters)) and value != b'""':
                return crc32(value) % PARTITIONS
        return otherwise

    def _sought(self, separator: bytes) -> tuple[tuple[bytes, int, int], ...]:
        return tuple((b"\r" + segment + separator, field, component) for segment, field, component in self._paths)


def _parsed(path: str) -> tuple[bytes, int, int]:
    segment, _, place = path.partition("-")
    field, _, component = place.partition(".")
    return segment.encode("ascii"), int(field), int(component or 1)


@lru_cache(maxsize=64)
def _segment_start(separator: bytes) -> re.Pattern[bytes]:
    """How a segment begins behind a line feed; any other line is text of the field before it."""
    return re.compile(rb"\n[A-Z][A-Z0-9]{2}(?:" + re.escape(separator) + rb"|\n|\Z)")


def _part(field: bytes, component: int, delimiters: Delimiters) -> bytes:
    """A component of the first repetition; a line feed ends the value as well."""
    first = field.partition(delimiters.repetition.encode())[0].partition(b"\n")[0]
    parts = first.split(delimiters.component.encode(), component)
    return parts[component - 1].strip() if len(parts) >= component else b""
