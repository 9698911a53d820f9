"""A block more in config/engine.yaml: all that stands there stays, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.workspace import WorkspaceError, reference
from casecart.workspace.insertion import inserted
from casecart.workspace.node import MapNode
from casecart.workspace.yaml import parse

LINES = ["new:  # a comment", "  kind: file", "  folder: var/new"]


def insert(text: str | bytes, block: str = "listeners", name: str = "new") -> str:
    data = text.encode() if isinstance(text, str) else text
    return inserted(data, "engine.yaml", block, name, LINES).decode()


NEW = "  new:  # a comment\n    kind: file\n    folder: var/new\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("listeners:\n  a: {kind: mllp}\n", ""),  # at the end of the file
        ("listeners:\n  a:\n    kind: mllp  # said of a\n", "destinations: {}\n"),
        ("listeners:\n  a: {kind: mllp}\n  # the last of them\n", "\n# the ways out\ndestinations: {}\n"),
        ("listeners:\n  a: {kind: mllp}\n", "\n\n---ignored: no\n"),
        ("x: 1\nlisteners:\n  a:\n    text: |\n      # no comment\n\n      more\n", "\n# end\n"),
    ],
)
def test_it_goes_behind_the_last_of_its_block_and_before_what_is_said_of_the_next(before: str, after: str) -> None:
    if "---" in after:
        after = after.replace("---ignored: no\n", "y: 2\n")
    assert insert(before + after) == before + NEW + after


def test_a_file_of_windows_keeps_its_line_ends_and_its_mark() -> None:
    text = "\ufefflisteners:\r\n  a: {kind: mllp}\r\nx: 1\r\n"
    assert insert(text) == text.replace("x: 1", NEW.replace("\n", "\r\n") + "x: 1")


def test_a_last_line_without_an_end_gets_one() -> None:
    assert insert("listeners:\n  a: {kind: mllp}") == "listeners:\n  a: {kind: mllp}\n" + NEW


def test_entries_are_indented_as_the_others_are() -> None:
    assert insert("listeners:\n     a: {kind: mllp}\n") == (
        "listeners:\n     a: {kind: mllp}\n     new:  # a comment\n       kind: file\n       folder: var/new\n"
    )


def test_a_block_that_is_missing_is_added() -> None:
    text = "listeners:\n  a: {kind: mllp}\n"
    assert insert(text, "destinations") == text + "\ndestinations:\n" + NEW


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("listeners: {a: {kind: mllp}}\n", "expected-keys"),
        ("listeners:\n", "expected-keys"),
        ("listeners: []\n", "expected-keys"),
        ("{listeners: {a: 1}}\n", "expected-keys"),
        ("- listeners\n", "expected-keys"),
        ("listeners:\n  new: {kind: mllp}\n", "bad-name"),
        ("listeners: [\n", "yaml-syntax"),
        ("listeners: &x\n  a: 1\n", "yaml-anchor"),
        (b"\xff", "not-utf-8"),
        ("", "empty-value"),
    ],
)
def test_where_it_cannot_go_the_finding_says_so(text: str | bytes, code: str) -> None:
    with pytest.raises(WorkspaceError) as raised:
        insert(text)
    assert [finding.code for finding in raised.value.findings] == [code]


KEYS = st.lists(st.sampled_from(["organisation", "listeners", "destinations", "store", "z"]), unique=True, min_size=1)
PARTS = st.sampled_from(["", "# said\n", "\n", "  # said within\n", "\n\n"])
VALUES = st.sampled_from(
    ["  a: {kind: mllp}\n", "  a:\n    b: 1\n  c: 2\n", "    a: 'x\n\n     y'\n", "  a: |\n    # t\n\n    u\n"]
)


@given(st.data())
def test_whatever_stands_around_it_nothing_is_lost_and_one_more_is_there(data: st.DataObject) -> None:
    text = "".join(f"{key}:\n{data.draw(VALUES)}{data.draw(PARTS)}" for key in data.draw(KEYS))
    block = data.draw(st.sampled_from(["listeners", "destinations"]))
    made = insert(text, block)
    before, after = _read(text), _read(made)
    assert after.pop(block) == [*before.pop(block, []), "new"]
    assert after == before
    rest = iter(made.splitlines())
    assert all(line in rest for line in text.splitlines())  # in their order


def _read(text: str) -> dict[str, list[str]]:
    node, findings = parse(text.encode(), "f")
    assert not findings
    assert isinstance(node, MapNode)
    return {
        entry.key.text: [inner.key.text for inner in entry.value.entries] if isinstance(entry.value, MapNode) else []
        for entry in node.entries
    }


def test_the_shipped_configuration_takes_one_more_of_each() -> None:
    data = (reference.root() / "config" / "engine.yaml").read_bytes()
    made = inserted(inserted(data, "f", "listeners", "new", LINES), "f", "destinations", "new", LINES)
    text = data.decode()
    assert made.decode().replace(NEW, "") == text
    assert made.decode().index(NEW) < text.index("destinations:") + len(NEW)
