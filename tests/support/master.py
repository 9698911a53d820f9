"""Master data for tests: documents published in a store, as an import does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.canonical.master import KINDS, encode_document, key_of
from casecart.store import Change, MasterVersion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.canonical.master import MasterDocument
    from casecart.store import Store

__all__ = ["kind_of", "publish", "remove", "version"]


def kind_of(document: MasterDocument) -> str:
    """Such as ``item``."""
    return next(kind for kind, struct in KINDS.items() if isinstance(document, struct))


def version(kind: str, key: str, data: bytes, *, facility: str = "") -> MasterVersion:
    """A version that a test's import makes."""
    return MasterVersion(0, kind, facility, key, 1_790_000_000_000_000, "tester", "erp", "items.csv", data)


def publish(store: Store, *documents: MasterDocument, facility: str = "") -> None:
    """New versions of these documents."""
    _publish(
        store, [version(kind_of(each), key_of(each), encode_document(each), facility=facility) for each in documents]
    )


def remove(store: Store, kind: str, key: str) -> None:
    """The document is no more."""
    _publish(store, [version(kind, key, b"")])


def _publish(store: Store, versions: Iterable[MasterVersion]) -> None:
    with store.master_lock():
        last = store.append_master(list(versions))
        change = Change()
        change.publish(last)
        store.write(change)
