"""Master data for the bench: a hundred thousand made-up items of eight identifiers, and where they are used."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench.resolve import item
from casecart.canonical.master import Assignment, Department, Identifier, Location, encode_document
from casecart.store import Change, MasterVersion, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.canonical.master import MasterDocument

__all__ = ["ITEMS", "fill"]

ITEMS = 100_000
USED = 9
"""Items that `support.charge` names."""

SLICE = 2_000


def fill(url: str) -> None:
    """Appends and publishes the master data in a migrated store that no engine has opened."""
    versions = [
        MasterVersion(0, kind, "", key, 0, "bench", "bench", "bench", encode_document(document))
        for kind, key, document in _documents()
    ]
    last = 0
    with closing(open_store(url, role="engine")) as store, store.master_lock():
        for first in range(0, len(versions), SLICE):
            last = store.append_master(versions[first : first + SLICE])
        change = Change()
        change.publish(last)
        store.write(change)


def _documents() -> Iterator[tuple[str, str, MasterDocument]]:
    for number in range(ITEMS):
        made = item(number)
        if 0 < number <= USED:  # as the messages name it
            known = Identifier(system="ehr", value=f"HIP-STEM-1{number}", source="ehr")
            made = replace(made, identifiers=(*made.identifiers, known))
        yield "item", made.number, made
    yield "location", "OR-CORE-2", Location(number="OR-CORE-2")
    assigned = (Assignment(dimension="cost_center", value="4711"),)
    yield "department", "OR-MAIN", Department(number="OR-MAIN", assignments=assigned)
