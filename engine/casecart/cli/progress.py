"""One line on a terminal that says what is being done, and is gone in the end."""

from __future__ import annotations

import sys
import time

import click

from casecart.cli.text import printable

__all__ = ["Progress"]

_OFTEN = 0.5  # seconds between two words


class Progress:
    """Shown on stderr, and only where that is a terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0
        self._last = 0.0

    def told(self, words: str) -> None:
        """What is being done now; not more often than a person can read."""
        now = time.monotonic()
        if self._shown and now - self._last >= _OFTEN:
            self._last = now
            click.echo(f"\r{printable(words).ljust(self._width)}", err=True, nl=False)
            self._width = len(words)

    def done(self) -> None:
        """Leaves no trace of it."""
        if self._width:
            click.echo(f"\r{' ' * self._width}\r", err=True, nl=False)
            self._width = 0
