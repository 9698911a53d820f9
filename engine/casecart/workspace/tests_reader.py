"""Reads the tests of a workspace's channels: every file strictly, every name known, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.workspace.channel_tests import (
    OTHERS,
    SUFFIX,
    ChannelTest,
    ChannelTests,
    Fixtures,
    FixturesEntry,
    TestsFile,
    is_inline,
)
from casecart.workspace.files import Folder, contents
from casecart.workspace.findings import Finding, Place, did_you_mean, listed, shown
from casecart.workspace.node import Entry, ListNode, MapNode, TextNode
from casecart.workspace.reader import read
from casecart.workspace.reading import Reading
from casecart.workspace.text import Text
from casecart.workspace.yaml import LARGEST, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from casecart.workspace.channel_tests import Expect, MasterFixture
    from casecart.workspace.declaration import Names
    from casecart.workspace.node import Node
    from casecart.workspace.shape import Tree

__all__ = ["Fields", "inside", "load_tests", "test_files"]

FOLDER: Final = "channels"

Fields = dict[str, "Fields | None"]
"""The fields of something that is expected, each with those that it has itself; None: any, or it has none."""

_NONE: Final = "there is no test here: write a line '- test: NAME' with what comes in, and what is expected"

_LISTS: Final = {"documents": "document", "filtered": "filtered", "postings": "posting", "exceptions": "exception"}


def test_files(root: Path, findings: list[Finding]) -> list[tuple[str, str]]:
    """Channel and path below the root of every file of tests. One that would be overlooked is a finding."""
    found: list[tuple[str, str]] = []
    folder = root / FOLDER
    for name in sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ():
        if name.endswith(SUFFIX):
            found.append((name.removesuffix(SUFFIX), f"{FOLDER}/{name}"))
        elif name.lower().endswith((SUFFIX, ".test.yml")):
            stem = name[: name.lower().rindex(".test.")]
            message = f"the file would be overlooked; rename it to {stem}{SUFFIX}"
            findings.append(Finding(Place(f"{FOLDER}/{name}"), "error", "file-name", message))
    return found


test_files.__test__ = False  # type: ignore[attr-defined]  # else pytest takes it for one of its own


def load_tests(
    root: Path,
    *,
    channels: Collection[str],
    known: Mapping[Names, Collection[str]],
    fields: Mapping[str, Fields],
) -> tuple[list[ChannelTests], list[Finding]]:
    """The tests of all channels, and all that is wrong with them; a file that has an error gives none.

    Args:
        root: of the workspace.
        channels: that there are.
        known: sort of name → those that there are; of a sort that is missing nothing is said.
        fields: of each sort of what is expected: `document` (by its kind), `filtered`, `posting`, `exception`.
    """
    found: list[ChannelTests] = []
    findings: list[Finding] = []
    for channel, file in test_files(root, findings):
        tests, wrong = _File(root, channel, file, known, fields).read(channels)
        findings += wrong
        if tests is not None and not wrong:
            found.append(tests)
    return found, sorted(findings, key=lambda finding: finding.place)


def inside(root: Path, file: str, named: str) -> Path | None:
    """The path of what a test names, from its own folder; None where that is outside of the workspace, or no name."""
    try:
        path = (root / file).parent.joinpath(named).resolve()
        return path if path.is_relative_to(root.resolve()) and "\0" not in named else None
    except (OSError, ValueError, RuntimeError):
        return None


class _File:
    """One file of tests."""

    def __init__(
        self,
        root: Path,
        channel: str,
        file: str,
        known: Mapping[Names, Collection[str]],
        fields: Mapping[str, Fields],
    ) -> None:
        self._root, self._channel, self._file = root, channel, file
        self._known, self._fields = known, fields
        self._reading = Reading()

    def read(self, channels: Collection[str]) -> tuple[ChannelTests | None, list[Finding]]:
        """The tests, and what is wrong."""
        reading = self._reading
        if self._channel not in channels:
            message = f"no channel has the name {shown(self._channel)}, and these would be its tests; there are "
            suggestion = did_you_mean(self._channel, channels)
            reading.error(Place(self._file), "unknown-name", message + listed(sorted(channels)), suggestion)
        data = contents(Folder(self._root), self._file, LARGEST, reading.findings)
        node, findings = (None, []) if data is None else parse(data, self._file)
        reading.findings += findings
        if node is None:
            return None, reading.findings
        if not isinstance(node, ListNode):
            message = "a file of tests is a list: a line '- test: NAME' for each, with its other keys under it"
            reading.error(node.place, "expected-list", message)
            return None, reading.findings
        entries = [entry for each in node.items for entry in self._read(each)]
        if not node.items:
            reading.error(node.place, "too-few", _NONE)
        self._names()
        tests = tuple(each for each in entries if isinstance(each, ChannelTest))
        heads = [each for each in entries if isinstance(each, FixturesEntry)]
        self._whole(tests, [each.place for each in heads], node)
        fixtures = heads[0].fixtures if heads else Fixtures()
        self._files(fixtures.master)
        for test in tests:
            self._test(test)
        return ChannelTests(channel=self._channel, file=self._file, fixtures=fixtures, tests=tests), reading.findings

    def _read(self, node: Node) -> tuple[ChannelTest | FixturesEntry, ...]:
        """An entry by itself, so that what is wrong with one hides nothing of the others."""
        alone = ListNode(node.place, (node,))
        made = read(TestsFile, MapNode(node.place, (Entry(TextNode(node.place, "tests"), alone),)), self._reading)
        return () if made is None else made.tests

    def _whole(self, tests: Iterable[ChannelTest], heads: list[Place], node: ListNode) -> None:
        if heads and (len(heads) > 1 or heads[0] != node.items[0].place):
            message = "what the tests share is said once, before the first of them"
            self._reading.error(heads[-1], "step-order", message)
        before: dict[str, ChannelTest] = {}
        for test in tests:
            earlier = before.setdefault(str(test.test), test)
            if earlier is not test:
                message = f"the test in line {earlier.place.line} has this name already; give one of them another"
                self._reading.error(test.test.place, "same-test", message)
        if heads and len(heads) == len(node.items):
            self._reading.error(node.place, "too-few", _NONE)

    def _names(self) -> None:
        """Of listeners, peers, tables of master data, and what can be counted."""
        for sort, name in self._reading.used:
            known = self._known.get(sort)
            if known is not None and name not in known:
                message = f"no {sort} has the name {shown(name)}; there are {listed(sorted(known), most=20)}"
                if sort == "counted":
                    message = f"{shown(name)} can't be counted; what can be is {listed(known)}"
                self._reading.error(name.place, "unknown-name", message, did_you_mean(name, known))

    # --- one test
    def _test(self, test: ChannelTest) -> None:
        self._files(test.master)
        for each in test.messages:
            if not is_inline(each.message):
                self._there(each.message)
            self._expected(each.expect)
        self._expected(test.expect)

    def _files(self, master: MasterFixture | None) -> None:
        for named in master.files if master is not None else ():
            self._there(named, folder=True)
        if master is not None and not master.files and not master.rows:
            self._reading.error(master.place, "too-few", "name files or rows of master data, or remove the key")

    def _there(self, named: Text, *, folder: bool = False) -> None:
        path = inside(self._root, self._file, named)
        if path is None:
            message = f"{shown(named)} leads out of the workspace: a test is to be the same on every machine"
            self._reading.error(named.place, "bad-value", message)
        elif not (path.is_file() or (folder and path.is_dir())):
            message = f"there is no file {shown(named)}, from the folder of the test"
            near = did_you_mean(
                path.name, [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
            )
            suggestion = None if near is None else f"{named[: len(named) - len(path.name)]}{near}"
            self._reading.error(named.place, "missing-file", message, suggestion)

    def _expected(self, expect: Expect | None) -> None:
        if expect is None:
            return
        for name, sort in _LISTS.items():
            for tree in getattr(expect, name) or ():
                self._entry(tree, sort)

    def _entry(self, tree: Tree, sort: str) -> None:
        if tree.value == OTHERS:
            return
        value = tree.value
        if isinstance(value, Text | tuple) or value is None:
            message = f"a {sort} is a block of fields and values, or {OTHERS} for others"
            self._reading.error(tree.place, "expected-keys", message)
            return
        fields = self._fields.get(sort, {})
        if sort == "document" and len(value) != 1:
            message = f"a document is a block of its fields under its kind, one of {listed(fields)}"
            self._reading.error(tree.place, "one-of", message)
            return
        for name, what, of in self._unknown(tree, fields, sort):
            message = f"{shown(name)} is not a field of {what}"
            suggestion = did_you_mean(name, of)
            if suggestion is None:
                message += f", which has {listed(sorted(of), most=40)}"
            self._reading.error(name.place, "unknown-field", message, suggestion)
        self._destination(value)
        if sort == "document":
            (fields_of,) = value.values()
            if isinstance(fields_of.value, Text | tuple) and fields_of.value != OTHERS:
                self._reading.error(
                    fields_of.place, "expected-keys", "the fields of a document are a block: {field: value}"
                )

    def _destination(self, value: Mapping[Text, Tree]) -> None:
        to = next((each.value for name, each in value.items() if name == "to"), None)
        known = self._known.get("destination")
        if isinstance(to, Text) and to != OTHERS and known is not None and to not in known:
            message = f"no destination has the name {shown(to)}; there are {listed(sorted(known))}"
            self._reading.error(to.place, "unknown-name", message, did_you_mean(to, known))

    def _unknown(self, tree: Tree, fields: Fields, what: str) -> Iterator[tuple[Text, str, Fields]]:
        """Each name that is no field, with whose field it would be and which there are."""
        if isinstance(tree.value, tuple):
            for each in tree.value:
                yield from self._unknown(each, fields, what)
        elif tree.value is not None and not isinstance(tree.value, Text):
            for name, value in tree.value.items():
                if name not in fields:
                    yield name, what, fields
                elif (inner := fields[name]) is not None:
                    yield from self._unknown(value, inner, str(name))
