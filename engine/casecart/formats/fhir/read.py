"""Bytes of JSON to a resource, as plain dicts, lists, texts, integers and decimals.

A decimal keeps its digits: `1.00` stays 1.00, as FHIR demands (data type decimal). What JSON readers let pass and would
read in two ways, as a member that comes twice, is refused.
"""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import msgspec

from casecart.formats.fhir.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LIMITS", "Limits", "Resource", "read_resource"]

Resource = dict[str, Any]
"""A resource as it was sent: only what JSON has, with `Decimal` for numbers that have a point or an exponent."""

_LONGEST_NUMBER = 100
_BLANKS = b" \t\r\n"
# The mark of UTF-16 is the beginning of that of UTF-32.
_BY_ORDER_MARK: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# RFC 4627 §3: where the NULs are in the first four bytes tells the encoding.
_BY_NULS: Final[dict[tuple[bool, ...], str]] = {
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a resource may be.

    Attributes:
        size: bytes.
        depth: objects and lists within each other.
        members: members of all its objects, and objects and lists themselves.
    """

    size: int = 16 * 1024 * 1024
    depth: int = 100
    members: int = 1_000_000


LIMITS: Final = Limits()


def read_resource(data: bytes, limits: Limits = LIMITS) -> Resource:
    """A resource's JSON as Python's plain values; what they mean is not looked at.

    UTF-8, with or without a byte order mark, is what FHIR has; UTF-16 and UTF-32 are read as well.

    Args:
        data: the bytes, of one resource.
        limits: what is refused for its mere size.

    Raises:
        Refused: `too-large`, `encoding`, `not-json`, `number`, `too-deep`, `too-many-members`, `duplicate-member`,
            `not-an-object`, `no-resource-type`.
    """
    if len(data) > limits.size:
        raise _refused("too-large", f"The body has {len(data)} bytes; at most {limits.size} are taken.")
    if data[:1] != b"{" or b"\0" in data[:4]:
        data = _utf_8(data)
    try:
        read = _DECODER.decode(data)
    except RecursionError:
        raise _too_deep(limits) from None
    except _NotTaken:
        raise _refused("number", f"A number has more than {_LONGEST_NUMBER} digits, or as large an exponent.") from None
    except UnicodeDecodeError:
        raise _not_utf_8() from None
    except msgspec.ValidationError:
        # The only thing that a reader without a type refuses so: an integer beyond what Python itself takes.
        raise _refused("number", f"A number has more than {_LONGEST_NUMBER} digits.") from None
    except msgspec.DecodeError as error:
        raise _refused("not-json", _where(str(error))) from None
    if type(read) is not dict:
        raise _refused("not-an-object", "The body is JSON and no object; a resource is an object with `resourceType`.")
    _look_at_size(data, read, limits)
    _look_at_names(data, read)
    if type(read.get("resourceType")) is not str or not read["resourceType"]:
        raise _refused("no-resource-type", "The body has no `resourceType`; FHIR's JSON begins with it.")
    return read


class _NotTaken(Exception):
    """A number that nobody means."""


def _decimal(text: str) -> Decimal:
    # 1E999999999 is ten characters, and the first who turns it into an integer would run out of memory.
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits
        raise _NotTaken from None
    if len(text) > _LONGEST_NUMBER or not -_LONGEST_NUMBER < number.adjusted() < _LONGEST_NUMBER:
        raise _NotTaken
    return number


_DECODER: Final = msgspec.json.Decoder(float_hook=_decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def _utf_8(data: bytes) -> bytes:
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :]
    encoding = next((name for mark, name in _BY_ORDER_MARK if data.startswith(mark)), None)
    if encoding is None:
        encoding = _BY_NULS.get(tuple(byte == 0 for byte in data[:4]))
    if encoding is None:
        return data
    try:
        return data.decode(encoding).encode()
    except UnicodeError:
        raise _not_utf_8() from None


def _where(told: str) -> str:
    """What msgspec says of the place; its other words may hold what was sent."""
    place = told.rpartition("(")[2].rstrip(")") if told.endswith(")") else "at its end"
    return f"The body is not JSON ({place})."


def _look_at_size(data: bytes, read: Resource, limits: Limits) -> None:
    # As a rule there are fewer brackets in all than may be within each other, and a member has at least four bytes.
    opened = len(data) - len(data.translate(None, b"{["))
    if opened <= limits.depth and opened + len(data) // 4 <= limits.members:
        return
    level: list[Any] = [read]
    members = depth = 0
    while level:
        depth += 1
        if depth > limits.depth:
            raise _too_deep(limits)
        members += len(level) + sum([len(node) for node in level if type(node) is dict])
        if members > limits.members:
            raise _refused("too-many-members", f"The body has more than {limits.members} objects, lists and members.")
        level = [
            value
            for node in level
            for value in (node.values() if type(node) is dict else node)
            if type(value) is dict or type(value) is list
        ]


def _look_at_names(data: bytes, read: Resource) -> None:
    """Refuses a member that comes twice, of which a reader keeps one and another reader the other.

    What was read has each once. Written again it is what was sent, but for blanks and spelling, if nothing was lost.
    """
    again = _ENCODER.encode(read)
    if again == data or again.translate(None, _BLANKS) == data.translate(None, _BLANKS):
        return
    try:
        json.loads(data, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except _NotTaken:
        raise _refused("duplicate-member", "An object has a member twice; which one counts can't be known.") from None


def _once(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    listed = list(pairs)
    found = dict(listed)
    if len(found) != len(listed):
        raise _NotTaken
    return found


def _refused(code: str, words: str) -> Refused:
    return Refused(Problem(code, "", words))


def _not_utf_8() -> Refused:
    return _refused("encoding", "The body is not UTF-8, which FHIR's JSON must be.")


def _too_deep(limits: Limits) -> Refused:
    return _refused("too-deep", f"Objects and lists are more than {limits.depth} deep within each other.")
