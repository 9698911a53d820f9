"""How far a store is, told by statements that every revision of it and both databases understand."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Literal

from casecart.store.backup_file import FORMAT, Heads, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    Select = Callable[[str], list[tuple[Any, ...]]]

__all__ = ["any_rows", "manifest", "read_heads", "read_revision"]

_NEWEST: Final = 'select {} from {} order by "position" desc limit 1'
_CURSOR: Final = "select position from cursor where name = '{}'"
# Each by an index, and of few rows: nothing is counted that would be read past.
_WAITING: Final = "select count(*) from message where outcome = 'waiting' and outcome != 'processed'"
_OPEN: Final = "select coalesce(sum(open), 0) from ledger where open > 0"


def read_revision(select: Select) -> str:
    """The revision of the store's tables; empty where there are none of ours. The table of revisions must be there."""
    rows = select("select version_num from alembic_version")
    return str(rows[0][0]) if rows else ""


def read_heads(select: Select) -> Heads:
    """How far the store is, as one transaction sees it.

    Args:
        select: runs a statement and gives its rows.
    """

    def number(statement: str) -> int:
        rows = select(statement)
        return int(rows[0][0] or 0) if rows else 0

    audit = select(_NEWEST.format("position, digest", "audit"))
    keys = select(_CURSOR.format("secret:keys"))
    return Heads(
        message=number("select max(position) from message"),
        ledger=number("select max(sequence) from ledger"),
        event=number(_NEWEST.format('"position" + "count" - 1', 'event where "partition" = 0')),
        audit=int(audit[0][0]) if audit else 0,
        audit_digest=bytes(audit[0][1]).hex() if audit else "",
        commit=number(_CURSOR.format("journal:commit")),
        waiting=number(_WAITING),
        open=number(_OPEN),
        keys=f"{int(keys[0][0]):016x}" if keys else "",
    )


def any_rows(select: Select) -> bool:
    """Whether somebody would miss what is in a store."""
    tables = ("message", "ledger", "master")
    return any(select(f"select 1 from {table} limit 1") for table in tables)  # noqa: S608 - our own names


def manifest(
    part: Path,
    *,
    kind: Literal["sqlite", "postgresql"],
    place: str,
    revision: str,
    taken_at: datetime,
    heads: Heads,
    sha256: str,
    namespace: str = "",
    exact: bool | None = None,
) -> Manifest:
    """Of a file that is written to its end."""
    return Manifest(
        format=FORMAT,
        casecart=version("casecart"),
        kind=kind,
        revision=revision,
        place=place,
        taken_at=taken_at,
        size=part.stat().st_size,
        sha256=sha256,
        heads=heads,
        namespace=namespace,
        exact=exact,
    )
