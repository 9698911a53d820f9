"""The files of a backup: whole under their names or not there, and for their owner alone; a manifest tells of them."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from casecart.store.failure import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "BackupRefused",
    "Heads",
    "Manifest",
    "manifest_of",
    "must_have_room",
    "new_file",
    "read_manifest",
    "same_bytes",
    "synced",
    "write_manifest",
]

FORMAT: Final = 1
"""Of the manifest: a later program reads all older ones."""

SPARE: Final = 16 * 1024 * 1024
"""Bytes that must be free beyond what is written."""

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class BackupRefused(Exception):
    """A backup can't be made, read or restored like this; nothing was changed. The words say what to do."""


class Heads(msgspec.Struct, frozen=True, kw_only=True):
    """How far a store was when the backup was taken."""

    message: int
    """The highest position."""
    ledger: int
    """The highest sequence."""
    event: int
    audit: int
    audit_digest: str
    """Of the newest record of the audit trail, hexadecimal; empty: there is none."""
    commit: int
    """The number of the journal's last commit."""
    waiting: int
    """Messages that were to be mapped."""
    open: int
    """Postings that were on their way."""
    keys: str
    """Tells the secret of keys from another, without telling it; empty: no engine has used the store yet."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a backup. It holds no secret, and nothing of a message."""

    format: int
    casecart: str
    """The version that made it."""
    kind: Literal["sqlite", "postgresql"]
    revision: str
    """Of the store's tables."""
    place: str
    """Where the store was."""
    taken_at: datetime
    """All that was committed before is in it, and nothing later."""
    size: int
    sha256: str
    heads: Heads
    namespace: str = ""
    """PostgreSQL's schema."""
    exact: bool | None = None
    """Whether both balances were exact in it; None: it was not looked at."""


def manifest_of(backup: Path) -> Path:
    """Where a backup's manifest is."""
    return backup.with_name(f"{backup.name}.manifest.json")


def write_manifest(backup: Path, manifest: Manifest) -> None:
    """The last thing that is written of a backup: without it, none is whole."""
    path = manifest_of(backup)
    with new_file(path) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def read_manifest(backup: Path) -> Manifest:
    """What stands beside a backup. Raises `BackupRefused`."""
    if not backup.is_file():
        raise BackupRefused(f"there is no backup {backup}")
    path = manifest_of(backup)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        words = f"{backup} has no manifest {path.name} beside it: it is no backup, or it was not finished or not copied"
        raise BackupRefused(f"{words} with it") from None
    except OSError as error:
        raise BackupRefused(f"{path} can't be read: {error.strerror}") from error
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError:
        raise BackupRefused(f"{path} is no manifest of a backup, or it was altered") from None
    if manifest.format > FORMAT:
        raise BackupRefused(f"{path} was written by a newer casecart ({manifest.casecart}): use that version")
    return manifest


def same_bytes(path: Path, manifest: Manifest) -> None:
    """Raises `BackupRefused` unless a file is what the manifest was written for."""
    try:
        size = path.stat().st_size
        if size != manifest.size:
            words = f"{path} has {size:,} bytes and the manifest says {manifest.size:,}: it was cut short or altered"
            raise BackupRefused(words)
        if digest_of(path) != manifest.sha256:
            raise BackupRefused(f"{path} is not what was written: its SHA-256 differs from the manifest's")
    except OSError as error:
        raise BackupRefused(f"{path} can't be read: {error.strerror}") from error


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Gives the path of a part to be written, which is synced and has the target's name in the end; or nothing is left.

    Raises:
        BackupRefused: the target is there already, or its folder can't be written to.
        StoreUnavailable: the disk is full.
    """
    part = target.with_name(f".{target.name}.part")
    if os.path.lexists(target):
        raise BackupRefused(f"{target} is there already; a backup is never overwritten: name another file")
    if not target.parent.is_dir():
        raise BackupRefused(f"there is no folder {target.parent}")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        yield part
        synced(part)
        part.rename(target)
        synced(target.parent)
    except OSError as error:
        _remove(part)
        raise _explained(error, target) from error
    except BaseException:
        _remove(part)
        raise


def synced(path: Path) -> None:
    """A file, or the names in a folder, outlive a power cut from here on."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def must_have_room(folder: Path, needed: int, what: str) -> None:
    """Raises `StoreUnavailable` where a folder has no room for that many bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        words = f"{folder} has {free / 1e6:,.0f} MB free, and {what} needs about {(needed + SPARE) / 1e6:,.0f} MB"
        raise StoreUnavailable(f"{words}: make room, or name another place")


def _remove(part: Path) -> None:
    # SQLite puts two files beside its own; with what failed they are of no use.
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            part.with_name(f"{part.name}{suffix}").unlink()


def _explained(error: OSError, target: Path) -> BackupRefused | StoreUnavailable:
    if error.errno in _FULL:
        return StoreUnavailable(f"{target} can't be written: {error.strerror}; nothing is left of it")
    return BackupRefused(f"{target} can't be written: {error.strerror}")
