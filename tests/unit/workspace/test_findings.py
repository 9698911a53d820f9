"""Findings: their words, their codes, and the guesses they offer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import casecart.workspace
from casecart.workspace import CODES, Finding, Place, WorkspaceError
from casecart.workspace.findings import did_you_mean, listed, shown

PACKAGE = Path(casecart.workspace.__file__).parent


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


def test_every_code_that_the_workspace_gives_is_listed_and_explained() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if path.name != "findings.py")
    used = set(re.findall(r'"error",\s*"([a-z0-9-]+)"', source))
    used |= set(re.findall(r'(?:\.error\([^"]*|_refuse\([^"]*)"([a-z0-9-]+)"', source)) - {"error"}
    assert len(used) > 30
    assert used <= CODES.keys()
    for code, about in CODES.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
        assert re.fullmatch(r"[A-Z].{10,}[.]", about)


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
