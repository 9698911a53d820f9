"""The page of conformance names tests that are there, and leaves no behaviour without one."""

from __future__ import annotations

import re
from functools import cache

import pytest

from support.checkout import ROOT

PAGE = ROOT / "docs" / "reference" / "conformance.md"
NAMED = re.compile(r"`([a-z0-9_/]+)::(test_[a-z0-9_]+)`")


def rows(text: str) -> list[list[str]]:
    """The cells of each row of its tables, without their heads."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [
        [cell.strip() for cell in line] for line in lines if line[-1].strip() != "shown by" and set(line[0]) - set("- ")
    ]


@cache
def there_are(file: str) -> frozenset[str]:
    path = ROOT / "tests" / f"{file}.py"
    return (
        frozenset(re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE))
        if path.exists()
        else frozenset()
    )


def missing(text: str) -> list[str]:
    """What is named and not there, and rows that name nothing."""
    found = [row[0] for row in rows(text) if not NAMED.search(row[-1])]
    return found + [f"{file}::{name}" for file, name in NAMED.findall(text) if name not in there_are(file)]


def test_every_behaviour_names_tests_that_are_there() -> None:
    text = PAGE.read_text("utf-8")
    assert len(rows(text)) > 50
    assert missing(text) == []


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (
            "| it works | - | `unit/test_conformance::test_that_is_not_there` |",
            ["unit/test_conformance::test_that_is_not_there"],
        ),
        ("| it works | - | `unit/no_such_file::test_a` |", ["unit/no_such_file::test_a"]),
        ("| it works | - | by itself |", ["it works"]),
        ("| it works | `unit/test_conformance::test_a_row_without_its_test_is_found` |", []),
    ],
)
def test_a_row_without_its_test_is_found(row: str, found: list[str]) -> None:
    assert missing(f"| behaviour | by | shown by |\n| --- | --- | --- |\n{row}\n") == found
