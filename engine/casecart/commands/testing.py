"""Run the tests of a workspace's channels: each in memory, from nothing but what it names itself.

A test gives the same result on every machine: its time is fixed, its keys and tokens are made up, the same each time,
and its master data are those that it names. Its messages are worked by the engine's own rooms, as `casecart try` does.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casecart.commands.coverage import covered
from casecart.commands.expected_fields import of_channels
from casecart.commands.fixtures import FixtureStores
from casecart.commands.one_test import OneTest, time_of
from casecart.commands.refusal import Refusal
from casecart.commands.tested_view import DifferenceView, TestedView, TestsView
from casecart.commands.workspace import read_workspace
from casecart.runtime.dry_run import Compiled
from casecart.runtime.reach import Reach
from casecart.store import StoreBroken
from casecart.workspace import NOWHERE, Finding, WorkspaceError
from casecart.workspace.channel_tests import SUFFIX
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from casecart.commands.comparison import Difference
    from casecart.workspace import Workspace
    from casecart.workspace.channel_tests import ChannelTest, ChannelTests

__all__ = ["RunTests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTests:
    """A wish to run tests.

    Attributes:
        root: the workspace.
        wanted: channels, or files and folders; of none, all.
        text: only tests whose name has it.
        coverage: tell what no test reaches.
        told: called with each test as soon as it has run.
        clock: monotonic seconds.
    """

    root: Path
    wanted: Sequence[str] = ()
    text: str = ""
    coverage: bool = False
    told: Callable[[TestedView], None] = lambda _: None
    clock: Callable[[], float] = time.perf_counter

    def run(self) -> TestsView:
        """All of them.

        Raises:
            NotAWorkspace: there is none.
            WorkspaceError: files of the workspace, or of tests, have mistakes; nothing was run.
            Refusal: there is nothing to run, or no such channel.
        """
        began = self.clock()
        workspace = read_workspace(self.root)
        files = self._wanted(workspace)
        results: list[TestedView] = []
        findings: dict[Finding, None] = {}
        reach = Reach() if self.coverage else None
        for file in files:
            for result in self._channel(workspace, file, reach, findings):
                results.append(result)
                self.told(result)
        counts = {name: sum(each.result == name for each in results) for name in ("passed", "failed", "error")}
        return TestsView(
            tests=results,
            findings=[str(finding) for finding in findings],
            passed=counts["passed"],
            failed=counts["failed"],
            errors=counts["error"],
            milliseconds=_milliseconds(self.clock() - began),
            coverage=None if reach is None else covered(workspace, self._channels(workspace, files), reach),
        )

    # --- which
    def _wanted(self, workspace: Workspace) -> list[ChannelTests]:
        files, findings = of_channels(self.root, workspace)
        chosen = [self._file(workspace, each) for each in self.wanted]
        mistakes = [each for each in findings if not chosen or any(map(each.place.file.startswith, chosen))]
        if mistakes:
            raise WorkspaceError(mistakes)
        if chosen:
            files = [each for each in files if any(map(each.file.startswith, chosen))]
        if self.text:
            files = [_narrowed(each, self.text.casefold()) for each in files]
        if not any(each.tests for each in files):
            what = "no test fits" if self.wanted or self.text else "there are no tests"
            raise Refusal("not-found", f"{what}: a channel's are in channels/CHANNEL{SUFFIX}")
        return [each for each in files if each.tests]

    def _file(self, workspace: Workspace, wanted: str) -> str:
        """Below the root, of a channel's name or a path; a folder ends in a slash."""
        if wanted in workspace.channels:
            return f"channels/{wanted}{SUFFIX}"
        root = self.root.resolve()
        for start in (root, root.cwd()):
            try:
                path = (start / wanted).resolve()
                below = path.relative_to(root).as_posix() if path.exists() else ""
            except (OSError, ValueError, RuntimeError):  # no path, or not in the workspace
                continue
            if path.is_dir() and below:
                return "" if below == "." else f"{below}/"
            if below.endswith(SUFFIX):
                return below
            if below.startswith("channels/") and below.endswith(".yaml"):
                return f"{below.removesuffix('.yaml')}{SUFFIX}"
        words = f"there is no channel '{wanted}', and no file of tests; there are {listed(sorted(workspace.channels))}"
        raise Refusal("not-found", words, did_you_mean(wanted, workspace.channels))

    def _channels(self, workspace: Workspace, files: Sequence[ChannelTests]) -> list[str]:
        """Whose parts count for the coverage: all channels, unless some were asked for."""
        return [each.channel for each in files] if self.wanted else sorted(map(str, workspace.channels))

    # --- one channel
    def _channel(
        self, workspace: Workspace, tests: ChannelTests, reach: Reach | None, findings: dict[Finding, None]
    ) -> Iterator[TestedView]:
        try:
            compiled = Compiled(workspace, tests.channel, clock=self.clock, reach=reach)
        except WorkspaceError as error:
            findings |= dict.fromkeys(each for each in error.findings if each.severity == "error")
            words = "the channel does not compile: see above, or `casecart check`"
            for test in tests.tests:
                yield _result(tests, test, words=words)
            return
        with closing(compiled):
            stores: dict[int, FixtureStores] = {}
            for test in tests.tests:
                now = time_of(tests, test)
                fixtures = stores.setdefault(now, FixtureStores(workspace, now))
                began = self.clock()
                try:
                    differences = OneTest(compiled, tests, test, fixtures, self.clock).differences()
                except Refusal as refused:
                    yield _result(tests, test, words=refused.words, spent=self.clock() - began)
                except WorkspaceError as error:
                    findings |= dict.fromkeys(error.findings)
                    yield _result(tests, test, words="its master data have mistakes", spent=self.clock() - began)
                except StoreBroken as fault:
                    words = f"the dry run failed ({type(fault.__cause__ or fault).__name__})"
                    yield _result(tests, test, words=words, spent=self.clock() - began)
                else:
                    yield _result(tests, test, differences, spent=self.clock() - began)


def _narrowed(tests: ChannelTests, text: str) -> ChannelTests:
    kept = tuple(test for test in tests.tests if text in test.test.casefold())
    return type(tests)(channel=tests.channel, file=tests.file, fixtures=tests.fixtures, tests=kept)


def _result(
    tests: ChannelTests,
    test: ChannelTest,
    differences: Sequence[Difference] = (),
    *,
    words: str = "",
    spent: float = 0.0,
) -> TestedView:
    return TestedView(
        channel=tests.channel,
        test=str(test.test),
        file=tests.file,
        line=test.place.line,
        result="error" if words else "failed" if differences else "passed",
        differences=[
            DifferenceView(
                path=each.path,
                expected=each.expected,
                received=each.received,
                line=(test.place if each.place == NOWHERE else each.place).line,
            )
            for each in differences
        ],
        words=words,
        milliseconds=_milliseconds(spent),
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
