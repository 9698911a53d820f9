"""Run the tests of a workspace's channels: each in memory, from nothing but what it names itself.

A test gives the same result on every machine: its time is fixed, its keys and tokens are made up, the same each time,
and its master data are those that it names. Its messages are worked by the engine's own rooms, as `casecart try` does.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from casecart.commands.came import Came, came_of
from casecart.commands.comparison import Difference, compare_list
from casecart.commands.coverage import covered
from casecart.commands.expected_fields import of_channels
from casecart.commands.fixtures import FixtureStores
from casecart.commands.refusal import Refusal
from casecart.commands.taking import Way, taken
from casecart.commands.tested_view import DifferenceView, TestedView, TestsView
from casecart.commands.trying import LARGEST, cut
from casecart.commands.workspace import read_workspace
from casecart.runtime.completion import completion_of
from casecart.runtime.dry_run import Compiled, DryRun
from casecart.runtime.listener import Receipt
from casecart.runtime.reach import Reach
from casecart.store import StoreBroken
from casecart.workspace import NOWHERE, Finding, WorkspaceError
from casecart.workspace.channel_tests import SUFFIX, is_inline, moment_of
from casecart.workspace.findings import did_you_mean, listed
from casecart.workspace.tests_reader import inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from casecart.runtime.dry_run import Worked
    from casecart.runtime.listener import Received
    from casecart.workspace import Workspace
    from casecart.workspace.channel_tests import ChannelTest, ChannelTests, Expect, Input

__all__ = ["RunTests", "WorkedTest", "moment"]

_SECOND: Final = 1_000_000
_LISTS: Final = ("documents", "filtered", "postings", "exceptions")


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
        try:
            stores: dict[str, FixtureStores] = {}
            for test in tests.tests:
                now = str(test.now or tests.fixtures.now)
                fixtures = stores.setdefault(now, FixtureStores(workspace, moment(now)))
                began = self.clock()
                try:
                    differences = WorkedTest(compiled, tests, test, fixtures, self.clock).differences()
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
        finally:
            compiled.close()


class WorkedTest:
    """One test, at work.

    Args:
        compiled: the channel.
        tests: the file that it stands in.
        test: itself.
        fixtures: master data as of its time; made for that time only.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        compiled: Compiled,
        tests: ChannelTests,
        test: ChannelTest,
        fixtures: FixtureStores,
        clock: Callable[[], float],
    ) -> None:
        self._workspace, self._channel, self._tests, self._test = compiled.workspace, tests.channel, tests, test
        self._declared = compiled.workspace.channels[tests.channel]
        self._now = moment(str(test.now or tests.fixtures.now))
        numbers = itertools.count(1)
        self._dry = DryRun(
            compiled,
            known=fixtures.of(tests.file, (tests.fixtures.master, test.master)),
            environment=None,
            now=lambda: self._now,
            clock=clock,
            chance=lambda size: next(numbers).to_bytes(size, "big"),
        )

    def differences(self) -> list[Difference]:
        """What is other than expected. Raises `Refusal`: an input can't be read."""
        found: list[Difference] = []
        whole: list[tuple[Came, Worked | None]] = []
        total = Came()
        several = len(self._test.messages) > 1
        for number, each in enumerate(self._test.messages):
            came = Came()
            for body in self._bodies(each):
                of, worked = self._came(each, body)
                came.add(of)
                whole.append((of, worked))
                self._now += _SECOND  # the next one comes later
            prefix = f"inputs[{number}]." if several else ""
            if each.expect is not None:
                found += _compared(each.expect, came, prefix)
            found += _unexpected(came, prefix, each, [each.expect, self._test.expect])
        if self._test.expect is not None:
            for of, worked in whole:  # as it stands in the end
                now = came_of(self._dry, self._channel, worked)
                now.acknowledgements, now.outcomes, now.why = of.acknowledgements, of.outcomes, of.why
                total.add(now)
            found += _compared(self._test.expect, total, "")
        return found

    def came(self, each: Input, bodies: Sequence[bytes]) -> Came:
        """What comes of messages that are at hand, and do not stand in a file yet: as it is in the end.

        Args:
            each: says by which way they come.
            bodies: the messages.

        Raises:
            Refusal: the channel's listeners take no such thing.
        """
        total, whole = Came(), []
        for body in bodies:
            whole.append(self._came(each, body))
            self._now += _SECOND
        for of, worked in whole:
            now = came_of(self._dry, self._channel, worked)
            now.acknowledgements, now.outcomes, now.why = of.acknowledgements, of.outcomes, of.why
            total.add(now)
        return total

    def _bodies(self, each: Input) -> list[bytes]:
        if is_inline(each.message):
            return _cut(_inline(each.message))
        path = inside(self._workspace.root, self._tests.file, each.message)
        try:
            if path is None:
                raise FileNotFoundError
            with path.open("rb") as file:
                data = file.read(LARGEST + 1)
        except OSError as error:
            raise Refusal("not-found", f"{each.message} can't be read: {error.strerror or 'there is none'}") from None
        try:
            return _cut(data)
        except Refusal as refused:
            raise Refusal("bad-value", f"{each.message}: {refused.words}") from None

    def _came(self, each: Input, body: bytes) -> tuple[Came, Worked | None]:
        way = Way(
            self._workspace,
            self._declared,
            now=lambda: self._now,
            listener=each.listener,
            peer=each.peer,
            version=each.version,
        )
        received = way.received(body)
        not_taken, worked = taken(self._workspace, self._declared, self._dry, received)
        came = came_of(self._dry, self._channel, worked)
        came.outcomes = [self._outcome(received, not_taken, worked)]
        came.acknowledgements = [received.acknowledged(self._receipt(received, worked)) or "none"]
        came.why = [not_taken[1] if not_taken is not None and worked is None else ""]
        came.counts["messages"] = 1
        return came, worked

    @staticmethod
    def _outcome(received: Received, not_taken: tuple[str, str] | None, worked: Worked | None) -> str:
        if received.arrival.refused:
            return "refused"
        if worked is None:
            return "unrouted" if not_taken is not None else "processed"
        if worked.message is None:
            return "duplicate"
        return str(worked.message.outcome)

    def _receipt(self, received: Received, worked: Worked | None) -> Receipt:
        if worked is not None and worked.message is None:
            return Receipt.DUPLICATE
        arrival = received.arrival
        if worked is None or worked.message is None or arrival.complete_within is None:
            return Receipt.STORED
        done = completion_of(self._dry.store, worked.message.position) if arrival.tell else None
        return Receipt("stored", done)


def _narrowed(tests: ChannelTests, text: str) -> ChannelTests:
    kept = tuple(test for test in tests.tests if text in test.test.casefold())
    return type(tests)(channel=tests.channel, file=tests.file, fixtures=tests.fixtures, tests=kept)


def _inline(message: str) -> bytes:
    """The bytes of a message that stands in a test: of HL7 v2 a line is a segment."""
    text = message.strip("\n")
    return (text if text.lstrip().startswith(("{", "[")) else text.replace("\n", "\r") + "\r").encode()


def _cut(data: bytes) -> list[bytes]:
    """As `cut`; bytes in which no message is found go in as they are: the listener says what they are."""
    if not data.strip() or len(data) > LARGEST:
        return cut(data)
    try:
        return cut(data)
    except Refusal:
        return [data]


def moment(written: str) -> int:
    """µs since 1970 of a day (its noon), or of a time."""
    return int(moment_of(written).timestamp()) * _SECOND


def _unexpected(came: Came, prefix: str, each: Input, expects: Sequence[Expect | None]) -> list[Difference]:
    """What became of a message as a whole must be said where it is trouble.

    Else a test that expects no postings would pass for a wrong reason.
    """
    given = [expect for expect in expects if expect is not None]
    if any(expect.outcome for expect in given):
        return []
    fine = set()
    if any(expect.acknowledgement for expect in given):
        fine.add("refused")  # the acknowledgement tells it
    if any(expect.exceptions is not None for expect in given):
        fine.add("quarantined")  # one of the exceptions tells it
    return [
        Difference(f"{prefix}outcome", "processed", f"{outcome}: {why}" if why else outcome, each.message.place)
        for outcome, why in zip(came.outcomes, came.why, strict=True)
        if outcome in {"refused", "unrouted", "quarantined"} - fine
    ]


def _compared(expect: Expect, came: Came, prefix: str) -> list[Difference]:
    """What is other than expected of one message, or of all."""
    found = _each(expect, "acknowledgement", expect.acknowledgement, came.acknowledgements, prefix)
    found += _each(expect, "outcome", expect.outcome, came.outcomes, prefix, came.why)
    for name in _LISTS:
        wanted = getattr(expect, name)
        if wanted is not None:
            found += compare_list(wanted, getattr(came, name), f"{prefix}{name}", expect.at(name))
    for name, count in expect.counts.items():
        received = came.counts.get(str(name), 0)
        if received != count:
            place = getattr(name, "place", expect.at("counts"))
            found.append(Difference(f"{prefix}counts.{name}", str(count), str(received), place))
    return found


def _each(  # noqa: PLR0917 - what is compared with what, and its names
    expect: Expect, name: str, wanted: Sequence[str], received: Sequence[str], prefix: str, why: Sequence[str] = ()
) -> list[Difference]:
    """One value for all messages, or one for each."""
    if not wanted:
        return []
    place = expect.at(name)
    if len(wanted) == 1:
        wanted = list(wanted) * len(received)
    elif len(wanted) != len(received):
        words = f"{len(received)}: {', '.join(received)}"
        return [Difference(f"{prefix}{name}", f"{len(wanted)}: {', '.join(wanted)}", words, place)]
    several = len(received) > 1
    words_of = list(why) or [""] * len(received)
    return [
        Difference(
            f"{prefix}{name}{f'[{number}]' if several else ''}", str(one), f"{two}: {words}" if words else two, place
        )
        for number, (one, two, words) in enumerate(zip(wanted, received, words_of, strict=True))
        if one != two
    ]


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
