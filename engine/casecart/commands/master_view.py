"""Look at master data: a document as it is, how it came to be so, a whole table, and who owns what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from casecart.canonical.master import KINDS, SEPARATOR, decode_document
from casecart.commands.desk import Query
from casecart.commands.master_data import load_documents, read_ownership
from casecart.commands.moment import moment
from casecart.commands.refusal import Refusal
from casecart.master.export import describe, export_rows
from casecart.master.import_plan import DocumentChange
from casecart.master.table_file import DocumentKey
from casecart.master.tables import TABLES
from casecart.workspace import GROUPS
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casecart.canonical.master import MasterDocument
    from casecart.commands.desk import View
    from casecart.workspace import Text

__all__ = [
    "ExportMaster",
    "MasterView",
    "OwnersView",
    "ShowMaster",
    "ShowMasterHistory",
    "ShowOwners",
    "VersionView",
]


class MasterView(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it is now, everywhere or at one facility."""

    kind: str
    key: list[str]
    facility: str
    fields: dict[str, Any]
    recorded_at: datetime
    actor: str
    source: str
    origin: str
    """Where its last change came from."""


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a document, and what it changed."""

    facility: str
    recorded_at: datetime
    actor: str
    source: str
    origin: str
    changes: list[str]


class OwnersView(msgspec.Struct, frozen=True, kw_only=True):
    """Who owns a group of fields."""

    kind: str
    group: str
    facility: str
    owners: list[str]
    """Empty: everybody may say it."""
    place: str
    """Where that is declared; empty where it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowMaster(Query[list[MasterView]]):
    """A document, with what facilities have of their own."""

    kind: str
    key: Sequence[str]

    def answer(self, view: View) -> list[MasterView]:
        """The one that holds everywhere first."""
        newest: dict[str, Any] = {}
        for version in view.store.master_history(_kind(self.kind), SEPARATOR.join(self.key)):
            newest.setdefault(version.facility, version)
        found = [
            MasterView(
                kind=self.kind,
                key=list(self.key),
                facility=version.facility,
                fields=_fields(decode_document(self.kind, version.data)),
                recorded_at=moment(version.recorded_at),
                actor=version.actor,
                source=version.source,
                origin=version.origin,
            )
            for _, version in sorted(newest.items())
            if version.data
        ]
        if not found:
            raise Refusal("not-found", f"there is no {self.kind} '{' '.join(self.key)}'")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowMasterHistory(Query[list[VersionView]]):
    """How a document came to be as it is."""

    kind: str
    key: Sequence[str]

    def answer(self, view: View) -> list[VersionView]:
        """Newest first."""
        key = SEPARATOR.join(self.key)
        versions = view.store.master_history(_kind(self.kind), key)
        if not versions:
            raise Refusal("not-found", f"there never was a {self.kind} '{' '.join(self.key)}'")
        before: dict[str, MasterDocument | None] = {}
        found = []
        for version in reversed(versions):
            after = decode_document(self.kind, version.data) if version.data else None
            change = DocumentChange(DocumentKey(self.kind, version.facility, key), before.get(version.facility), after)
            before[version.facility] = after
            found.append(
                VersionView(
                    facility=version.facility,
                    recorded_at=moment(version.recorded_at),
                    actor=version.actor,
                    source=version.source,
                    origin=version.origin,
                    changes=describe(change),
                )
            )
        return found[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportMaster(Query[list[list[str]]]):
    """A whole table."""

    table: str

    def answer(self, view: View) -> list[list[str]]:
        """The header, then its lines, in the order of their keys."""
        table = TABLES.get(self.table)
        if table is None:
            words = f"there is no table '{self.table}'; there are {listed(TABLES, most=30)}"
            raise Refusal("not-found", words, did_you_mean(self.table, TABLES))
        return list(export_rows(table, sorted(load_documents(view.store).items(), key=lambda each: each[0])))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOwners(Query[list[OwnersView]]):
    """The matrix of who may say what, as it is in force."""

    def answer(self, view: View) -> list[OwnersView]:
        """Every group of every kind, then what facilities have of their own. Raises `WorkspaceError`."""
        declared = read_ownership(view.site)
        everywhere = {} if declared is None else declared.owners
        rows = [
            _owners(kind, group, "", everywhere.get(kind, {}).get(group, ()))
            for kind, groups in GROUPS.items()
            for group in groups
        ]
        for facility, block in ({} if declared is None else declared.facilities).items():
            for kind, groups in block.owners.items():
                rows += [_owners(str(kind), str(group), str(facility), owners) for group, owners in groups.items()]
        return rows


def _owners(kind: str, group: str, facility: str, owners: Sequence[Text]) -> OwnersView:
    place = str(owners[0].place) if owners else ""
    return OwnersView(kind=kind, group=group, facility=facility, owners=[str(each) for each in owners], place=place)


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise Refusal("not-found", f"there is no kind '{kind}'; there are {listed(KINDS)}", did_you_mean(kind, KINDS))
    return kind


def _fields(document: MasterDocument) -> dict[str, Any]:
    """What a document says, by the names of its fields; of its rows likewise."""

    def said(struct: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a document, or a row of one
        values = {name: getattr(struct, name) for name in struct.__struct_fields__}
        return {name: value for name, value in values.items() if value not in (None, "", ())}

    return {
        name: [said(row) for row in value] if isinstance(value, tuple) else value
        for name, value in said(document).items()
    }
