"""By what messages are found that told something of a record of master data."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from casecart.store import lookup_key

if TYPE_CHECKING:
    from casecart.master.table_file import TableRows

__all__ = ["number_keys", "record_keys"]


def record_keys(channel: str, rows: TableRows) -> list[int]:
    """Of one line of a table: two look-ups, since one alone may be another record's too."""
    (row,) = rows.rows
    same = [str(getattr(row.cells, name)) for name in rows.table.same] if rows.table.row is not None else []
    return _look_ups(channel, rows.table.name, *row.key, *same)


def number_keys(channel: str, system: str, value: str) -> list[int]:
    """Of a number that was removed without saying of which item."""
    return _look_ups(channel, "identifiers", "", system, value)


def _look_ups(*parts: str) -> list[int]:
    text = "\0".join(parts)
    digest = blake2b(text.encode(), digest_size=16, person=b"master").hexdigest()
    return [lookup_key("master", digest[:16]), lookup_key("master", digest[16:])]
