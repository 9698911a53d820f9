"""What was stated of lines, as a row of the ledger keeps it.

It is sealed (`casecart.store.seal`): to decode it raises `Damaged` where it is not what was encoded.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from casecart.rules.telling import Telling
from casecart.runtime.made import decoded
from casecart.store.seal import sealed

__all__ = [
    "Statement",
    "Verdict",
    "decode_statements",
    "decode_tellings",
    "encode_statements",
    "encode_telling",
]


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
_statements = msgspec.msgpack.Decoder(_Statements)


def encode_statements(statements: list[Statement], verdicts: list[Verdict]) -> bytes | None:
    """For a ledger row."""
    return sealed(_encoder.encode(_Statements(statements, verdicts))) if statements or verdicts else None


def decode_statements(data: bytes | None) -> tuple[list[Statement], list[Verdict]]:
    """From a ledger row."""
    if data is None:
        return [], []
    row = decoded(_statements.decode, data, "The statements of a row of the ledger")
    return row.statements, row.verdicts


def encode_telling(telling: Telling) -> bytes:
    """For a ledger row of its own, as its statements."""
    return sealed(_encoder.encode(_Statements([], [], [telling])))


def decode_tellings(data: bytes | None) -> list[Telling]:
    """From a ledger row."""
    return [] if data is None else decoded(_statements.decode, data, "The statements of a row of the ledger").tellings
