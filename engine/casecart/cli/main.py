"""`casecart`: finds the command, runs it, and makes of whatever goes wrong one line and an exit code."""

from __future__ import annotations

import difflib
import importlib
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast

import click

from casecart.cli.exit import Exit
from casecart.cli.text import examples, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "casecart", "main", "run"]


class Listed(NamedTuple):
    """A command: the module it is in, and what the list of commands says of it."""

    module: str
    about: str


# So that `casecart --help` needn't load them: some bring the reactor, and some the database's drivers.
COMMANDS = {
    "init": Listed("init", "Make a new workspace that runs."),
    "new": Listed("new", "Begin a channel, mapping, table, listener or destination."),
    "check": Listed("check", "Find everything that is wrong in a workspace."),
    "schema": Listed("schema", "Keep the schemas current by which editors complete and check."),
    "try": Listed("trying", "Try a message on a channel; nothing is sent or stored."),
    "test": Listed("testing", "Run the tests beside the channels; nothing is sent or stored."),
    "plan": Listed("plan", "Show what would change if the files were applied."),
    "apply": Listed("apply", "Run what the files say, without a restart."),
    "rollback": Listed("rollback", "Run again what ran before."),
    "history": Listed("history", "List what was applied, when, by whom and why."),
    "run": Listed("run", "Run the engine on a workspace."),
    "send": Listed("send", "Send HL7 messages over MLLP, and show how they were answered."),
    "listen": Listed("listen", "Play a receiver of HL7 messages: show them, answer as told."),
    "hl7": Listed("hl7", "Look into files of HL7 v2 messages, and de-identify them."),
    "docs": Listed("docs", "Make pages about a workspace."),
    "messages": Listed("messages", "List the messages that came, newest first."),
    "message": Listed("message", "Show one message and all made of it, or have it worked again."),
    "tap": Listed("tap", "Show what a channel makes of messages, as they come."),
    "line": Listed("line", "Show one line of usage: what was stated, posted and confirmed."),
    "status": Listed("status", "Show what waits where and why, and whether all is accounted for."),
    "table": Listed("table", "Show code tables, and change them."),
    "worklist": Listed("worklist", "Work what waits for a person, by its cause."),
    "pause": Listed("pause", "Send nothing more to a destination, for now."),
    "resume": Listed("resume", "Send to a destination again."),
    "master": Listed("master", "Bring items, suppliers and places in, and look at them."),
    "ask": Listed("ask", "Ask a destination for an item, or for what is on hand."),
    "recall": Listed("recall", "What was called back, and on whom it was used."),
    "reconcile": Listed("reconcile", "Compare the ledger with what a destination says was moved."),
    "fhir": Listed("fhir", "Subscribe to a FHIR server's notifications; de-identify."),
    "store": Listed("store", "Verify all that is stored."),
    "audit": Listed("audit", "Show who did what, and verify the audit trail."),
    "retention": Listed("retention", "How long what is kept; what must be kept longer."),
    "udi": Listed("udi", "Explain a device's code (UDI), piece by piece."),
    "backup": Listed("backup", "Keep the store, check what was kept, and bring it back."),
    "migrate": Listed("migrate", "Make the store's tables, or bring them up to this version."),
}


class _Commands(click.Group):
    """The commands above, each loaded when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        listed = COMMANDS.get(cmd_name)
        if listed is None:
            return None
        return cast("click.Command", importlib.import_module(f"casecart.cli.{listed.module}").command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"There is no command '{printable(args[0])}'.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.about) for name, listed in COMMANDS.items()])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        ("casecart init ws", "a workspace with a channel, a mapping and samples"),
        ("cd ws && casecart run", "takes messages on port 2575"),
        ("casecart send samples/hl7v2/dft-hip-stem.hl7", "in another terminal"),
        ("casecart messages", "what became of it"),
    )
    + "\n\n\b\nExit codes:\n"
    "  0 fine                      1 findings, not accepted, not found   2 usage\n"
    "  3 workspace unusable        4 store unavailable or in use         5 network\n"
    "  70 a fault of casecart's    130 interrupted",
)
@click.version_option(package_name="casecart", message="%(prog)s %(version)s")
def casecart() -> None:
    """An HL7/FHIR interface engine: what was used on a patient becomes inventory postings.

    Every command explains itself, with examples: casecart COMMAND --help
    """


def main() -> NoReturn:
    """The entry point."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command; gives its exit code. Nothing but a fault of Python's own leaves it as an exception."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name in a message must not break an ASCII terminal
    try:
        code = casecart.main(args=list(arguments), prog_name="casecart", standalone_mode=False)
    except click.Abort:
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - each is explained, and none shown as a traceback
        # Loaded only now: it knows the errors of every room.
        return int(importlib.import_module("casecart.cli.failure").told(error))
    return int(code or Exit.FINE)
