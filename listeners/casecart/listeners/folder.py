"""A folder that files come to: which are complete, what is in them, and where each goes when that is stored.

All of it blocks, and belongs in a thread. Every name is looked up in folders that are held open, is never followed when
it is a link, and never leads anywhere else.
"""

from __future__ import annotations

import errno
import fcntl
import heapq
import os
import stat
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from casecart.listeners.found import Found, Identity, identity_of, read_found

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["DONE", "FAILED", "REASON", "Folder", "FolderTrouble"]

DONE: Final = "done"
FAILED: Final = "failed"
REASON: Final = ".reason"

_UNFINISHED: Final = (".part", ".tmp", ".temp", ".partial", ".filepart", ".crdownload", ".swp", "~")
"""How writers call a file that they have not finished; so they do with a dot in front."""

_LOCK: Final = ".casecart.lock"

_MOST_NAMES: Final = 1_000
_MOST_FILES: Final = 25
_MOST_BYTES: Final = 8_000_000
_LONGEST_NAME: Final = 200  # bytes; file systems take 255, and a time or `.reason` may be added

_OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})

_CODES: Final = {
    errno.ENOENT: "folder-gone",
    errno.ENOTDIR: "folder-gone",
    errno.ESTALE: "folder-gone",
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EFBIG: "disk-full",
    errno.EACCES: "not-permitted",
    errno.EPERM: "not-permitted",
    errno.EROFS: "not-permitted",
}


class FolderTrouble(Exception):
    """The folder can't be used now.

    Args:
        code: `folder-gone`, `not-permitted`, `disk-full`, `in-use` or `folder-unusable`.
        words: for the person who must act.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(slots=True)
class _Seen:
    """A file that was there at the last look: since when, and since when as it is now."""

    identity: Identity
    first: float
    since: float


class Folder:
    """One folder with `done` and `failed` in it.

    To be used by one thread at a time. While it is open, no other engine takes files from it where the file system has
    locks; without them, each file is taken by whoever moves it first, and the store knows what came twice.

    Args:
        path: where it is; it may be gone at any time, and be there again.
        settle: seconds that a file must be unchanged before it counts as complete.
        maximum: bytes of the largest file.
    """

    def __init__(self, path: Path, settle: float, maximum: int) -> None:
        self._path, self._settle, self._maximum = path, settle, maximum
        self._seen: dict[str, _Seen] = {}
        self._held = ExitStack()
        self._locked: tuple[int, int] | None = None
        self.held_up = 0.0
        """Seconds that the first file of all has been there without being complete; others wait behind it."""

    def make(self) -> None:
        """Make it where it isn't there. `FolderTrouble`: it can't be."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._trouble(error) from error

    def look(self, now: float) -> list[Found]:
        """The files that are complete, by name, a bounded number; none behind one that is still written.

        Args:
            now: monotonic, seconds.

        Raises:
            FolderTrouble: the folder can't be used; nothing was taken.
        """
        try:
            with ExitStack() as opened:
                folder = self._opened(opened)
                with os.scandir(folder) as entries:
                    finished = (entry.name for entry in entries if _finished(entry.name))
                    names = heapq.nsmallest(_MOST_NAMES, finished, key=os.fsencode)
                return self._read_all(folder, self._settled(folder, names, now))
        except OSError as error:
            raise self._trouble(error) from error

    def put_away(self, files: Iterable[tuple[Found, str]]) -> None:
        """Move files to `done`, or to `failed` with the reason beside them.

        One that is gone is passed over, and one that is not what was read stays, to be read again.

        Args:
            files: each with the reason; empty: it is done.

        Raises:
            FolderTrouble: it can't be; those before it are moved.
        """
        try:
            with ExitStack() as opened:
                folder = self._opened(opened)
                done = opened.enter_context(_Opened(DONE, folder)).descriptor
                failed = opened.enter_context(_Opened(FAILED, folder)).descriptor
                for found, reason in files:
                    _move(folder, failed if reason else done, found, reason)
                    self._seen.pop(found.name, None)
        except OSError as error:
            raise self._trouble(error) from error

    def close(self) -> None:
        """Let others take files."""
        self._held.close()
        self._locked = None

    # --- the folder itself

    def _opened(self, opened: ExitStack) -> int:
        """The folder, locked, with both of its own in it."""
        folder = opened.enter_context(_Opened(self._path, None)).descriptor
        about = os.fstat(folder)
        if self._locked != (about.st_dev, about.st_ino):  # another one is there now under this name
            self.close()
            self._seen.clear()
            self._lock(folder)
            self._locked = (about.st_dev, about.st_ino)
        _must_be_writable(folder)
        for name in (DONE, FAILED):
            with suppress(FileExistsError):
                os.mkdir(name, 0o750, dir_fd=folder)
            with _Opened(name, folder) as inner:
                _must_be_writable(inner.descriptor)
        return folder

    def _lock(self, folder: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        with ExitStack() as kept:
            lock = os.open(_LOCK, flags, 0o640, dir_fd=folder)
            kept.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                words = f"Another engine, or another listener of this one, takes the files of {self._path}."
                raise FolderTrouble("in-use", words) from None
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            self._held = kept.pop_all()

    def _trouble(self, error: OSError) -> FolderTrouble:
        code = _CODES.get(error.errno or 0, "folder-unusable")
        reason = error.strerror or type(error).__name__
        return FolderTrouble(code, f"The folder {self._path} can't be used: {reason}.")

    # --- its files

    def _settled(self, folder: int, names: list[str], now: float) -> list[str]:
        """Those that are complete, up to the first that isn't."""
        seen, self._seen = self._seen, {}
        settled: list[str] = []
        self.held_up = 0.0
        waits = False
        for name in names:
            try:
                about = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(about.st_mode):
                continue
            identity, before = identity_of(about), seen.get(name)
            if before is None:
                before = _Seen(identity, now, now)
            elif before.identity != identity:
                before.identity, before.since = identity, now
            self._seen[name] = before
            if not waits and now - before.since < self._settle:
                waits, self.held_up = True, now - before.first
            if not waits:
                settled.append(name)
        return settled

    def _read_all(self, folder: int, names: list[str]) -> list[Found]:
        found: list[Found] = []
        size = 0
        for name in names[:_MOST_FILES]:
            size += self._seen[name].identity[2]
            if found and size > _MOST_BYTES:
                break
            one = read_found(folder, name, self._seen[name].identity, self._maximum)
            if one is None:
                break
            found.append(one)
        return found


class _Opened:
    """A folder, open; not through a link, when it is in another one."""

    def __init__(self, name: str | Path, above: int | None) -> None:
        flags = _OPEN_FOLDER if above is None else _OPEN_FOLDER | os.O_NOFOLLOW
        self.descriptor = os.open(name, flags, dir_fd=above)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def _finished(name: str) -> bool:
    return not name.startswith(".") and not name.lower().endswith(_UNFINISHED)


def _must_be_writable(folder: int) -> None:
    """Known before anything is taken: what can't be moved would have to be read again."""
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _move(folder: int, target: int, found: Found, reason: str) -> None:
    if not _is(folder, found.name, found):
        return
    name = _free(target, found.name)
    if reason:  # first, so that no file is there without it
        _write(target, f"{name}{REASON}", reason)
    try:
        os.rename(found.name, name, src_dir_fd=folder, dst_dir_fd=target)
    except OSError as error:
        _remove_reason(target, name, reason)
        if error.errno != errno.ENOENT:  # else somebody took it away meanwhile
            raise
        return
    if not _is(target, name, found):  # another one came under its name in the last moment, and nobody has read that
        _remove_reason(target, name, reason)
        os.rename(name, _free(folder, found.name), src_dir_fd=target, dst_dir_fd=folder)


def _is(folder: int, name: str, found: Found) -> bool:
    try:
        return identity_of(os.stat(name, dir_fd=folder, follow_symlinks=False)) == found.identity
    except FileNotFoundError:
        return False


def _write(folder: int, name: str, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o640, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise


def _remove_reason(folder: int, name: str, reason: str) -> None:
    if reason:
        with suppress(OSError):
            os.unlink(f"{name}{REASON}", dir_fd=folder)


def _free(folder: int, name: str) -> str:
    """The file's name, or with a time behind it where that is taken: nothing is ever overwritten."""
    free = stem = os.fsdecode(os.fsencode(name)[:_LONGEST_NAME])
    while _taken(folder, free) or _taken(folder, f"{free}{REASON}"):
        free = f"{stem}.{time.time_ns()}"
    return free


def _taken(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
