"""`casecart test`: the tests beside the channels, run as `casecart try` works a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from casecart.cli.desk import named_from_here
from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.options import DIRECTORY, as_json, json_option, workspace_option
from casecart.cli.recording import Recording, recorded, recording_options
from casecart.cli.text import counted, examples, printable
from casecart.cli.watching import watched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from casecart.commands.tested_view import CoveredFile, TestedView, TestsView

__all__ = ["command"]

_MOST = 12
"""Differences of one test that are shown; `--json` and `--junit` have all of them."""


@click.command(
    name="test",
    epilog=examples(
        ("casecart test", "all tests of the workspace"),
        ("casecart test or-usage", "those of one channel"),
        ("casecart test -k credit", "those whose name has a word"),
        ("casecart test --coverage", "and which parts of mappings and routes no test reaches"),
        ("casecart test --watch", "again whenever a file of the workspace is saved"),
        ("casecart test --junit report.xml", "for a build server"),
        ("casecart test --record 42 --deidentify", "a test of a stored message, without what says whose it is"),
        ("casecart test --record charge.hl7 --name 'a stem is posted'", "a test of a file, as it is"),
    ),
)
@click.argument("which", nargs=-1, metavar="[CHANNEL or PATH]...")
@click.option("-k", "text", default="", metavar="TEXT", help="Only tests whose name has this in it.")
@click.option("--coverage", is_flag=True, help="Tell which parts of mappings, tables and routes no test reaches.")
@click.option("--junit", type=DIRECTORY, metavar="FILE", help="Write the results as JUnit XML too.")
@click.option("--watch", is_flag=True, help="Run them again whenever a file of the workspace is saved; end by Ctrl-C.")
@recording_options
@json_option
@workspace_option
def command(
    which: tuple[str, ...],
    root: Path,
    *,
    recording: Recording | None,
    text: str,
    coverage: bool,
    junit: Path | None,
    watch: bool,
    json: bool,
) -> int:
    """Run the tests beside the channels; nothing is sent or stored.

    The tests of channel NAME are in channels/NAME.test.yaml: messages, and what is expected of them. Each test begins
    with nothing: no master data, ledger or cases but what it names itself, and its time is fixed. So it gives the same
    result on every machine. The engine's own code works the messages, in memory; an engine may run meanwhile.

    Of a test that fails, each difference is shown: where, what was expected, what was received.

    With --record a test is written instead: the messages of a file, or a stored one, with what comes of them now. It is
    added to its channel's file of tests, and run. What is expected is what came: look at it before you keep it.

    Exits with 1 when a test fails or there is none, and with 3 when files have errors: then nothing is run.
    """
    if recording is not None:
        if text or coverage or junit or watch:
            raise click.UsageError("-k, --coverage, --junit and --watch are for running tests, not for --record")
        return recorded(root, recording, which, json=json)
    # Who asks for help waits for no engine.
    from casecart.commands.testing import RunTests  # noqa: PLC0415 - as above

    def once() -> int:
        shown = _Shown(quiet=json)
        with named_from_here(root):
            done = RunTests(root=root, wanted=which, text=text, coverage=coverage, told=shown.test).run()
        if json:
            click.echo(as_json(done))
        else:
            for line in _end(done):
                click.echo(printable(line))
        if junit is not None:
            _written(junit, done)
        return Exit.FINE if done.fine else Exit.WRONG

    return watched(once, root, written=junit) if watch else once()


class _Shown:
    """Shows each test as soon as it has run."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._file = quiet, ""

    def test(self, test: TestedView) -> None:
        """One test."""
        if self._quiet:
            return
        if test.file != self._file:
            self._file = test.file
            click.echo(printable(test.file))
        for line in _test(test):
            click.echo(printable(line))


def _test(test: TestedView) -> Iterator[str]:
    word = {"passed": "ok", "failed": "FAILED", "error": "ERROR"}[test.result]
    yield f"  {word:6} {test.milliseconds:7.1f} ms  {test.test}"
    if test.words:
        yield f"         line {test.line}: {test.words}"
    shown = test.differences[:_MOST]
    width = max((len(each.path) for each in shown), default=0)
    for each in shown:
        yield f"         {each.path:{width}}  expected {each.expected}  received {each.received}  (line {each.line})"
    if len(test.differences) > _MOST:
        yield f"         and {len(test.differences) - _MOST} more"


def _end(done: TestsView) -> Iterator[str]:
    yield from done.findings
    if done.coverage is not None:
        yield ""
        yield from _coverage(done.coverage)
    yield ""
    parts = [f"{done.passed} passed", f"{done.failed} failed" if done.failed else ""]
    parts.append(f"{done.errors} could not be run" if done.errors else "")
    count = counted(len(done.tests), "test")
    yield f"{count}: {', '.join(filter(None, parts))} ({done.milliseconds / 1000:.2f} s)"


def _coverage(files: Sequence[CoveredFile]) -> Iterator[str]:
    for file in files:
        for each in file.never:
            yield f"{each.file}:{each.line} {each.what}"
    yield ""
    width = max((len(file.file) for file in files), default=0)
    for file in files:
        yield f"{file.file:{width}}  {file.percent:5.1f} %  {file.reached} of {file.parts}"
    parts, reached = sum(file.parts for file in files), sum(file.reached for file in files)
    if parts:
        yield f"{'all':{width}}  {100 * reached / parts:5.1f} %  {reached} of {parts}"


def _written(junit: Path, done: TestsView) -> None:
    from casecart.cli.junit import junit_of  # noqa: PLC0415 - few need it

    try:
        junit.write_bytes(junit_of(done))
    except OSError as error:
        raise Stop(Exit.USAGE, f"{junit} can't be written: {error.strerror}") from None
