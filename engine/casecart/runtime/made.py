"""What a channel made of a message, as the run row keeps it."""

from __future__ import annotations

import msgspec

from casecart.canonical import Usage

__all__ = ["Made", "decode_made", "decode_postings", "encode_made", "encode_postings"]

from casecart.runtime.destination import Posting

SCHEMA = "Usage/1"
"""Kind and version of the documents; a later version reads all older ones."""


class Made(msgspec.Struct, array_like=True, gc=False):
    """Documents in the order of their places, what was filtered, and what was held."""

    schema: str
    documents: list[tuple[str, str, Usage]]
    """(place, line, document)."""
    filtered: list[tuple[str, str]]
    """(place, reason)."""
    held: list[tuple[str, str, str]]
    """(place, code, field)."""


_encoder = msgspec.msgpack.Encoder()
_made = msgspec.msgpack.Decoder(Made)
_postings = msgspec.msgpack.Decoder(list[Posting])

encode_postings = _encoder.encode
"""list[Posting] → bytes for a ledger row."""

decode_postings = _postings.decode
"""bytes of a ledger row → list[Posting]."""


def encode_made(made: Made) -> bytes:
    """For a run row."""
    return _encoder.encode(made)


def decode_made(data: bytes) -> Made:
    """From a run row, of this version or any older."""
    return _made.decode(data)
