"""What a channel made of a message, as the run row keeps it, and what was stated of lines, as the ledger's row does.

All of it is sealed (`casecart.store.seal`): to decode it raises `Damaged` where it is not what was encoded.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from casecart.canonical import Case, Usage
from casecart.rules.telling import Telling
from casecart.runtime.destination import Posting
from casecart.store.seal import Damaged, opened, sealed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "PLACE",
    "SCHEMA",
    "Made",
    "Statement",
    "Verdict",
    "decode_made",
    "decode_postings",
    "decode_statements",
    "decode_tellings",
    "encode_made",
    "encode_postings",
    "encode_statements",
    "encode_telling",
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


class Statement(msgspec.Struct, array_like=True, gc=False, kw_only=True, frozen=True):
    """What was stated about a line, where the posting of the same place does not tell it already."""

    position: int
    """The message it stands in."""
    place: str
    line: str
    """The one that it is about; of a credit that waits for its charge, its own id."""
    kind: str
    quantity: Decimal
    replaces: bool
    version: int
    document: bytes
    """JSON of a consumption without key, revision, action and quantity."""
    waits: bool = False
    """A credit that takes back what is not there yet; it counts for nothing."""
    channel: str = ""
    """Whose copy of the message stated it; empty: that of the row. A credit may have come through another one."""


class Verdict(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """What a person found out about a posting that had been given up."""

    key: str
    line: str
    outcome: Literal["posted", "not posted"]


class _Statements(msgspec.Struct, array_like=True, gc=False, omit_defaults=True):
    statements: list[Statement]
    verdicts: list[Verdict]
    tellings: list[Telling] = []
    """Of a row that stands under the key of a resource, and has nothing else."""


_encoder = msgspec.msgpack.Encoder()
_made = msgspec.msgpack.Decoder(Made)
_postings = msgspec.msgpack.Decoder(list[Posting])
_statements = msgspec.msgpack.Decoder(_Statements)

_T = TypeVar("_T")


def _decoded(decode: Callable[[bytes], _T], data: bytes, what: str) -> _T:
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
    return _decoded(_postings.decode, data, "The postings of a row of the ledger")


def encode_statements(statements: list[Statement], verdicts: list[Verdict]) -> bytes | None:
    """For a ledger row."""
    return sealed(_encoder.encode(_Statements(statements, verdicts))) if statements or verdicts else None


def decode_statements(data: bytes | None) -> tuple[list[Statement], list[Verdict]]:
    """From a ledger row."""
    if data is None:
        return [], []
    decoded = _decoded(_statements.decode, data, "The statements of a row of the ledger")
    return decoded.statements, decoded.verdicts


def encode_telling(telling: Telling) -> bytes:
    """For a ledger row of its own, as its statements."""
    return sealed(_encoder.encode(_Statements([], [], [telling])))


def decode_tellings(data: bytes | None) -> list[Telling]:
    """From a ledger row."""
    return [] if data is None else _decoded(_statements.decode, data, "The statements of a row of the ledger").tellings


def encode_made(made: Made) -> bytes:
    """For a run row."""
    return sealed(_encoder.encode(made))


def decode_made(data: bytes) -> Made:
    """From a run row, of this version or any older."""
    return _decoded(_made.decode, data, "The documents of a run")
