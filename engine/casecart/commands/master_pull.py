"""Bring master data in as a destination has them: the same tables, looked at and written as those of files are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from casecart.commands.master_data import load_makers
from casecart.commands.master_import import Brought, ImportAnswer, ImportMaster, bring_in
from casecart.master.pulled import Known, pulled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from casecart.canonical.master import MasterDocument
    from casecart.commands.actor import Actor
    from casecart.master.ownership import OwnershipRule
    from casecart.master.table_file import DocumentKey
    from casecart.runtime.destination import MasterRead
    from casecart.store import Store

__all__ = ["PullAnswer", "PullMaster", "pull_master"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullMaster:
    """The wish to bring in what a destination has.

    Attributes:
        destination: its name; findings have it in place of a file's.
        source: the system that says all this.
        allow_removals: however many lines go.
        dry_run: look, and write nothing.
    """

    destination: str
    source: str
    allow_removals: bool = False
    dry_run: bool = False


class PullAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull changes."""

    destination: str
    changes: ImportAnswer
    passed_over: dict[str, int]
    """What the destination has and could not be taken, in words → how many."""


def pull_master(
    root: Path, wish: PullMaster, read: MasterRead, actor: Actor, told: Callable[[str], None] = lambda _: None
) -> PullAnswer:
    """Brings in what a destination said.

    It removes less than a file of the same table would: only documents that this source brought in and of which nobody
    else has said something, and only identifiers of this source, of the kinds that the destination tells.

    Args:
        root: the workspace.
        wish: how it is brought in.
        read: what it said.
        actor: who wishes it.
        told: what is being done, now and then.

    Raises:
        Refusal, WorkspaceError, StoreInUse: as `import_master` does; findings name ``destination/table``.
    """

    def tables(store: Store, current: Mapping[DocumentKey, MasterDocument], owners: OwnershipRule) -> Brought:
        known = Known(current, load_makers(store), owners)
        made = pulled(read.tables, known, source=wish.source, systems=read.systems, origin=wish.destination)
        return Brought(made.tables, made.findings, reach=made.reach, named=made.named)

    changes = bring_in(
        root,
        ImportMaster(
            files=(),
            source=wish.source,
            allow_removals=wish.allow_removals,
            dry_run=wish.dry_run,
            origin=f"pull from {wish.destination}",
        ),
        actor,
        tables,
        told,
    )
    return PullAnswer(destination=wish.destination, changes=changes, passed_over=dict(read.passed_over))
