"""What is written of changed documents: one version of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.canonical.master import encode_document
from casecart.store import MasterVersion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.master.import_plan import DocumentChange

__all__ = ["versions"]


def versions(
    changes: Iterable[DocumentChange], *, actor: str, source: str, origin: str, now: int
) -> list[MasterVersion]:
    """What is written for changes of documents."""
    return [
        MasterVersion(
            0, *change.key, now, actor, source, origin, b"" if change.after is None else encode_document(change.after)
        )
        for change in changes
    ]
