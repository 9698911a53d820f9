"""Results of tests as JUnit XML, which build servers read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from casecart.cli.text import printable

if TYPE_CHECKING:
    from casecart.commands.tested_view import TestedView, TestsView

__all__ = ["junit_of"]


def junit_of(done: TestsView) -> bytes:
    """The document: a suite for each channel, a case for each test."""
    root = Element("testsuites", _counts(done.tests))
    for channel in dict.fromkeys(each.channel for each in done.tests):
        tests = [each for each in done.tests if each.channel == channel]
        suite = SubElement(root, "testsuite", {"name": printable(channel), **_counts(tests)})
        for test in tests:
            _case(suite, test)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root) + b"\n"


def _counts(tests: list[TestedView]) -> dict[str, str]:
    return {
        "tests": str(len(tests)),
        "failures": str(sum(each.result == "failed" for each in tests)),
        "errors": str(sum(each.result == "error" for each in tests)),
        "time": f"{sum(each.milliseconds for each in tests) / 1000:.3f}",
    }


def _case(suite: Element, test: TestedView) -> None:
    about = {
        "classname": printable(test.channel),
        "name": printable(test.test),
        "file": test.file,
        "line": str(test.line),
        "time": f"{test.milliseconds / 1000:.3f}",
    }
    case = SubElement(suite, "testcase", about)
    if test.result == "error":
        SubElement(case, "error", {"message": printable(test.words)})
    elif test.result == "failed":
        lines = [f"{each.path}  expected {each.expected}  received {each.received}" for each in test.differences]
        failure = SubElement(case, "failure", {"message": printable(lines[0])})
        failure.text = "\n".join(map(printable, lines))
