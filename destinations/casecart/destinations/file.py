"""A folder that each posting comes to as one file, `KEY.json`, whole or not at all.

Delivery: keyed, for as long as a file stays where it was put. A second posting with the same key finds the
file and is compared with it: the same payload is posted already, another one is held. A program that takes
files away takes this memory with them. It must itself refuse a key that it has had: after a crash the engine
may write the file of an unconfirmed posting again, under the same name and with the same bytes.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.defer import DeferredLock, succeed
from twisted.internet.threads import deferToThreadPool

from casecart.runtime.destination import (
    Answer,
    Delivery,
    Destination,
    DestinationContext,
    DestinationSpec,
    NotDelivered,
    OutcomeUnknown,
    Posting,
    Preview,
)
from casecart.runtime.probe import folder_takes
from casecart.workspace import Declared, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from twisted.internet.defer import Deferred

    from casecart.runtime.probe import ProbeContext

__all__ = ["SPEC", "FileDestination", "FileSettings", "write"]

# What a file may be called: nothing that leads out of the folder, is hidden, or is one name with another on a
# disk that doesn't tell upper from lower case.
_KEY: Final = re.compile(r"[0-9a-f]{8,64}\.[0-9]{1,10}")

# What file systems without hard links (SMB, FAT, some of FUSE) answer to the wish for one.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})

_CODES: Final = {
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EFBIG: "disk-full",
    errno.EACCES: "not-permitted",
    errno.EPERM: "not-permitted",
    errno.EROFS: "not-permitted",
}


@declared(name="file destination", about="A folder that each posting comes to as a file.")
class FileSettings(Declared):
    """What is written under `kind: file`."""

    folder: Text = key(
        about="Where the files go, from the workspace on. It is made when it isn't there.",
        example="var/inventory",
    )
    batch: int = key(
        about="Postings that are written at a time; the folder is synchronised with the disk once for all.",
        example=100,
        default=100,
        minimum=1,
        maximum=10000,
    )


def _make(context: DestinationContext) -> Destination:
    return FileDestination(context)


def _preview(context: DestinationContext, postings: Sequence[Posting]) -> Deferred[Sequence[Preview]]:
    folder = cast("FileSettings", context.settings).folder
    return succeed([Preview([posting.key], f"{folder}/{_final(posting.key)}", posting.payload) for posting in postings])


async def _probe(context: ProbeContext) -> None:
    settings = cast("FileSettings", context.settings)
    folder_takes(context.root / settings.folder, settings.at("folder"))


SPEC: Final = DestinationSpec(
    kind="file",
    about="Writes each posting to a folder as a file of its own, KEY.json.",
    settings=FileSettings,
    make=_make,
    preview=_preview,
    probe=_probe,
)


class FileDestination:
    """One folder; its files are written in a thread, one batch after the other.

    In a thread, because nobody can say how long a disk takes to synchronise (tens of microseconds, or seconds
    on a network share in trouble), and the reactor acknowledges messages meanwhile.
    """

    delivery = Delivery.KEYED

    def __init__(self, context: DestinationContext) -> None:
        settings = cast("FileSettings", context.settings)
        self._folder = context.root / settings.folder
        self._reactor: Any = context.reactor  # Twisted's interfaces say nothing that mypy could use
        self._lock = DeferredLock()

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Write the files; see `write`."""
        files = [(posting.key, posting.payload) for posting in postings]
        return self._lock.run(self._in_thread, files)

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Never asked of a keyed destination."""
        return succeed([Answer("unknown") for _ in postings])

    def stop(self) -> Deferred[None]:
        """Wait for the batch that is being written."""
        return self._lock.run(lambda: None)

    def _in_thread(self, files: Sequence[tuple[str, bytes]]) -> Deferred[Sequence[Answer]]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), write, self._folder, files)


def write(folder: Path, files: Sequence[tuple[str, bytes]]) -> Sequence[Answer]:
    """Put files into a folder, each whole or not at all, and all on the disk before it returns.

    Args:
        folder: made when it isn't there.
        files: key and payload of each.

    Returns:
        One answer a file, in order.

    Raises:
        NotDelivered: the folder can't take them (disk full, no permission); none of them is there.
        OutcomeUnknown: the disk failed while they were given their names; some may be there.
    """
    with _opened(folder) as directory:
        fit = [(name, payload) for name, payload in files if _KEY.fullmatch(name)]
        try:
            for name, payload in fit:
                _write_part(directory, name, payload)
        except OSError as error:
            _remove_parts(directory, fit)
            raise _not_delivered(folder, error) from error
        try:
            placed = {name for name, _ in fit if _place(directory, name)}
            os.fsync(directory)
        except OSError as error:
            raise OutcomeUnknown(*_trouble(folder, error)) from error
        finally:
            _remove_parts(directory, fit)
        return [_read_back(directory, name, payload, placed) for name, payload in files]


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    try:
        _make_folder(folder)
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _not_delivered(folder, error) from error
    try:
        yield directory
    finally:
        os.close(directory)


def _make_folder(folder: Path) -> None:
    """Make it where it isn't there, and what is above it; each name is on the disk before this returns.

    Else a power cut could take the folder away, and with it what is in it, however safely that was written.
    """
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        made.mkdir(exist_ok=True)
        above = os.open(made.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(above)
        finally:
            os.close(above)


def _write_part(directory: int, name: str, payload: bytes) -> None:
    # A part that a crash left behind is of a posting never confirmed: it comes again and overwrites it.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(_part(name), flags, 0o640, dir_fd=directory), "wb", buffering=0) as file:
        rest = memoryview(payload)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())


def _place(directory: int, name: str) -> bool:
    """Give a written part its name; False when the name is taken."""
    try:
        os.link(_part(name), _final(name), src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without links, to look and to place are two things. But this destination writes one batch after the
        # other, and nobody else has its keys.
        with suppress(FileNotFoundError):
            os.stat(_final(name), dir_fd=directory, follow_symlinks=False)
            return False
        os.rename(_part(name), _final(name), src_dir_fd=directory, dst_dir_fd=directory)
    return True


def _remove_parts(directory: int, files: Iterable[tuple[str, bytes]]) -> None:
    for name, _ in files:
        with suppress(OSError):
            os.unlink(_part(name), dir_fd=directory)


def _read_back(directory: int, name: str, payload: bytes, placed: set[str]) -> Answer:
    if not _KEY.fullmatch(name):
        return Answer("held", code="key-not-a-name", words="The posting's key can't be the name of a file.")
    try:
        same = _holds(directory, name, payload)
    except FileNotFoundError:
        if name in placed:  # and whoever reads this folder has taken it away since
            return Answer("posted", proof="handed over", reference=_final(name))
        return Answer("retry", code="file-gone", words="A file of this name was in the way, and is gone now.")
    except OSError as error:
        words = f"The file of this posting can't be read back: {error.strerror}."
        return Answer("unknown", code="not-read-back", words=words)
    if same:
        return Answer("posted", proof="read back", reference=_final(name))
    words = "A file with this posting's key is there already, and it says something else."
    return Answer("held", code="key-with-other-payload", words=words)


def _holds(directory: int, name: str, payload: bytes) -> bool:
    # Neither a link that leads elsewhere nor a pipe that would block can pass for the file.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(_final(name), flags, dir_fd=directory), "rb", buffering=0) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size != len(payload):
            return False
        return file.readall() == payload


def _final(name: str) -> str:
    return f"{name}.json"


def _part(name: str) -> str:
    return f".{name}.part"


def _not_delivered(folder: Path, error: OSError) -> NotDelivered:
    code, words = _trouble(folder, error)
    return NotDelivered(code, words, permanent=code == "not-permitted")


def _trouble(folder: Path, error: OSError) -> tuple[str, str]:
    code = _CODES.get(error.errno or 0, "folder-unusable")
    return code, f"The folder {folder} can't be written to: {error.strerror or type(error).__name__}."
