"""Record a test: what a channel makes of messages now, as what is expected of it from now on.

The test is added to channels/NAME.test.yaml, behind what stands there, and its messages to samples/recorded. Then it is
run. Where anything is wrong with it, the files are as they were.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from casecart.commands.deidentify import deidentified
from casecart.commands.expected_fields import of_channels
from casecart.commands.fixtures import FixtureStores
from casecart.commands.one_test import OneTest, time_of
from casecart.commands.recorded import entry_text, summary, words_of
from casecart.commands.refusal import Refusal
from casecart.commands.taking import Way, not_taken
from casecart.commands.testing import RunTests
from casecart.commands.workspace import read_workspace
from casecart.runtime.dry_run import Compiled
from casecart.workspace import Text, WorkspaceError
from casecart.workspace.channel_tests import SUFFIX, ChannelTest, ChannelTests, Fixtures, Input
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from casecart.commands.came import Came
    from casecart.formats.deidentify import Canary
    from casecart.workspace import Workspace

__all__ = ["Deidentification", "Record", "RecordedTest"]

_FOLDER: Final = "samples/recorded"
_MASTER: Final = "samples/master"
_ENTRY: Final = re.compile(r"^( *)- ", re.MULTILINE)
_NOT_NAME: Final = re.compile(r"[^a-z0-9]+")
_LONGEST: Final = 60
_JSON: Final = (b"{", b"[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deidentification:
    """How messages are de-identified; see `casecart.formats.deidentify.deidentify`."""

    key: bytes
    today: date
    keep: Collection[str] = ()
    allow: Collection[str] = ()


class RecordedTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that was recorded."""

    __test__ = False  # for pytest

    channel: str
    test: str
    """Its name."""
    file: str
    """Below the root of the workspace, as `input`."""
    input: str
    replaced: int | None
    """Values that are others now; None: the messages are as they were."""
    notes: list[str]
    """What a person should know: that de-identification changed what comes of it, that there are no master data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A wish to record a test.

    Attributes:
        root: the workspace.
        bodies: the messages, each as it would come in.
        channel: its name; empty: the one that takes them.
        name: of the test; empty: one is made of what comes.
        deidentification: how; None: they are recorded as they are.
        listener: through which they come; None: the first of the channel that takes them.
        peer: from whom, where that is not told by themselves; None: the first that fits.
        version: of FHIR, as ``R5``; None: as the sender's is configured.
        charset: of the messages, where the sender's is known better than they say.
    """

    root: Path
    bodies: Sequence[bytes]
    channel: str = ""
    name: str = ""
    deidentification: Deidentification | None = None
    listener: str | None = None
    peer: str | None = None
    version: str | None = None
    charset: str | None = None

    def run(self) -> RecordedTest:
        """All of it.

        Raises:
            NotAWorkspace: there is none.
            WorkspaceError: files of the workspace, or of tests, have mistakes.
            Refusal: no channel takes the messages, or something of what is replaced would be left.
        """
        workspace = read_workspace(self.root)
        channel = self._channel(workspace)
        files, findings = of_channels(self.root, workspace)
        if mistakes := [each for each in findings if each.place.file == f"channels/{channel}{SUFFIX}"]:
            raise WorkspaceError(mistakes)
        tests = next((each for each in files if each.channel == channel), None) or _none_yet(self.root, channel)
        before = self._came(workspace, tests, self.bodies)
        bodies, canary, replaced, notes = list(self.bodies), None, None, []
        came = before
        if (how := self.deidentification) is not None:
            made = deidentified(
                bodies, key=how.key, today=how.today, keep=how.keep, allow=how.allow, charset=self.charset
            )
            bodies, canary, replaced = made.bodies, made.canary, made.replaced
            came = self._came(workspace, tests, bodies)
            notes += _changed(summary(before), summary(came))
        if tests.fixtures.master is None and any("Usage" in each for each in came.documents if isinstance(each, dict)):
            notes.append("the test has no master data: nothing is resolved; say in `fixtures` which it begins with")
        name = " ".join(self.name.split()) or _named(came, bodies, {str(test.test) for test in tests.tests})
        if any(test.test == name for test in tests.tests):
            raise Refusal("bad-value", f"there is a test '{name}' in {tests.file} already; give it another --name")
        files_ = _Files(self.root, tests, name, ".json" if _is_json(bodies[0]) else ".hl7")
        text = entry_text(name, self._way(files_.input), came, files_.indent)
        _look(canary, (text, files_.input), words_of(came) | _words_of(workspace))
        try:
            files_.write(bodies, text)
        except OSError as error:
            words = f"{error.filename or files_.input} can't be written: {error.strerror}; nothing was recorded"
            raise Refusal("bad-value", words) from None
        try:
            self._passes(tests.file, name)
        except BaseException:
            files_.take_back()
            raise
        return RecordedTest(
            channel=channel, test=name, file=tests.file, input=files_.input, replaced=replaced, notes=notes
        )

    def _channel(self, workspace: Workspace) -> str:
        if self.channel in workspace.channels:
            sources = workspace.channels[self.channel].sources
            if self.listener is not None and self.listener not in sources:
                words = f"channel '{self.channel}' takes nothing from '{self.listener}'; it is from {listed(sources)}"
                raise Refusal("not-found", words, did_you_mean(self.listener, sources))
            return self.channel
        if self.channel:
            words = f"there is no channel '{self.channel}'; there are {listed(sorted(workspace.channels))}"
            raise Refusal("not-found", words, did_you_mean(self.channel, workspace.channels))
        taking = [name for name in sorted(map(str, workspace.channels)) if self._takes(workspace, name)]
        if len(taking) == 1:
            return taking[0]
        if taking:
            raise Refusal("ambiguous", f"channels {listed(taking)} take it: say with --channel which is tested")
        raise Refusal("not-found", "no channel takes it: `casecart try CHANNEL FILE` tells why one doesn't")

    def _takes(self, workspace: Workspace, name: str) -> bool:
        declared = workspace.channels[name]
        if self.listener is not None and self.listener not in declared.sources:
            return False
        try:
            received = Way(
                workspace,
                declared,
                now=lambda: 0,
                listener=self.listener,
                peer=self.peer,
                version=self.version,
            ).received(self.bodies[0])
        except (Refusal, KeyError):
            return False
        return not_taken(workspace, declared, received) is None

    def _came(self, workspace: Workspace, tests: ChannelTests, bodies: Sequence[bytes]) -> Came:
        """What comes of the messages, as `casecart test` would have it."""
        compiled = Compiled(workspace, tests.channel, clock=time.perf_counter, reach=None)
        try:
            each = _input("", self._way(""))
            test = _test(each)
            stores = FixtureStores(workspace, time_of(tests, test))
            came = OneTest(compiled, tests, test, stores, time.perf_counter).came(each, bodies)
        finally:
            compiled.close()
        if "unrouted" in came.outcomes:
            why = next(filter(None, came.why), "")
            raise Refusal("bad-value", f"channel {tests.channel} does not take it: {why}")
        return came

    def _way(self, file: str) -> dict[str, str]:
        way = {"message": f"../{file}", "listener": self.listener, "peer": self.peer, "version": self.version}
        return {name: value for name, value in way.items() if value}

    def _passes(self, file: str, name: str) -> None:
        """Raises `Refusal` where it doesn't."""
        try:
            done = RunTests(root=self.root, wanted=[file], text=name).run()
        except WorkspaceError as error:
            words = f"the test would not be read ({error.findings[0].message}); nothing was recorded"
            raise Refusal("bad-value", words) from None
        of = [each for each in done.tests if each.test == name]
        if len(of) == 1 and of[0].result == "passed":
            return
        paths = ", ".join(each.path for test in of for each in test.differences) or "it can't be run"
        raise Refusal("bad-value", f"the test did not pass when it was run at once ({paths}); nothing was recorded")


class _Files:
    """The two files that a test stands in."""

    def __init__(self, root: Path, tests: ChannelTests, name: str, ending: str) -> None:
        self._root, self._path = root, root / tests.file
        self._before = self._path.read_text("utf-8") if self._path.exists() else None
        text = self._before or _head(root)
        self._text = text if not text or text.endswith("\n") else f"{text}\n"
        first = _ENTRY.search(self._text)
        self.indent = first[1] if first is not None else ""
        stem = f"{tests.channel}-{_NOT_NAME.sub('-', name.casefold())}"[:_LONGEST].strip("-")
        names = (f"{_FOLDER}/{stem}{number}{ending}" for number in ("", *(f"-{each}" for each in range(2, 100_000))))
        self.input = next(each for each in names if not (root / each).exists())
        """The messages' file, below the root."""

    def write(self, bodies: Sequence[bytes], text: str) -> None:
        """Both, the one that names the other last."""
        path = self._root / self.input
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(b"".join(body if _is_json(body) else body.rstrip(b"\r\n") + b"\r" for body in bodies))
        blank = "\n" if self._text else ""
        try:
            _replace(self._path, f"{self._text}{blank}{text}")
        except BaseException:
            path.unlink()
            raise

    def take_back(self) -> None:
        """As they were."""
        (self._root / self.input).unlink()
        if self._before is None:
            self._path.unlink()
        else:
            _replace(self._path, self._before)


def _is_json(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in _JSON


def _replace(path: Path, text: str) -> None:
    """Whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(name).chmod(path.stat().st_mode if path.exists() else 0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _head(root: Path) -> str:
    """What a new file begins with: the samples' master data, where there are some."""
    return f"- fixtures:\n    master: ../{_MASTER}\n" if (root / _MASTER).is_dir() else ""


def _none_yet(root: Path, channel: str) -> ChannelTests:
    """As a new file would be read."""
    from casecart.workspace.channel_tests import MasterFixture  # noqa: PLC0415 - of a new file only

    master = MasterFixture(files=(Text(f"../{_MASTER}"),)) if (root / _MASTER).is_dir() else None
    return ChannelTests(channel=channel, file=f"channels/{channel}{SUFFIX}", fixtures=Fixtures(master=master), tests=())


def _input(message: str, way: Mapping[str, str]) -> Input:
    texts = {name: Text(value) for name, value in way.items() if name in {"listener", "peer"}}
    return Input(message=Text(message), **texts, version=way.get("version"))  # type: ignore[arg-type]  # checked by the CLI


def _test(each: Input) -> ChannelTest:
    return ChannelTest(test=Text(""), input=each)


def _named(came: Came, bodies: Sequence[bytes], taken: Collection[str]) -> str:
    """A name that says what comes, and nothing of the message's content."""
    parts = [f"{came.counts.get(what, 0)} {what}" for what in ("posted", "filtered", "held") if came.counts.get(what)]
    kind = "a resource" if _is_json(bodies[0]) else "a message" if len(bodies) == 1 else f"{len(bodies)} messages"
    name = f"{kind} as recorded, {', '.join(parts) or 'no lines'}"
    names = (name, *(f"{name} ({number})" for number in range(2, 100_000)))
    return next(each for each in names if each not in taken)


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """What de-identification changed in what comes; without content."""
    return [
        f"de-identification changed what comes of it ({name}): {before[name]} before, {after[name]} now, which is what "
        "the test expects; --keep names fields whose values must stay"
        for name in before
        if before[name] != after[name]
    ]


def _words_of(workspace: Workspace) -> frozenset[str]:
    names = {*workspace.channels, *workspace.engine.listeners, *workspace.engine.destinations, *Path(_FOLDER).parts}
    return frozenset(word for name in names for word in re.findall(r"\w+", str(name).casefold()))


def _look(canary: Canary | None, texts: Sequence[str], common: Collection[str]) -> None:
    """Raises `Refusal` where something of what was replaced is in what is to be written."""
    if canary is None:
        return
    for text, what in zip(texts, ("what is expected, line {line}", "the name of the file"), strict=True):
        line = canary.in_text(text, common)
        if line is not None:
            where = what.format(line=line)
            raise Refusal("bad-value", f"{where}, holds something that is replaced in the message; nothing was written")
