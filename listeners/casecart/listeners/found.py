"""A complete file: what is in it, and how to tell it from another one under its name."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import Final

from casecart.formats.hl7v2.file import MessageFile, read_file

__all__ = ["Found", "Identity", "identity_of", "read_found", "shown"]

_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_KEPT: Final = 65_536
"""Bytes of a file that can't be taken, for its record."""

_UNREADABLE: Final = {
    **dict.fromkeys((errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.ENODEV), "not-a-file"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "not-permitted"),
    errno.EIO: "not-readable",
}
"""What the opening of a file says of the file itself, and not of its folder."""

_WORDS: Final = {
    "not-a-file": "This is a link, a pipe or a device, and no file.",
    "too-large": "The file is larger than `maximum_file` of its listener.",
    "not-readable": "The disk that the file is on fails when it is read.",
    "not-permitted": "The file can't be read: its permissions don't let casecart.",
}

Identity = tuple[int, int, int, int]
"""Device, inode, size and time of the last change: what tells a file that is still written."""


@dataclass(frozen=True, slots=True)
class Found:
    """A complete file.

    Attributes:
        name: as the system has it.
        identity: of what was read.
        content: what is in it.
        start: its first bytes, for the record of one that can't be taken.
    """

    name: str
    identity: Identity
    content: MessageFile
    start: bytes = b""


def shown(name: str) -> str:
    """A file's name as text that any database takes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def identity_of(about: os.stat_result) -> Identity:
    """What a file is now."""
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns


def read_found(folder: int, name: str, identity: Identity, maximum: int) -> Found | None:
    """What is in a file; None if it is not what it was. `OSError`: the folder or its disk fails.

    Args:
        folder: an open one.
        name: in it; a link is not followed, a pipe not waited for.
        identity: of the file when it was looked at.
        maximum: bytes of the largest file that is read.
    """
    try:
        data = _data(folder, name, identity, maximum)
    except FileNotFoundError:
        return None
    except OSError as error:
        code = _UNREADABLE.get(error.errno or 0)
        if code is None:
            raise
        return _unusable(name, identity, code)
    if data is None or isinstance(data, str):
        return None if data is None else _unusable(name, identity, data)
    content = read_file(data)
    return Found(name, identity, content, data[:_KEPT] if content.code else b"")


def _data(folder: int, name: str, identity: Identity, maximum: int) -> bytes | str | None:
    """The bytes; or why it is not read; None if it is not what it was."""
    # Looked at before it is opened: to open a device may already do something.
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        return "not-a-file"
    if identity[2] > maximum:
        return "too-large"
    descriptor = os.open(name, _OPEN, dir_fd=folder)
    try:
        data = _all_of(descriptor, identity[2])
        about = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    same = len(data) == identity[2] and identity == identity_of(about) and stat.S_ISREG(about.st_mode)
    return data if same else None


def _unusable(name: str, identity: Identity, code: str) -> Found:
    return Found(name, identity, MessageFile((), code, _WORDS[code]))


def _all_of(descriptor: int, size: int) -> bytes:
    """No more than one byte beyond the size: a file may grow faster than it can be read."""
    parts = []
    left = size + 1
    while left and (part := os.read(descriptor, min(left, 1_048_576))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
