"""`casecart schema`: the schemas by which editors complete, explain and check a workspace's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option, workspace_option
from casecart.cli.text import counted, examples, printable, table

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command(
    name="schema",
    epilog=examples(
        ("casecart schema", "whether those in this workspace are of this casecart"),
        ("casecart schema --write", "makes them anew: after an update, or for an older workspace"),
    ),
)
@click.option("--write", is_flag=True, help="Write those that are missing or outdated.")
@json_option
@workspace_option
def command(root: Path, *, write: bool, json: bool) -> int:
    """Keep the schemas current by which editors complete and check.

    They are JSON Schema (draft-07) in config/schema: one for each kind of file, with every key, its words and the
    installed kinds of listeners and destinations. The first line of a file names its schema:

    \b
      # yaml-language-server: $schema=../config/schema/channel.json

    `casecart init` writes them, and `casecart check` warns when another casecart has. Commit them: who looks at the
    workspace without casecart has them then.

    Exits with 1 when some are missing or outdated.
    """  # noqa: D301 - click's mark for lines that are kept as they are
    from casecart.commands.schema import schema_states, write_schemas  # noqa: PLC0415 - who asks for help waits for none

    written = write_schemas(root) if write else ()
    states = schema_states(root)
    if json:
        files = [{"file": file, "state": state, "written": file in written} for file, state in states.items()]
        click.echo(as_json({"files": files}))
    elif write:
        for file in written:
            click.echo(printable(file))
        click.echo(f"{counted(len(written), 'file')} written, {len(states) - len(written)} as they were")
    else:
        for line in table(("FILE", "STATE"), states.items()):
            click.echo(line)
    return Exit.FINE if set(states.values()) == {"current"} else Exit.WRONG
