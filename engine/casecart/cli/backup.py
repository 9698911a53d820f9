"""`casecart backup`: keep the store, check what was kept, and bring it back so that nothing is posted twice."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from casecart.cli.desk import at_desk, named_from_here
from casecart.cli.exit import Exit
from casecart.cli.options import DIRECTORY, as_json, json_option, workspace_option
from casecart.cli.progress import Progress
from casecart.cli.text import counted, examples, printable
from casecart.commands.actor import local_actor
from casecart.commands.backup import create_backup, restore_backup, verify_backup
from casecart.commands.restored import TakeAsRestored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from casecart.commands.backup import BackupView

__all__ = ["command"]


@click.group(
    name="backup",
    epilog=examples(
        ("casecart backup create /mnt/backup", "while the engine runs"),
        ("casecart backup verify FILE", "it is whole, and can be restored"),
        ("casecart backup restore FILE", "with the engine stopped; then reconcile, then resume"),
    ),
)
def command() -> int:
    """Keep the store, check what was kept, and bring it back."""
    return Exit.FINE


@command.command(
    name="create",
    epilog=examples(
        ("casecart backup create /mnt/backup", "a new file in that folder, named by the time"),
        ("casecart backup create /mnt/backup/monday.db", "this file, which must not be there yet"),
        ("casecart backup create /mnt/backup --json | jq -r .file", "for scripts"),
    ),
)
@click.argument("target", type=DIRECTORY, metavar="DIR|FILE")
@json_option
@workspace_option
def create(target: Path, root: Path, *, json: bool) -> int:
    """Make a backup; the engine may be at work.

    It is one file with a manifest beside it (FILE.manifest.json), and holds all that was committed when it began. It is
    written under another name, synced, checked and then named: what has its manifest is whole. SQLite is copied in
    slices, so that acknowledgements needn't wait; PostgreSQL by `pg_dump`, of the server's version or newer.

    It holds what messages say of patients, and no secret: keep the secret for keys (`secrets: keys`) apart from it, and
    never lose it. With another one, everything that is posted already would be posted again. The workspace's own files
    are not in it either: they belong into git.
    """
    with named_from_here(root), _progress() as told:
        made = create_backup(root, target, local_actor(), told)
    if json:
        click.echo(as_json(made))
        return Exit.FINE
    _show(made)
    click.echo("The secret for keys is not in it: keep that apart, and never lose it.")
    return Exit.FINE


@command.command(
    name="verify",
    epilog=examples(
        ("casecart backup verify /mnt/backup/monday.db", "exits with 1 when it can't be restored"),
        ("casecart backup verify /mnt/backup/monday.db --json", "for scripts"),
    ),
)
@click.argument("file", type=DIRECTORY, metavar="FILE")
@json_option
def verify(file: Path, *, json: bool) -> int:
    """Read all of a backup: it is what was written, and can be restored.

    It needs no workspace. It compares size and SHA-256 with the manifest, opens the database, has it check itself, and
    sees whether this casecart knows its tables. Whether the posting resumes well is seen by restoring it somewhere.
    """
    with _progress() as told:
        found = verify_backup(file, told)
    if json:
        click.echo(as_json(found))
    else:
        _show(found)
    return Exit.FINE


@command.command(
    name="restore",
    epilog=examples(
        ("casecart backup restore /mnt/backup/monday.db", "into the workspace's store, which must be empty"),
        ("casecart backup restore /mnt/backup/monday.db --replace", "what is there is moved aside and kept"),
        ("casecart reconcile erp --after-restore", "then, for each destination: what has it had since?"),
        ("casecart resume erp", "and then it goes on"),
    ),
)
@click.argument("file", type=DIRECTORY, metavar="FILE")
@click.option("--replace", is_flag=True, help="Move the store that is there aside; it is never deleted.")
@json_option
@workspace_option
def restore(file: Path, root: Path, *, replace: bool, json: bool) -> int:
    """Put a backup in the store's place. No engine may be at work.

    What came after the backup is not in it: the senders must send it again. And what was posted after it is not known
    to it, so that every destination is paused from the first moment on. The engine may be started: messages are taken
    and worked, and nothing goes out before the destination was reconciled (`casecart reconcile DEST --after-restore`)
    and a person resumes it (`casecart resume DEST`).
    """
    with named_from_here(root), _progress() as told:
        done = restore_backup(root, file, local_actor(), told, replace=replace)
    if json:
        click.echo(as_json(done))
        return Exit.FINE
    click.echo(f"Restored: {printable(done.store)}, as it was at {_utc(done.taken_at)}")
    if done.aside is not None:
        click.echo(f"What was there before is kept: {printable(done.aside)}")
    click.echo(f"Ask the senders to send again what they sent since {_utc(done.taken_at)}. For each destination:")
    for name in done.destinations:
        click.echo(f"  casecart reconcile {printable(name)} --after-restore && casecart resume {printable(name)}")
    return Exit.FINE


@command.command(
    name="restored",
    epilog=examples(
        ("casecart backup restored --as-of 2026-11-03T22:15:00Z --reason 'snapshot'", "before the engine is started"),
        ("casecart backup restored --as-of 2026-11-03T22:15:00Z --reason 'PITR' -w /srv/casecart", ""),
    ),
)
@click.option(
    "--as-of",
    "as_of",
    required=True,
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]),
    metavar="TIME",
    help="All that was committed before is there: 2026-11-03T22:15:00Z. Rather too early than too late.",
)
@click.option("--reason", required=True, help="What was brought back, and how.")
@json_option
@workspace_option
def restored(as_of: datetime, reason: str, root: Path, *, json: bool) -> int:
    """Say that the store was brought back by other means: with the machine, or by the database's own.

    Say it before an engine is started: it pauses every destination, as `restore` does, until each is reconciled and
    resumed.
    """
    with at_desk(root, writing=True) as desk:
        done = desk.do(TakeAsRestored(taken_at=as_of, reason=reason), key=uuid.uuid4().hex)
    click.echo(as_json(done) if json else f"{printable(done.words)}.")
    return Exit.FINE


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    progress = Progress()
    try:
        yield progress.told
    finally:
        progress.done()


def _show(backup: BackupView) -> None:
    manifest, heads = backup.manifest, backup.manifest.heads
    exact = {True: "; both balances are exact", False: "; a balance is NOT exact", None: ""}[manifest.exact]
    click.echo(
        f"{printable(backup.file)}: whole, {manifest.size / 1e6:,.1f} MB, as of {_utc(manifest.taken_at)}{exact}"
    )
    waits = f"{counted(heads.waiting, 'message')} waiting, {counted(heads.open, 'posting')} on the way"
    click.echo(f"  up to message {heads.message:,} and row {heads.ledger:,} of the ledger; {waits}")
    click.echo(f"  tables {manifest.revision}, casecart {printable(manifest.casecart)}; SHA-256 {manifest.sha256}")


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
