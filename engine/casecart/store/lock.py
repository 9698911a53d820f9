"""One engine a file: a lock that dies with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from casecart.store.failure import StoreInUse, StoreUnavailable

__all__ = ["FileLock", "is_held"]

STEP = 0.05


class FileLock:
    """The right to write a database file, held through ``<file>.lock``. The file stays: removing it would race."""

    def __init__(self, database: Path, *, patience: float = 0.0) -> None:
        """Takes the lock, or raises `StoreInUse`.

        Args:
            database: The file that is guarded.
            patience: Seconds to wait for another holder to go.
        """
        path = Path(f"{database.resolve()}.lock")  # one lock, whatever links lead to the file
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"{path} can't be opened: {error.strerror}") from error
        give_up = time.monotonic() + patience
        while True:
            try:
                # flock, not lockf: SQLite's own locks are of lockf's kind, and those are lost when any file is closed.
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    os.close(self._file)
                    raise StoreInUse(f"{database} is in use by another casecart process: stop that one first") from None
                time.sleep(STEP)
            else:
                return

    def release(self) -> None:
        """Lets go of it; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def is_held(database: Path) -> bool:
    """Whether a process holds the lock. It is tried for some microseconds; who wants the lock has to be patient."""
    try:
        file = os.open(f"{database.resolve()}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(file)
