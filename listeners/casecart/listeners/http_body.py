"""The body of a request before it is read: what it says it is, and what it is unpacked; never more than is allowed."""

from __future__ import annotations

import zlib
from typing import Final, Literal, TypeAlias

__all__ = ["Format", "NotUnpacked", "is_media_type", "is_packed", "unpacked"]

Format: TypeAlias = Literal["fhir", "json", "xml"]

_TAKEN: Final[dict[str, frozenset[str]]] = {
    "fhir": frozenset({
        "application/fhir+json", "application/json+fhir", "application/json", "text/json", "text/fhir+json",
    }),
    "json": frozenset({"application/json", "text/json"}),
    "xml": frozenset({"application/xml", "text/xml"}),
}  # fmt: skip
"""The media types of each format: what the standard says, and what is sent."""

_PACKED: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Content codings → what zlib calls their window."""
_MOST_MEMBERS: Final = 16  # of a gzip file; one is usual


class NotUnpacked(Exception):
    """The body can't be unpacked.

    Attributes:
        large: whether it would be too large; else it is broken.
    """

    def __init__(self, *, large: bool) -> None:
        super().__init__("too large" if large else "broken")
        self.large = large


def is_media_type(content_type: str, form: Format) -> bool:
    """Whether a Content-Type is one of a format, in a character set that is read; JSON is UTF-8 (RFC 8259 §8.1)."""
    name, _, parameters = content_type.partition(";")
    name = name.strip().lower()
    if name not in _TAKEN[form] and not (form != "fhir" and name.endswith(f"+{form}")):
        return False
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset" and form != "xml":
            return value.strip().strip('"').lower() in {"utf-8", "utf8", "us-ascii"}
    return True


def is_packed(encoding: str) -> bool | None:
    """Whether a Content-Encoding packs; None: it is one that is not taken."""
    name = encoding.strip().lower()
    return False if name in {"", "identity"} else True if name in _PACKED else None


def unpacked(body: bytes, encoding: str, maximum: int) -> bytes:
    """The body without its content coding.

    Args:
        body: as it came.
        encoding: one that `is_packed`.
        maximum: bytes of the result; no more than that is ever made.

    Raises:
        NotUnpacked: it is broken, or larger.
    """
    window, parts, left = _PACKED[encoding.strip().lower()], [], maximum
    for _ in range(_MOST_MEMBERS):
        reader = zlib.decompressobj(window)
        try:
            part = reader.decompress(body, left + 1)
        except zlib.error:
            raise NotUnpacked(large=False) from None
        left -= len(part)
        if left < 0:
            raise NotUnpacked(large=True)
        parts.append(part)
        if not reader.eof:
            raise NotUnpacked(large=False)
        body = reader.unused_data
        if not body:
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise NotUnpacked(large=False)
