"""The strict YAML reader: what it takes, what it refuses, and that it never raises."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

import casecart.workspace.yaml as reader
from casecart.workspace.node import ListNode, MapNode, Node, TextNode
from casecart.workspace.yaml import LARGEST, parse


def plain(node: Node | None) -> object:
    """The node without its places."""
    match node:
        case TextNode(text=text):
            return text
        case ListNode(items=items):
            return [plain(item) for item in items]
        case MapNode(entries=entries):
            return {entry.key.text: plain(entry.value) for entry in entries}
        case _:
            return None


def found(text: str | bytes) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    return [f"{finding.place.line}:{finding.place.column} {finding.code}" for finding in parse(data, "f.yaml")[1]]


@pytest.fixture(params=["libyaml", "pure Python"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_LOADER", yaml.CSafeLoader if request.param == "libyaml" else yaml.SafeLoader)


@pytest.mark.parametrize(
    "text", ["NO", "0012", "1e3", "2026-01-01", "0x1F", "1_000", "null", "~", "12:30:00", "=", "off"]
)
def test_a_scalar_stays_the_text_that_was_written(text: str) -> None:
    assert plain(parse(f"lot: {text}".encode(), "f.yaml")[0]) == {"lot": text}


def test_every_node_knows_its_line_and_column() -> None:
    node, findings = parse("a: 1\nbé:\n  - x\n  - {ключ: 'y'}\n".encode(), "f.yaml")
    assert findings == []
    assert isinstance(node, MapNode)
    items = node.entries[1].value
    assert isinstance(items, ListNode)
    inner = items.items[1]
    assert isinstance(inner, MapNode)
    places = [node.entries[1].key.place, items.place, inner.place, inner.entries[0].value.place]
    assert [str(place) for place in places] == ["f.yaml:2:1", "f.yaml:3:3", "f.yaml:4:5", "f.yaml:4:12"]


def test_a_byte_order_mark_and_windows_line_ends_change_no_place() -> None:
    node, findings = parse(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "f.yaml")
    assert findings == []
    assert isinstance(node, MapNode)
    assert str(node.entries[1].value.place) == "f.yaml:2:4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x 1\nb: &y 2", ["1:4 yaml-anchor", "2:4 yaml-anchor"]),
        ("a: *x\nb: 1\nb: 2", ["1:4 yaml-anchor", "3:1 duplicate-key"]),  # a text that begins with *
        ("a: 1\na: &x 2\nb: *x\nb: 1", ["2:1 duplicate-key", "2:4 yaml-anchor"]),  # what uses it is not read on
        ("*a : 1", ["1:1 yaml-anchor"]),  # an alias as a key
        ("a: !!int 3\nb: !secret x", ["1:4 yaml-tag", "2:4 yaml-tag"]),
        ("<<: *x\na: 1", ["1:1 yaml-merge"]),  # the alias is part of the same mistake
        ("a: 1\nb: 2\na: 3", ["3:1 duplicate-key"]),
        ("{a: 1, a: 2, a: 3}", ["1:8 duplicate-key", "1:14 duplicate-key"]),
        ("a: 1\n---\nb: 2", ["2:1 yaml-documents"]),
        ("%YAML 1.1\n---\na: 1", ["1:1 yaml-syntax"]),
        ("? [a]\n: 1", ["1:3 yaml-key"]),
        ("{a: 1}: 2", ["1:1 yaml-key"]),
        ("a:\n\tb: 1", ["2:1 yaml-tab"]),
        ("a:\n  b: 1\n\tc: 2", ["3:1 yaml-tab"]),
        ("", ["1:1 empty-value"]),
        ("# only a comment\n", ["1:1 empty-value"]),
        ("a: 1\x00", ["1:5 not-text"]),
        ("a: 1\nb: \x07", ["2:4 not-text"]),
        ("a: 1\u2028b: 2", ["1:5 not-text"]),  # a line end to YAML, and to no editor
        (b"a: 1\nb: \xe9", ["2:4 not-utf-8"]),
        ("a: 1".encode("utf-16"), ["1:1 not-utf-8"]),
        ("[" * 31, ["1:31 yaml-depth"]),
        ("{a: " * 31, ["1:121 yaml-depth"]),
        ("[" + "a," * 50_000 + "]", ["1:100000 too-large"]),
        (b"#" * (LARGEST + 1), ["1:1 too-large"]),
    ],
)
@pytest.mark.usefixtures("loader")
def test_what_makes_yaml_surprising_is_refused_at_its_place(text: str | bytes, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 'x\nb: 2\n", (1, 4), "a quote is opened here and never closed"),
        ("a: {b: 1\nc: 2\n", (2, 2), "opened in line 1"),
        ("a: [1, 2\nb: 3\n", (2, 2), "opened in line 1"),
        ("a: [1, 2\n", (2, 1), "opened in line 1"),
        ("about: Charges: all of them", (1, 15), "put it in quotes"),
        ("a: b\n  c: d", (2, 4), "check the indentation"),
        ("a\nb: 1", (2, 2), "indentation"),
        ("a:\n  - b\n c: 1", (3, 2), "check the indentation"),
        ("a: - b", (1, 4), "on a line of its own"),
        ("a: @x", (1, 4), "put in quotes"),
        ("accept: *", (1, 9), "begins with * or & is put in quotes"),
        ("a: |x\n y", (1, 5), "on the next lines"),
        ("a: }", (1, 4), "a value is expected here"),
        ("[a], b", (1, 4), "should end here"),
    ],
)
def test_a_syntax_error_is_one_finding_in_plain_words(text: str, place: tuple[int, int], words: str) -> None:
    node, findings = parse(text.encode(), "f.yaml")
    assert node is None
    assert [(finding.place.line, finding.place.column) for finding in findings] == [place]
    assert findings[0].code == "yaml-syntax"
    assert words in findings[0].message


def test_a_backslash_in_double_quotes_is_explained() -> None:
    assert "use single quotes" in parse(rb'a: "\d"', "f.yaml")[1][0].message


def test_what_was_found_before_a_syntax_error_is_kept() -> None:
    assert found("a: 1\na: 2\nb: 'x\n") == ["2:1 duplicate-key", "3:4 yaml-syntax"]


def test_an_unquoted_path_in_braces_is_a_finding_of_its_own_and_reading_goes_on() -> None:
    text = (
        "a: {path: OBX[2]-5, optional: true}\n"
        "b: {path: PID-3[*].1}\n"
        "c: {agree: [device-10.1, OBX[OBX-3.1 = '74711-3']-5], bind: PRT[PRT-4.1 = 'EQUIP'], a: 1, a: 2}\n"
    )
    # The last two stand behind repaired paths in their line, and their columns are those of the file all the same.
    assert found(text) == [
        "1:11 quote-path",
        "2:11 quote-path",
        "3:26 quote-path",
        "3:61 quote-path",
        "3:91 duplicate-key",
    ]
    assert plain(parse(text.encode(), "f.yaml")[0]) == {
        "a": {"path": "OBX[2]-5", "optional": "true"},
        "b": {"path": "PID-3[*].1"},
        "c": {"agree": ["device-10.1", "OBX[OBX-3.1 = '74711-3']-5"], "bind": "PRT[PRT-4.1 = 'EQUIP']", "a": "1"},
    }


def test_a_path_needs_no_quotes_where_a_line_is_its_own() -> None:
    assert found("device: PRT[PRT-4.1 = 'EQUIP']\npath: OBX[2]-5\n") == []


@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b"? ?\n")
@example(b"a: {b: [c]-1, *d")
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    node, findings = parse(data, "f.yaml")
    assert node is not None or findings


_PIECES = [
    *"abé{}[],'\"|>#%@\\\t\n",
    *("b: ", "- ", "  ", ": ", "? ", "&x ", "*x", "!t ", "<<: ", "---\n", "...", "OBX[2]-5", "PID-3[*].1", "null"),
]


@given(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join))
def test_no_pieces_of_yaml_make_the_reader_raise_or_point_outside_the_file(text: str) -> None:
    node, findings = parse(text.encode(), "f.yaml")
    assert node is not None or findings
    lines = text.split("\n")
    for finding in findings:
        assert 1 <= finding.place.line <= len(lines) + 1
        assert 1 <= finding.place.column <= max(map(len, lines)) + 1


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"], exclude_characters="\ufeff\uffff"))
_VALUES = st.recursive(
    _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_what_another_program_writes_as_yaml_is_read_back(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    node, findings = parse(text.encode(), "f.yaml")
    if [finding.code for finding in findings] in (["yaml-anchor"], ["not-text"]):
        return
    assert findings == []
    assert plain(node) == value


@pytest.mark.parametrize(
    "bomb",
    [
        "{a: " * 250_000,
        "- " * 500_000,
        "? " * 500_000,
        "&a " * 300_000,
        "a: OBX[2]-5\n" * 80_000,
        "x: {a: b[c]}\n" * 80_000,
    ],
)
def test_a_bomb_is_refused_within_a_second(bomb: str) -> None:
    before = time.process_time()
    assert parse(bomb.encode()[:LARGEST], "f.yaml")[1]
    assert time.process_time() - before < 1
