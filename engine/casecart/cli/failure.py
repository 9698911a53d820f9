"""What went wrong, as one line for the person who must act, and as an exit code."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from casecart.cli.exit import Exit
from casecart.cli.text import counted, printable
from casecart.commands.refusal import Refusal, RevisionUnusable
from casecart.commands.site import NotAWorkspace
from casecart.store import Damaged, StoreBroken, StoreInUse, StoreMisconfigured, StoreUnavailable
from casecart.workspace import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEBUG", "Stop", "explained", "told"]

DEBUG = "CASECART_DEBUG"


class Stop(Exception):
    """The command can't go on.

    Args:
        code: the exit code.
        words: for the person.
    """

    def __init__(self, code: Exit, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


_CODES: Mapping[type[Exception], Exit] = {
    NotAWorkspace: Exit.CONFIGURATION,
    StoreMisconfigured: Exit.CONFIGURATION,
    StoreInUse: Exit.STORE,
    StoreUnavailable: Exit.STORE,
    StoreBroken: Exit.STORE,
    Damaged: Exit.STORE,
    Refusal: Exit.WRONG,
    RevisionUnusable: Exit.CONFIGURATION,
}

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # where the output goes


def told(error: Exception) -> Exit:
    """Says it on stderr."""
    code, words = explained(error)
    if os.environ.get(DEBUG):
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    click.echo(words, err=True)
    return code


def explained(error: Exception) -> tuple[Exit, str]:
    """The exit code and the line, or lines where there are several findings."""
    if isinstance(error, Stop):
        return error.code, f"Error: {printable(error.words)}"
    if isinstance(error, WorkspaceError):
        return Exit.CONFIGURATION, _findings(error)
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            words = printable(str(error))
            return code, f"Error: {words[:1].upper()}{words[1:]}"
    if isinstance(error, OSError) and error.errno in _FULL:
        return Exit.WRONG, f"Error: not all could be written: {(error.strerror or 'no room').lower()}"
    return Exit.FAULT, _fault(error)


def _findings(error: WorkspaceError) -> str:
    errors = sum(finding.severity == "error" for finding in error.findings)
    lines = [printable(str(finding)) for finding in error.findings]
    return "\n".join([*lines, f"Error: the workspace can't be used as it is: {counted(errors, 'error')}"])


def _fault(error: Exception) -> str:
    """Its type and place. Not its words: a fault's words may repeat what a message says of a patient."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" in {'/'.join(Path(last[0].filename).parts[-2:])}:{last[0].lineno}" if last else ""
    return (
        f"Error: casecart itself failed ({type(error).__name__}{place}). Please report this line, and what you typed, "
        f"to the casecart project; with {DEBUG}=1 set, the whole traceback is shown"
    )
