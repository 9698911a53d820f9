"""`python -m support.tryton [FOLDER PORT]`: makes what servers are started from; with a folder, serves one."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from support.tryton.kit import ADMIN, Kit, Unavailable
from support.tryton.server import Tryton


def serve(kit: Kit, folder: Path, port: int) -> None:
    """What was moved there stays in the folder for the next time."""
    try:
        server = Tryton(kit, folder, port)
        server.start()
    except OSError as error:
        sys.exit(f"Tryton: it can't be started on port {port}: {error}")
    key = folder / "key"
    key.write_text(server.key, "utf-8")
    click.echo(f"""\
Tryton serves {server.url} from {folder}; Ctrl-C ends it.
A Tryton 8 client logs in as admin, password "{ADMIN}". For casecart, in your workspace:

  cp {key} var/secrets/tryton
""")
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    server.stop()


if __name__ == "__main__":
    kit = Kit()
    try:
        kit.prepare(lambda words: click.echo(f"Tryton: {words}"))
    except Unavailable as missing:
        sys.exit(f"Tryton: {missing}")
    if len(sys.argv) > 1:
        serve(kit, Path(sys.argv[1]).absolute(), int(sys.argv[2]))
