"""What is shown of tests that were run."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["CoveredFile", "DifferenceView", "TestedView", "TestsView", "UncoveredView"]


class DifferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is other than expected."""

    path: str
    """Such as ``postings[0].serial``."""
    expected: str
    received: str
    line: int
    """Of the file of tests, where it is expected."""


class TestedView(msgspec.Struct, frozen=True, kw_only=True):
    """One test."""

    __test__ = False  # for pytest

    channel: str
    test: str
    file: str
    line: int
    result: Literal["passed", "failed", "error"]
    """error: it could not be run."""
    differences: list[DifferenceView]
    words: str
    """Why it could not be run."""
    milliseconds: float


class UncoveredView(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a mapping, table or route that no test reached."""

    file: str
    line: int
    what: str
    """Such as ``path FT1-23.1 was never used``."""


class CoveredFile(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a file was reached."""

    file: str
    parts: int
    reached: int
    percent: float
    never: list[UncoveredView]


class TestsView(msgspec.Struct, frozen=True, kw_only=True):
    """A run of tests."""

    __test__ = False  # for pytest

    tests: list[TestedView]
    findings: list[str]
    """What keeps tests of a channel from being run, each once."""
    passed: int
    failed: int
    errors: int
    milliseconds: float
    coverage: list[CoveredFile] | None
    """None: it was not asked for."""

    @property
    def fine(self) -> bool:
        """Whether there are tests, and all of them passed."""
        return self.passed > 0 and not self.failed and not self.errors and not self.findings
