"""Findings as other programs take them: one JSON document, GitHub's workflow commands, SARIF."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from casecart.workspace import CODES, Code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.workspace import Finding

__all__ = ["as_document", "as_sarif", "as_workflow_command"]

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_UNLISTED: Final = Code("A mistake.", "See what its message says")


def as_document(root: Path, findings: Sequence[Finding]) -> dict[str, Any]:
    """What `--json` prints; files are named from the workspace on."""
    errors = sum(finding.severity == "error" for finding in findings)
    return {
        "workspace": str(root.absolute()),
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": [
            {
                "file": finding.place.file,
                "line": finding.place.line,
                "column": finding.place.column,
                "severity": finding.severity,
                "code": finding.code,
                "message": finding.message,
                "suggestion": finding.suggestion,
            }
            for finding in findings
        ],
    }


def as_workflow_command(finding: Finding) -> str:
    """A line by which a job of GitHub Actions marks the place in a change.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions: of a value `%` and line ends are
    escaped, of a property `:` and `,` too.
    """
    place = finding.place
    where = f"file={_property(place.file)},line={place.line},col={place.column},title={_property(finding.code)}"
    return f"::{finding.severity} {where}::{_escaped(_words(finding))}"


def as_sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """A log of SARIF 2.1.0 (OASIS); files are named as they are in the findings."""
    codes = sorted({finding.code for finding in findings})
    rules = [_rule(code) for code in codes]
    results = [
        {
            "ruleId": finding.code,
            "ruleIndex": codes.index(finding.code),
            "level": finding.severity,
            "message": {"text": _words(finding)},
            "locations": [_location(finding)],
        }
        for finding in findings
    ]
    driver = {"name": "casecart", "version": version("casecart"), "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _words(finding: Finding) -> str:
    tail = f". Did you mean '{finding.suggestion}'?" if finding.suggestion is not None else ""
    return f"{finding.message}{tail}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _rule(code: str) -> dict[str, Any]:
    about, remedy = CODES.get(code, _UNLISTED)
    return {
        "id": code,
        "shortDescription": {"text": about},
        "help": {"text": f"{about} {remedy.replace('`', '')}.", "markdown": f"{about} {remedy}."},
    }


def _location(finding: Finding) -> dict[str, Any]:
    place = finding.place
    uri = Path(place.file).as_uri() if Path(place.file).is_absolute() else quote(place.file)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": uri},
            "region": {"startLine": place.line, "startColumn": place.column},
        }
    }
