"""Findings: their words, their codes, and the guesses they offer."""

from __future__ import annotations

import ast
import re

import pytest

from casecart.workspace import CODES, Finding, Place, WorkspaceError
from casecart.workspace.findings import did_you_mean, listed, shown
from support.checkout import ROOT


def test_a_finding_is_one_line_with_its_place_first() -> None:
    finding = Finding(Place("channels/a.yaml", 14, 7), "error", "unknown-key", "'retrys' is not a key of file", "retry")
    assert str(finding) == (
        "channels/a.yaml:14:7 error unknown-key 'retrys' is not a key of file. Did you mean 'retry'?"
    )


def test_an_error_carries_its_findings_and_reads_as_their_lines() -> None:
    one, two = (Finding(Place("a", line), "error", "bad-value", "it is bad") for line in (1, 2))
    error = WorkspaceError([one, two])
    assert error.findings == (one, two)
    assert str(error) == f"{one}\n{two}"


SOURCES = {
    path: path.read_text(encoding="utf-8")
    for room in ("engine", "listeners", "destinations")
    for path in (ROOT / room).rglob("*.py")
    # What is found in master data has codes of its own, told in docs/reference/master-data.md.
    if path.name != "codes.py" and path.parent.name != "master"
}


def given_by(call: ast.Call) -> list[str]:
    """The code of `Finding(place, severity, code, ...)`, `x.error(place, code, ...)` and `x._refuse(event, code)`."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    place = {"Finding": 2, "error": 1, "_refuse": 1}.get(name, len(call.args))
    told = call.args[place : place + 1]
    return [str(each.value) for each in told if isinstance(each, ast.Constant) and " " not in str(each.value)]


def test_every_code_that_is_given_is_listed_and_every_one_listed_is_given() -> None:
    calls = [node for source in SOURCES.values() for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    used = {code for call in calls for code in given_by(call)}
    assert len(used) > 50
    assert used <= CODES.keys()
    everything = "".join(SOURCES.values())
    assert {code for code in CODES if f'"{code}"' not in everything} == set()


def test_every_code_is_explained_and_says_what_to_do() -> None:
    for code, (about, remedy) in CODES.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
        assert re.fullmatch(r"[A-Z].{10,}[.]", about)
        assert re.fullmatch(r"[A-Z].{10,}[^.]", remedy)


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("retrys", ["retry", "folder"], "retry"),
        ("inventroy", ["erp", "inventory"], "inventory"),
        ("USAGE", ["Usage"], "Usage"),  # only its letters' case is wrong
        ("xyz", ["folder"], None),
        ("", ["folder"], None),
        ("a" * 10_000, ["a" * 9], None),  # a long word is compared by its beginning
    ],
)
def test_a_guess_is_offered_only_when_it_is_near(word: str, known: list[str], expected: str | None) -> None:
    assert did_you_mean(word, known) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (list("abcd"), "a, b and 2 more"),
    ],
)
def test_names_are_listed_as_a_person_would(names: list[str], expected: str) -> None:
    assert listed(names, most=2 if len(names) > 3 else 12) == expected


def test_a_word_is_shown_in_one_line_and_cut_when_long() -> None:
    assert shown("two\nlines") == "'two lines'"
    assert shown("x" * 100) == f"'{'x' * 40}...'"
