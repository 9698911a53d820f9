"""What a channel made of a message, as the run row keeps it, and the postings of a row of the ledger.

All of it is sealed (`casecart.store.seal`): to decode it raises `Damaged` where it is not what was encoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from casecart.canonical import Case, Usage
from casecart.runtime.destination import Posting
from casecart.store.seal import Damaged, opened, sealed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "PLACE",
    "SCHEMA",
    "Made",
    "decode_made",
    "decode_postings",
    "decoded",
    "encode_made",
    "encode_postings",
]

SCHEMA = "Usage/1"
"""Kind and version of the documents; a later version reads all older ones."""

PLACE = "MSH[1]"
"""Where a message stands that is worked as one line, such as master data: from its first segment to its last."""


class Made(msgspec.Struct, array_like=True, gc=False):
    """Documents in the order of their places, what was filtered, and what was held."""

    schema: str
    documents: list[tuple[str, str, Usage]]
    """(place, line, document)."""
    filtered: list[tuple[str, str]]
    """(place, reason)."""
    held: list[tuple[str, str, str]]
    """(place, code, field)."""
    cases: list[tuple[str, Case]] = []
    """(place, document) of what a channel noted of cases."""


_encoder = msgspec.msgpack.Encoder()
_made = msgspec.msgpack.Decoder(Made)
_postings = msgspec.msgpack.Decoder(list[Posting])

_T = TypeVar("_T")


def decoded(decode: Callable[[bytes], _T], data: bytes, what: str) -> _T:
    """What was encoded and sealed. Raises `Damaged`: it is something else."""
    inside = opened(data, what)
    try:
        return decode(inside)
    except msgspec.MsgspecError:  # of an earlier version, without a seal; or the seal's own mark is another one now
        raise Damaged(f"{what} came out of the store damaged: they can't be read") from None


def encode_postings(postings: list[Posting]) -> bytes:
    """For a ledger row."""
    return sealed(_encoder.encode(postings))


def decode_postings(data: bytes) -> list[Posting]:
    """From a ledger row."""
    return decoded(_postings.decode, data, "The postings of a row of the ledger")


def encode_made(made: Made) -> bytes:
    """For a run row."""
    return sealed(_encoder.encode(made))


def decode_made(data: bytes) -> Made:
    """From a run row, of this version or any older."""
    return decoded(_made.decode, data, "The documents of a run")
