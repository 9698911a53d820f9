"""`python -m support.tryton`: makes what servers are started from, unless it is there."""

from __future__ import annotations

import sys

import click

from support.tryton.kit import Kit, Unavailable

if __name__ == "__main__":
    try:
        Kit().prepare(lambda words: click.echo(f"Tryton: {words}"))
    except Unavailable as missing:
        sys.exit(f"Tryton: {missing}")
