"""Do something again whenever a file of the workspace is saved."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from casecart.cli.failure import told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["POLL", "saved", "watched"]

POLL = 0.3
"""Seconds between looks at the files."""
_LEFT_OUT = frozenset({"var", ".git", ".venv", "__pycache__", "node_modules"})
_MOST_FILES = 20_000


def watched(once: Callable[[], int], root: Path, path: Path | None = None, written: Path | None = None) -> NoReturn:
    """Again and again, until Ctrl-C; what goes wrong is told, and it is waited for the next save.

    Args:
        once: does it.
        root: of the workspace, whose files are watched.
        path: a file that is watched too.
        written: one that `once` writes itself, and that is not watched.
    """
    before: object = None
    while True:
        now = dict(saved(root, path, written))
        if now != before:
            if before is not None:
                click.echo("")
            click.echo(f"--- {time.strftime('%H:%M:%S')}")
            try:
                once()
            except KeyboardInterrupt:
                raise
            except Exception as error:  # noqa: BLE001 - each is explained, and the next save may mend it
                told(error)
            before = now
            click.echo("--- waiting for a save; end by Ctrl-C", err=True)
        time.sleep(POLL)


def saved(root: Path, path: Path | None = None, written: Path | None = None) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each file that counts, and when it was saved. One that is gone just now is there at the next look."""
    files = [] if path is None else [path]
    for folder, inside, names in os.walk(root):
        inside[:] = [name for name in inside if name not in _LEFT_OUT]
        files += [Path(folder, name) for name in names]
        if len(files) > _MOST_FILES:
            break
    for file in files:
        if written is not None and file.absolute() == written.absolute():
            continue
        try:
            about = file.stat()
        except OSError:
            continue
        yield str(file), (about.st_mtime_ns, about.st_size)
