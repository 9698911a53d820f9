"""How messages are found by a value that stands in them: keys of the look-up table, and the tokens of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args
from zlib import crc32

import msgspec

from casecart.store.records import Token
from casecart.store.seal import Damaged, opened, sealed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.store.change import Change

__all__ = ["KIND", "OFTEN", "Kind", "case_lookup", "decode_tokens", "encode_tokens", "keys_of", "lookup_key"]

Kind = Literal["case", "serial", "token", "lot", "item", "master"]

KIND: Final = 32
"""Where a key's kind begins, in bits."""

_CODES: Final = {kind: code << KIND for code, kind in enumerate(get_args(Kind))}

OFTEN: Final = _CODES["token"]
"""Keys below it are asked for with each message or line, and mostly in vain: those of cases and serial numbers."""


def lookup_key(kind: Kind, value: str) -> int:
    """The table's key for a value: its kind, and 32 bits of it.

    Several values may share one, by chance or on purpose: who looks by it compares the values themselves. A digest of
    64 bits would cost seven times as much, and spare a look at one document in a hundred searches.
    """
    return _CODES[kind] | crc32(value.encode())


def case_lookup(case_key: bytes) -> int:
    """The table's key for the ledger's key of a case: 32 bits of that."""
    return int.from_bytes(case_key[:4], "big")


def keys_of(change: Change) -> set[tuple[int, int]]:
    """The rows (key, position) that a change adds to the table: its look-ups, and the cases of its ledger rows."""
    rows = set(change.lookups)
    rows.update([(case_lookup(entry.case_key), entry.position) for entry in change.entries])
    return rows


_encode = msgspec.msgpack.Encoder().encode
_tokens = msgspec.msgpack.Decoder(list[tuple[str, str, str]]).decode


def encode_tokens(tokens: Iterable[tuple[str, str, str]]) -> bytes | None:
    """For a run: (token, kind, value) of what stands for something in its documents; None if nothing does."""
    return sealed(_encode(tokens)) if tokens else None


def decode_tokens(data: bytes | None) -> list[Token]:
    """From a run. Raises `Damaged`."""
    if data is None:
        return []
    what = "The tokens of a run"
    inside = opened(data, what)
    try:
        return [Token(*each) for each in _tokens(inside)]
    except msgspec.MsgspecError:
        raise Damaged(f"{what} came out of the store damaged: they can't be read") from None
