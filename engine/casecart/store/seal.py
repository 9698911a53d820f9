"""Seals: what is encoded for the store carries a checksum, so that whoever reads it knows that it is as it was written.

A disk, a controller or a hand may change a byte of what is stored, and what is decoded then may well be good: another
quantity, another item. A message's body has its digest in the row beside it; other encoded values carry theirs inside.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from casecart.store.records import Message

__all__ = ["Damaged", "DamagedBody", "body_digest", "checked", "opened", "opened_text", "sealed", "sealed_text"]

MARK: Final = 0xC1
"""MessagePack uses every byte but this one: no value of an earlier version, which has no seal, begins with it."""

_head = Struct("<BI")
_pack, _unpack, _LENGTH = _head.pack, _head.unpack_from, _head.size

_TEXT: Final = " crc32:"
"""Behind JSON, which is never followed by that."""

_DIGEST: Final = 16


class Damaged(Exception):
    """What is stored is not what was written. The words say what it is, without its content."""


class DamagedBody(bytes):
    """A message's body as it is found, which is not the one whose digest is stored: to be looked at, never worked."""

    __slots__ = ()


def sealed(data: bytes) -> bytes:
    """A value that is not empty with its checksum (CRC-32, which misses no change of up to 32 bits in a row)."""
    return _pack(MARK, crc32(data)) + data


def opened(data: bytes, what: str) -> bytes:
    """The value; one of an earlier version, without a seal, as it is. `what` it is called in the words of `Damaged`."""
    if data[:1] != b"\xc1":
        return data
    if len(data) > _LENGTH:
        _, checksum = _unpack(data)
        inside = data[_LENGTH:]
        if crc32(inside) == checksum:
            return inside
    raise Damaged(f"{what} came out of the store damaged: the checksum is another one")


def sealed_text(text: str) -> str:
    """The same for JSON that is kept as text."""
    return f"{text}{_TEXT}{crc32(text.encode()):08x}"


def opened_text(text: str, what: str) -> str:
    """From `sealed_text`; JSON of an earlier version, without a seal, as it is. Raises `Damaged`."""
    inside, mark, checksum = text.rpartition(_TEXT)
    if not mark:
        return text
    if f"{crc32(inside.encode()):08x}" != checksum:
        raise Damaged(f"{what} came out of the store damaged: the checksum is another one")
    return inside


def body_digest(body: bytes) -> bytes:
    """As a message's row keeps it: BLAKE2b, 16 bytes."""
    return blake2b(body, digest_size=_DIGEST).digest()


def checked(message: Message) -> Message:
    """A message as it was read; its body is a `DamagedBody` where that is not the one whose digest is stored.

    An empty one was deleted, its time being over (`Message.body_gone`); what still waits to be worked is never deleted.
    """
    if body_digest(message.body) == message.digest or (not message.body and message.outcome != "waiting"):
        return message
    return message._replace(body=DamagedBody(message.body))
