"""Bring tables of master data in: look at all of it, show what it changes, then write it whole or not at all."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from casecart.commands.desk import Desk
from casecart.commands.master_data import append, load_documents, read_ownership, rule_of, tidy, versions
from casecart.commands.refusal import Refusal
from casecart.commands.site import opened, read_site
from casecart.master.export import describe
from casecart.master.gudid import read_gudid
from casecart.master.import_plan import plan_import
from casecart.master.table_file import read_table_file
from casecart.master.tables import TABLES, table_for
from casecart.runtime.clock import wall_clock
from casecart.runtime.identifier import Identifiers
from casecart.runtime.not_owner import MOST_CONFLICTS, new_conflicts
from casecart.store import AuditRecord, Change
from casecart.workspace import Finding, WorkspaceError
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from casecart.canonical.master import MasterDocument
    from casecart.commands.actor import Actor
    from casecart.commands.site import Site
    from casecart.master.import_plan import ImportPlan, Reach
    from casecart.master.ownership import OwnershipRule
    from casecart.master.table_file import DocumentKey, TableRows
    from casecart.store import Store

__all__ = ["Brought", "ImportAnswer", "ImportMaster", "TallyView", "bring_in", "import_master"]

EXAMPLES = 20
"""Changes that are shown."""

FEW = 10
"""Lines that may be removed without more ado; of a long table, one in twenty."""

SHARE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMaster:
    """The wish to bring files in.

    Attributes:
        files: in any order; they belong together.
        source: the system that says all this.
        table: what they all are, where their names don't tell.
        part: they are parts of their tables: nothing is removed.
        gudid: they are tables of a GUDID release.
        allow_removals: however many lines go.
        dry_run: look, and write nothing.
        origin: where it all comes from, where that is no files.
    """

    files: Sequence[Path]
    source: str
    table: str | None = None
    part: bool = False
    gudid: bool = False
    allow_removals: bool = False
    dry_run: bool = False
    origin: str = ""


@dataclass(slots=True)
class Brought:
    """Tables that are brought in.

    Attributes:
        tables: read without errors.
        findings: what was found while they were read.
        passed_over: what was left out of them.
        reach: what they remove by lacking it; None: as far as the source may.
        named: makes of a finding one that names what it is about, where there is no file to look into.
    """

    tables: list[TableRows]
    findings: list[Finding] = field(default_factory=list)
    passed_over: int = 0
    reach: Reach | None = None
    named: Callable[[Finding], Finding] = lambda finding: finding


class TallyView(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the lines of a table."""

    table: str
    added: int
    changed: int
    removed: int
    same: int


class ImportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an import changes."""

    source: str
    tables: list[TallyView]
    documents: int
    """How many are another one afterwards."""
    examples: list[str]
    """The first changes, in words."""
    conflicts: int
    """Groups of fields that the source doesn't own. Each becomes an exception."""
    passed_over: int
    """Devices of a GUDID release that are no items here."""
    warnings: list[str]
    written: bool


def import_master(
    root: Path, wish: ImportMaster, actor: Actor, told: Callable[[str], None] = lambda _: None
) -> ImportAnswer:
    """Brings tables in.

    Args:
        root: the workspace.
        wish: what is brought in, and how.
        actor: who wishes it.
        told: what is being done, now and then.

    Raises:
        Refusal: nothing was written, for a reason that is not in a file.
        WorkspaceError: nothing was written: what is wrong in the files, or in the workspace.
        StoreInUse: somebody else is changing master data.
    """

    def read(_: Store, current: Mapping[DocumentKey, MasterDocument], __: OwnershipRule) -> Brought:
        if wish.gudid:
            return _gudid(wish, current, told)
        brought = Brought([])
        tables = (_table(path, wish, brought.findings, told) for path in wish.files)
        brought.tables += [rows for rows in tables if rows is not None]
        return brought

    return bring_in(root, wish, actor, read, told)


def bring_in(
    root: Path,
    wish: ImportMaster,
    actor: Actor,
    read: Callable[[Store, Mapping[DocumentKey, MasterDocument], OwnershipRule], Brought],
    told: Callable[[str], None] = lambda _: None,
) -> ImportAnswer:
    """Brings in what is read, wherever it is from. Raises as `import_master` does.

    Args:
        root: the workspace.
        wish: how it is brought in; its files are not looked at.
        actor: who wishes it.
        read: gives the tables; called with the store, all documents and who owns what, once nobody else can write.
        told: what is being done, now and then.
    """
    site = read_site(root)
    rule = rule_of(read_ownership(site))
    with opened(site, "reader" if wish.dry_run else "person") as store:
        desk = Desk(site=site, store=store, actor=actor, now=wall_clock)
        desk.permit("see" if wish.dry_run else "operate")

        def planned() -> tuple[ImportAnswer, ImportPlan]:
            current = load_documents(store)
            return _planned(wish, site, current, rule, read(store, current, rule), told)

        if wish.dry_run:
            return planned()[0]
        # Locked before it is looked at: what is written is the difference to what is there.
        with store.master_lock():
            answer, plan = planned()
            _write(store, wish, plan, site, actor, told)
    return msgspec.structs.replace(answer, written=True)


def _planned(  # noqa: PLR0917 - what a plan is made of
    wish: ImportMaster,
    site: Site,
    current: Mapping[DocumentKey, MasterDocument],
    rule: OwnershipRule,
    brought: Brought,
    told: Callable[[str], None],
) -> tuple[ImportAnswer, ImportPlan]:
    findings = brought.findings
    _refuse(findings)
    told("looking for what it changes")
    plan = plan_import(
        current,
        brought.tables,
        source=wish.source,
        owners=rule,
        part=wish.part or wish.gudid,
        facilities=site.time_zones,
        reach=brought.reach,
    )
    findings = [*findings, *map(brought.named, plan.findings)]
    _refuse(findings)
    if len(plan.conflicts) > MOST_CONFLICTS:
        words = (
            f"{len(plan.conflicts):,} groups of fields belong to other systems than '{wish.source}': name the source "
            "that the files are from with --from, or change config/ownership.yaml"
        )
        raise Refusal("bad-value", words)
    for name, tally in plan.tallies.items():
        if tally.removed > max(FEW, tally.before // SHARE) and not (wish.allow_removals or wish.dry_run):
            why, part = "the file lacks them", ", and if the file is a part of the table, --part"
            if not wish.files:
                why, part = f"the {wish.origin} does not bring them any more", ""
            words = (
                f"{tally.removed:,} of {tally.before:,} lines of {name} would be removed, because {why}; "
                f"if that is right, add --allow-removals{part}"
            )
            raise Refusal("bad-value", words)
    warnings = [str(finding) for finding in findings]
    answer = ImportAnswer(
        source=wish.source,
        tables=[
            TallyView(table=name, added=each.added, changed=each.changed, removed=each.removed, same=each.same)
            for name, each in plan.tallies.items()
        ],
        documents=len(plan.changes),
        examples=[words for change in plan.changes[:EXAMPLES] for words in describe(change)][:EXAMPLES],
        conflicts=len(plan.conflicts),
        passed_over=brought.passed_over,
        warnings=warnings,
        written=False,
    )
    return answer, plan


def _table(path: Path, wish: ImportMaster, findings: list[Finding], told: Callable[[str], None]) -> TableRows | None:
    table = table_for(path.name) if wish.table is None else TABLES.get(wish.table)
    if table is None:
        name = path.name if wish.table is None else wish.table
        words = f"'{name}' is not called after a table; those are {listed(TABLES, most=30)}: say which with --as TABLE"
        raise Refusal("bad-value", words, did_you_mean(name.split(".")[0], TABLES))
    told(f"reading {path}")
    rows, found = read_table_file(_bytes(path), str(path), table)
    findings += found
    return rows


def _gudid(wish: ImportMaster, current: Mapping[DocumentKey, MasterDocument], told: Callable[[str], None]) -> Brought:
    by_name = {path.name.lower().removesuffix(".txt").removesuffix(".csv"): path for path in wish.files}
    if by_name.keys() != {"device", "identifiers"}:
        raise Refusal("bad-value", "a GUDID release is brought in by two of its files: device.txt and identifiers.txt")
    device, identifiers = by_name["device"], by_name["identifiers"]
    told(f"reading {device} and {identifiers}")
    try:
        with (
            io.TextIOWrapper(device.open("rb"), "utf-8-sig") as devices,
            io.TextIOWrapper(identifiers.open("rb"), "utf-8-sig") as numbers,
        ):
            found = read_gudid(devices, numbers, current, files=(str(device), str(identifiers)), source=wish.source)
    except UnicodeDecodeError:
        raise Refusal("bad-value", f"{device} or {identifiers} is not UTF-8 text") from None
    except OSError as error:
        raise Refusal("not-found", f"the file {error.filename} can't be read: {error.strerror}") from None
    return Brought(found.tables, found.findings, found.passed_over)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refusal("not-found", f"the file {path} can't be read: {error.strerror}") from None


def _refuse(findings: Sequence[Finding]) -> None:
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise WorkspaceError(sorted(errors, key=lambda finding: finding.place))


def _write(  # noqa: PLR0917 - what an import consists of
    store: Store, wish: ImportMaster, plan: ImportPlan, site: Site, actor: Actor, told: Callable[[str], None]
) -> None:
    now = wall_clock()
    origin = wish.origin or " ".join(path.name for path in wish.files)
    rows = versions(plan.changes, actor=actor.name, source=wish.source, origin=origin, now=now)
    change = Change()
    if rows:
        change.publish(append(store, rows, lambda written: told(f"writing {written:,} of {len(rows):,}")))
    change.holds += new_conflicts(
        store,
        plan.conflicts,
        organisation=site.organisation,
        actor=actor.name,
        identifier=Identifiers(wall_clock, os.urandom).mint,
        now=now,
    )
    if change:
        detail = {
            "source": wish.source,
            "files": origin,
            "documents": str(len(rows)),
            "conflicts": str(len(plan.conflicts)),
        }
        words = msgspec.json.encode(detail).decode()
        change.audit.append(AuditRecord(now, actor.name, "master.import", f"master:{wish.source}", words))
        store.write(change)
    told("tidying up")
    tidy(store)
