"""What is known of cases: what messages told in this commit, and what the store has of earlier ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from casecart.store.seal import MARK, Damaged, opened, sealed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from casecart.store import Change, KnownCase, Store

__all__ = ["KnownCases", "decode_known", "encode_known"]

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(str).decode


def encode_known(text: str) -> bytes:
    """The value of a `KnownCase`."""
    return sealed(_encode(text))


def decode_known(value: bytes) -> str:
    """From a `KnownCase`. Raises `Damaged`."""
    what = "What was noted of a case"
    try:
        if value[:1] == MARK.to_bytes():
            return _decode(opened(value, what))
    except msgspec.MsgspecError:  # what was sealed was never ours
        pass
    raise Damaged(f"{what} came out of the store damaged: the checksum is another one")


class KnownCases:
    """What is known of cases, as of the message in hand. It keeps no more than one commit notes.

    Args:
        store: has what earlier commits noted.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[bytes, list[KnownCase]] = {}

    def begin(self, change: Change) -> None:
        """A commit is put together; this much of it is there."""
        self._noted = {}
        self.add(change.known_cases)

    def add(self, rows: Iterable[KnownCase]) -> None:
        """What a message told."""
        for row in rows:
            self._noted.setdefault(row.case_key, []).append(row)

    def take_back(self, rows: Sequence[KnownCase]) -> None:
        """What a message told is not noted after all."""
        for row in rows:
            self._noted[row.case_key].remove(row)

    def told(self, case_keys: Collection[bytes]) -> dict[tuple[bytes, str, str], KnownCase]:
        """The newest word of each (case, channel, field)."""
        newest: dict[tuple[bytes, str, str], KnownCase] = {}
        at_hand = (row for key in case_keys for row in self._noted.get(key, ()))
        for row in (*self._store.known_cases(case_keys), *at_hand):
            before = newest.get(row[:3])
            if before is None or (row.told_at, row.position) >= (before.told_at, before.position):
                newest[row[:3]] = row
        return newest
