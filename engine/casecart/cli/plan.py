"""`casecart plan`: what would change if the files were applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from casecart.cli.desk import at_desk, from_here
from casecart.cli.exit import Exit
from casecart.cli.options import as_json, directory_argument, json_option
from casecart.cli.progress import Progress
from casecart.cli.text import counted, examples, printable, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from casecart.commands.plan import Plan
    from casecart.commands.replay_sample import Sample
    from casecart.runtime.revision import Taken
    from casecart.workspace import Finding

__all__ = ["command", "planned", "right"]

SHOWN = 50
"""Messages that are shown one by one."""


@click.command(
    name="plan",
    epilog=examples(
        ("casecart plan", "the files in this folder against what runs"),
        ("casecart plan --diff", "line by line, too"),
        ("casecart plan --replay-sample 100", "what would become of the last messages"),
        ("casecart plan --json | jq '.changes[].change.name'", ""),
        ("casecart plan && casecart apply --message 'more mesh'", ""),
    ),
)
@click.option("--diff", is_flag=True, help="Show the files' lines that are different.")
@click.option(
    "--replay-sample",
    "sample",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Work the last N stored messages by both, in memory, and show what differs.",
)
@click.option(
    "--limit",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long that may take.",
)
@json_option
@directory_argument
def command(directory: Path | None, root: Path, *, diff: bool, sample: int | None, limit: float, json: bool) -> int:
    """Show what would change if the files were applied.

    The files are checked first, as `casecart check` does it: with errors there is no plan. They are compared with what
    the engine runs; where none is at work, with what a start would run.

    Each channel, listener and destination that would be added (+), changed (~) or removed (-) is named with the reason
    and with what it means for what waits: messages, exceptions, postings on their way. Nothing is changed by this.

    --replay-sample works stored messages that the changed channels take, and whose bodies are still there, by what runs
    and by the files, and shows what would become of them otherwise. It is recorded in the audit trail. Nothing is
    stored or sent.

    Exits with 0, whether there are changes or not, and with 1 when the files have errors.
    """
    root = directory or root
    taken = right(root, json=json)
    if taken is None:
        return Exit.WRONG
    plan, lines = planned(root, taken, diff=diff)
    if sample is not None:
        found = _sampled(root, taken, plan, sample, limit)
        plan, lines = replace(plan, sample=found), [*lines, "", *_of_sample(found)]
    if json:
        click.echo(as_json(plan))
    else:
        for line in lines:
            click.echo(line)
    return Exit.FINE


def _sampled(root: Path, taken: Taken, plan: Plan, number: int, limit: float) -> Sample:
    from casecart.commands.plan import ShowSample  # noqa: PLC0415 - who asks for help waits for no engine

    progress = Progress()
    try:
        with at_desk(root, writing=True) as desk:
            return desk.ask(
                ShowSample(
                    taken=taken,
                    root=root,
                    plan=plan,
                    number=number,
                    limit=limit,
                    told=lambda done, all_: progress.told(f"{done:,} of {counted(all_, 'message')}"),
                )
            )
    finally:
        progress.done()


def _of_sample(sample: Sample) -> Iterator[str]:
    for note in sample.notes:
        yield printable(note)
    for each in sample.different[:SHOWN]:
        yield printable(f"message {each.position} ({each.control_id or '-'}), channel {each.channel}")
        yield from (printable(f"  - {words}") for words in each.before)
        yield from (printable(f"  + {words}") for words in each.after)
    if len(sample.different) > SHOWN:
        yield f"and {len(sample.different) - SHOWN:,} more: --json tells all of them"
    if not sample.messages:
        yield "No stored message is taken by a channel that changes, or their bodies are deleted."
        return
    different = len(sample.different)
    told = f"of {different:,} something else would become" if different else "the same would become of all of them"
    yield f"{counted(sample.messages, 'message')} worked by both: {told}."
    if sample.left:
        yield f"There was no time for {counted(sample.left, 'message')}: give more with --limit."


def right(root: Path, *, json: bool = False) -> Taken | None:
    """The workspace of the files; None where they have errors, which are printed then."""
    # Who asks for help waits for no engine.
    from casecart.commands.starting import checked_files  # noqa: PLC0415 - as above

    findings, taken = checked_files(root)
    if json and taken is None:
        click.echo(as_json({"findings": [_document(finding) for finding in findings]}))
    elif not json:
        _print(from_here(findings, root))
    if taken is None and not json:
        errors = sum(finding.severity == "error" for finding in findings)
        click.echo(f"The files can't be run as they are: {counted(errors, 'error')}.")
    return taken


def planned(root: Path, taken: Taken, *, diff: bool = False) -> tuple[Plan, list[str]]:
    """A plan and its text."""
    from casecart.cli.plan_text import lines_of  # noqa: PLC0415 - as above
    from casecart.commands.plan import ShowPlan  # noqa: PLC0415 - as above

    with at_desk(root) as desk:
        plan = desk.ask(ShowPlan(taken=taken, root=root, diff=diff))
        zone_name, zone = zone_of(desk.site.time_zones)
    return plan, list(lines_of(plan, zone_name, zone))


def _print(findings: Iterable[Finding]) -> None:
    for finding in findings:
        click.echo(printable(str(finding)), err=True)


def _document(finding: Finding) -> dict[str, object]:
    return {
        "file": finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "severity": finding.severity,
        "code": finding.code,
        "message": finding.message,
        "suggestion": finding.suggestion,
    }
