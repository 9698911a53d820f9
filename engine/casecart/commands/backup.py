"""Back a site's store up, verify a backup, and restore it so that nothing is posted twice."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from casecart.commands.balance import balances, read_counters
from casecart.commands.moment import microseconds, moment
from casecart.commands.refusal import Refusal
from casecart.commands.restored import marks, names_of
from casecart.commands.site import opened, read_site
from casecart.commands.workspace import load_workspace
from casecart.rules import Keys
from casecart.runtime.clock import wall_clock
from casecart.runtime.restored import Mark
from casecart.store import AuditRecord, Change, StoreMisconfigured, open_store
from casecart.store.backup_file import BackupRefused, Manifest, manifest_of
from casecart.store.location import SqliteFile, locate
from casecart.workspace import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from casecart.commands.actor import Actor
    from casecart.commands.site import Site

__all__ = ["BackupView", "Restored", "create_backup", "restore_backup", "verify_backup"]


class BackupView(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that is whole."""

    file: str
    manifest_file: str
    manifest: Manifest


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did."""

    file: str
    store: str
    taken_at: datetime
    restored_at: datetime
    aside: str | None
    """Where the store is that stood there before."""
    destinations: list[str]
    """Paused: each gets nothing until it is reconciled and resumed."""


def create_backup(root: Path, target: Path, actor: Actor, told: Callable[[str], None]) -> BackupView:
    """Makes a backup while the engine is at work; who did it is in the audit trail, and so in the backup.

    Args:
        root: the workspace.
        target: the file, or a folder in which it is named by the time.
        actor: who makes it.
        told: what is being done.

    Raises:
        Refusal: it can't be made there.
        StoreMisconfigured, StoreUnavailable, StoreBroken: as the store says.
    """
    _permit(actor)
    site = read_site(root)
    location = locate(site.store_url)
    of_sqlite = isinstance(location, SqliteFile)
    file = _target(site, target, "db" if of_sqlite else "dump")
    folder = file.parent.resolve()
    beside = isinstance(location, SqliteFile) and folder == location.path.parent.resolve()
    if beside or (root / "var").resolve() in (folder, *folder.parents):
        words = f"{file.parent} is where the store is: a backup that is lost with it is none. Name another folder"
        raise Refusal("bad-value", f"{words}, best on another disk")
    if os.path.lexists(file):
        raise Refusal("bad-value", f"{file} is there already; a backup is never overwritten: name another file")
    if not file.parent.is_dir():
        raise Refusal("bad-value", f"there is no folder {file.parent}: make it first")
    with opened(site, "person") as store:
        detail = msgspec.json.encode({"file": str(file)}).decode()
        store.write(Change(audit=[AuditRecord(wall_clock(), actor.name, "backup.create", "store", detail)]))
    from casecart.store import backup as backups  # noqa: PLC0415 - for help nobody should wait for a database's driver

    try:
        manifest = backups.create(site.store_url, file, told=told, now=wall_clock, exact=_exact)
    except BackupRefused as refused:
        raise Refusal("bad-value", str(refused)) from refused
    return _view(file, manifest)


def verify_backup(file: Path, told: Callable[[str], None]) -> BackupView:
    """Reads all of a backup. Raises `Refusal` where it can't be restored."""
    from casecart.store import backup as backups  # noqa: PLC0415 - as above

    try:
        return _view(file, backups.verify(file, told=told))
    except BackupRefused as refused:
        raise Refusal("bad-value", str(refused)) from refused


def restore_backup(root: Path, file: Path, actor: Actor, told: Callable[[str], None], *, replace: bool) -> Restored:
    """Verifies a backup and puts it in the store's place. From its first moment on each destination is paused.

    Raises:
        Refusal: the backup is none, or not this workspace's; or something is in the store and `replace` isn't wished.
        StoreInUse: an engine is at work.
        StoreUnavailable: no room, or no server.
    """
    _permit(actor)
    site = read_site(root)
    manifest = verify_backup(file, told).manifest
    _must_be_same_keys(root, manifest)
    now = wall_clock()
    mark = Mark(backup=file.name, taken_at=microseconds(manifest.taken_at), restored_at=now)
    names = _known(site)
    timers, switches = marks(names, mark, actor.name)
    stamp = f"{moment(now):%Y%m%dT%H%M%SZ}"
    from casecart.store import backup as backups  # noqa: PLC0415 - as above

    try:
        aside = backups.restore(
            site.store_url,
            file,
            manifest,
            backups.Marks(timers, switches),
            replace=replace,
            stamp=stamp,
            told=told,
        )
    except BackupRefused as refused:
        raise Refusal("bad-value", str(refused)) from refused
    with opened(site, "person") as store:
        # Of those that only the backup knows, too.
        more = [name for name in names_of(site, store) if name not in names]
        timers, switches = marks(more, mark, actor.name)
        detail = {"file": str(file), "sha256": manifest.sha256, "taken_at": manifest.taken_at.isoformat()}
        words = msgspec.json.encode(detail | ({"aside": aside} if aside else {})).decode()
        audit = [AuditRecord(now, actor.name, "backup.restore", "store", words)]
        store.write(Change(timers=list(timers[1:]), switches=list(switches), audit=audit))
    return Restored(
        file=str(file),
        store=site.store_place,
        taken_at=manifest.taken_at,
        restored_at=moment(now),
        aside=aside,
        destinations=[*names, *more],
    )


def _permit(actor: Actor) -> None:
    if "operate" not in actor.permissions:
        raise Refusal("not-permitted", f"{actor.name} may not do this: it needs the right to operate")


def _target(site: Site, target: Path, ending: str) -> Path:
    if not target.is_dir():
        return target
    organisation = re.sub(r"[^A-Za-z0-9]+", "-", site.organisation).strip("-").lower()
    names = [part for part in ("casecart", organisation) if part]
    return target / f"{'-'.join(names)}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{ending}"


def _exact(url: str) -> bool | None:
    """Whether both balances are exact in a copy of a store, in which nothing moves."""
    store = open_store(url, role="reader")
    try:
        reading = read_counters(store)
        both = balances(reading, [])
    finally:
        store.close()
    return all(balance.exact for balance in (*both.messages, both.lines))


def _must_be_same_keys(root: Path, manifest: Manifest) -> None:
    """Another secret would give every line another key. The engine refuses it, too; here it is told in time."""
    try:
        secret = load_workspace(root).engine.secrets.keys.reveal(os.environ, root)
    except WorkspaceError:
        return  # a mistake elsewhere in the workspace must not keep anybody from a restore
    if manifest.heads.keys and f"{Keys(secret.encode()).fingerprint:016x}" != manifest.heads.keys:
        words = "the workspace's secret for keys is not the one that the backup's store was filled with"
        raise Refusal(
            "bad-value", f"{words}: with another one everything would be posted again. Bring the old one back"
        )


def _known(site: Site) -> list[str]:
    """The destinations of today's configuration, and of the store that is there, if it can be read."""
    try:
        with opened(site, "reader") as store:
            return names_of(site, store)
    except (StoreMisconfigured, OSError):
        return list(site.destinations)


def _view(file: Path, manifest: Manifest) -> BackupView:
    return BackupView(file=str(file), manifest_file=str(manifest_of(file)), manifest=manifest)
