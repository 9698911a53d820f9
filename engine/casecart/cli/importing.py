"""What an import of master data says on a terminal: progress, mistakes, and what it changed."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import from_here
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.options import as_json
from casecart.cli.text import counted, printable, table
from casecart.commands.actor import local_actor
from casecart.commands.master_import import ImportAnswer, ImportMaster, import_master
from casecart.workspace import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["FILE", "imported", "importing", "shown_progress"]

FILE = click.Path(path_type=Path)


def importing(root: Path, wish: ImportMaster, *, json: bool) -> int:
    """Does it, and shows what it did."""
    with shown_progress(root, {str(path) for path in wish.files}, counted(len(wish.files), "file")) as told:
        answer = import_master(root, wish, local_actor(), told)
    if json:
        click.echo(as_json(answer))
    else:
        for line in imported(answer):
            click.echo(printable(line))
    return Exit.FINE


@contextmanager
def shown_progress(root: Path, files: Collection[str], where: str) -> Iterator[Callable[[str], None]]:
    """Gives what is to be told what is being done; and shows mistakes in what is brought in.

    Args:
        root: the workspace; mistakes in its own files are named from here, and left to others.
        files: what is brought in, as findings name it.
        where: the same in words.
    """
    progress = _Progress()
    try:
        yield progress.told
    except WorkspaceError as error:
        progress.done()
        if not all(finding.place.file in files for finding in error.findings):
            raise WorkspaceError(from_here(error.findings, root)) from error
        for finding in error.findings:
            click.echo(printable(str(finding)), err=True)
        words = f"nothing was written: {counted(len(error.findings), 'mistake')} in {where}"
        raise Stop(Exit.WRONG, words) from None
    finally:
        progress.done()


def imported(answer: ImportAnswer) -> Iterator[str]:
    """What an import changed, for people."""
    yield from answer.warnings
    header = ("TABLE", "ADDED", "CHANGED", "REMOVED", "SAME")
    rows = [(t.table, f"{t.added:,}", f"{t.changed:,}", f"{t.removed:,}", f"{t.same:,}") for t in answer.tables]
    yield from table(header, rows, right={1, 2, 3, 4})
    for words in answer.examples:
        yield f"  {words}"
    if answer.documents and len(answer.examples) < answer.documents:
        yield "  ..."
    if answer.passed_over:
        yield f"{counted(answer.passed_over, 'device')} of the release are no items here, and were passed over."
    if answer.conflicts:
        groups = counted(answer.conflicts, "group")
        tail = "see `casecart worklist`" if answer.written else "each would become an exception"
        yield f"{groups} of fields belong to other systems than {answer.source}, and are as before: {tail}."
    if not answer.written:
        yield "Nothing was written: this was a dry run."
    elif not answer.documents:
        yield "Nothing is different."
    else:
        yield f"{counted(answer.documents, 'document')} written. A running engine knows them within seconds."


class _Progress:
    """One line on a terminal that says what is being done."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0

    def told(self, words: str) -> None:
        """What is being done now."""
        if self._shown:
            click.echo(f"\r{words.ljust(self._width)}", err=True, nl=False)
            self._width = len(words)

    def done(self) -> None:
        """Leaves no trace of it."""
        if self._width:
            click.echo(f"\r{' ' * self._width}\r", err=True, nl=False)
            self._width = 0
