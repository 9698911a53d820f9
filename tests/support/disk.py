"""A disk for tests: ext4 in a file, that can lose its power or be filled up. It needs root."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

__all__ = ["Disk", "NoDisk"]

MB = 1_000_000
EXT4_IOC_SHUTDOWN = 0x8004587D  # linux/fs/ext4: _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2  # EXT4_GOING_FLAGS_NOLOGFLUSH: what is not in the journal now never comes there
RESERVE = "reserve"
UNMOUNT_LIMIT = 30.0


class NoDisk(Exception):
    """This machine lets nobody mount a file; why follows."""


class Disk:
    """A context manager; its file system is at `folder` within it.

    Args:
        megabytes: its size.
    """

    def __init__(self, megabytes: int) -> None:
        self._megabytes = megabytes
        # Not in a test's own folder, which is closed to the user that PostgreSQL runs as.
        self._root = Path(tempfile.mkdtemp(prefix="casecart-disk-"))
        self._root.chmod(0o755)
        self._image, self.folder = self._root / "disk.ext4", self._root / "disk"

    def __enter__(self) -> Self:
        self.folder.mkdir()
        with self._image.open("wb") as image:
            image.truncate(self._megabytes * MB)
        try:
            # No room kept for root: who fills it up should meet its end.
            subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", self._image], check=True, capture_output=True)
            self._mount()
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(self._root)
            said = getattr(error, "stderr", b"") or str(error).encode()
            raise NoDisk(said.decode(errors="replace").strip()) from error
        return self

    def __exit__(self, *_: object) -> None:
        if os.path.ismount(self.folder):
            self._unmount()
        shutil.rmtree(self._root)

    def cut_power(self) -> None:
        """From here on nothing reaches the disk, and what did not reach it before is lost; all I/O fails."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def restore_power(self) -> None:
        """The file system recovers, as at a computer's start. Nobody may have a file open on it."""
        self._unmount()
        self._mount()

    def sync(self) -> None:
        """All that was written is on the disk."""
        subprocess.run(["sync", "--file-system", self.folder], check=True)

    def fill_up(self) -> None:
        """Leave no room at all."""
        reserve = os.open(self.folder / RESERVE, os.O_CREAT | os.O_WRONLY)
        try:
            for size in (MB, 4096, 1):
                try:
                    while True:
                        os.posix_fallocate(reserve, os.fstat(reserve).st_size, size)
                except OSError:
                    continue
        finally:
            os.close(reserve)

    def make_room(self) -> None:
        """Give the room back that `fill_up` took."""
        (self.folder / RESERVE).unlink()

    def _mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", self._image, self.folder], check=True, capture_output=True)

    def _unmount(self) -> None:
        give_up = time.monotonic() + UNMOUNT_LIMIT
        while True:
            done = subprocess.run(["umount", self.folder], check=False, capture_output=True)
            if not done.returncode:
                return
            assert time.monotonic() < give_up, done.stderr
            time.sleep(0.05)  # somebody who was killed is still going
