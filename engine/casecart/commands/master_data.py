"""The master data of a store as commands use them: read whole, and changed whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from casecart.canonical.master import decode_document
from casecart.master.catalogue import Catalogue
from casecart.master.ownership import rule_of
from casecart.master.table_file import DocumentKey
from casecart.master.versions import versions
from casecart.store import Damaged
from casecart.workspace import Finding, Ownership, WorkspaceError
from casecart.workspace.files import Folder, contents
from casecart.workspace.findings import did_you_mean
from casecart.workspace.ownership import misnamed
from casecart.workspace.reader import read
from casecart.workspace.reading import Reading
from casecart.workspace.yaml import LARGEST, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from casecart.canonical.master import MasterDocument
    from casecart.commands.site import Site
    from casecart.store import MasterVersion, Store

__all__ = [
    "OWNERSHIP",
    "append",
    "load_catalogue",
    "load_documents",
    "load_makers",
    "read_ownership",
    "rule_of",
    "tidy",
    "versions",
]

OWNERSHIP = "config/ownership.yaml"

SLICE = 5_000
"""Versions that are read at once."""

BATCH = 1_000
"""Versions that are written at once: an engine waits for some 20 ms."""


def _current(store: Store) -> Iterator[MasterVersion]:
    after = 0
    while found := store.master(after, SLICE, current=False):
        yield from found
        after = found[-1].position


def load_documents(store: Store) -> dict[DocumentKey, MasterDocument]:
    """Every document there is; one that is damaged counts as not there, so that it is brought in again."""
    documents: dict[DocumentKey, MasterDocument] = {}
    for version in _current(store):
        key = DocumentKey(version.kind, version.facility, version.key)
        if version.data:
            try:
                documents[key] = decode_document(version.kind, version.data)
            except Damaged:
                documents.pop(key, None)
        else:
            documents.pop(key, None)
    return documents


def load_makers(store: Store) -> dict[DocumentKey, str]:
    """The system that brought each document in, since it was last removed."""
    makers: dict[DocumentKey, str] = {}
    for version in _current(store):
        key = DocumentKey(version.kind, version.facility, version.key)
        if version.data:
            makers.setdefault(key, version.source)
        else:
            makers.pop(key, None)
    return makers


def load_catalogue(store: Store) -> Catalogue:
    """As the engine has it."""
    catalogue = Catalogue()
    for key, document in load_documents(store).items():
        catalogue.put(*key, document)
    return catalogue


def append(store: Store, rows: Sequence[MasterVersion], told: Callable[[int], None] = lambda _: None) -> int:
    """Adds versions unseen, within `master_lock`; the last one's position, for `Change.publish`.

    Args:
        store: for a person.
        rows: at least one.
        told: how many are written, now and then.
    """
    last = 0
    for first in range(0, len(rows), BATCH):
        last = store.append_master(rows[first : first + BATCH])
        told(min(first + BATCH, len(rows)))
    return last


def tidy(store: Store) -> None:
    """Marks what is stood over by now, within `master_lock`. It only makes later readings quicker."""
    while store.tidy_master(BATCH):
        pass


def read_ownership(site: Site) -> Ownership | None:
    """`config/ownership.yaml`; None where there is none. Raises `WorkspaceError`."""
    findings: list[Finding] = list(misnamed(Folder(site.root)))
    if not os.path.lexists(site.root / OWNERSHIP) and not findings:
        return None
    data = contents(Folder(site.root), OWNERSHIP, LARGEST, findings)
    node, mistakes = (None, []) if data is None else parse(data, OWNERSHIP)
    reading = Reading()
    declared = None if node is None else read(Ownership, node, reading)
    for sort, name in reading.used:
        if sort == "facility" and name not in site.time_zones:
            words = f"no facility has the name '{name}'"
            findings.append(Finding(name.place, "error", "unknown-name", words, did_you_mean(name, site.time_zones)))
    findings += [*mistakes, *reading.findings]
    # Whatever is wrong: what is left of a file must not decide who may say what.
    if declared is None or any(finding.severity == "error" for finding in findings):
        raise WorkspaceError(findings)
    return declared
