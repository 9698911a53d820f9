"""The page docs/reference/findings.md, which `make docs-reference` writes: each code, an example and what to do.

It is made from the codes, and from the findings that tests/unit/commands/wrong_workspaces.yaml holds `check` to.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from casecart.workspace import CODES
from support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BOOK", "CODE", "made_anew"]

BOOK: Final[dict[str, Any]] = yaml.safe_load((ROOT / "tests/unit/commands/wrong_workspaces.yaml").read_text("utf-8"))
CODE: Final = re.compile(r":\d+:\d+ (?:error|warning) ([a-z0-9-]+) ")

_HEADINGS: Final = {
    "missing-file": "The file itself",
    "yaml-syntax": "YAML",
    "unknown-key": "Keys and values",
    "unknown-name": "Names across files",
    "table-header": "Code tables",
    "bad-path": "Paths, expressions and what is compiled",
    "port-taken": "The site (`casecart check --env`)",
}

_ABOVE: Final = """\
# Findings

What `casecart check` prints, one line each: file, line and column, `error` or `warning`, a code, and what to do. Other
commands that read a workspace (`run`, `try`) say the same in the same words. An error keeps the engine from running; a
warning doesn't. The codes are stable: scripts and code review may go by them. How to use the command:
[Check a workspace](../how-to/check-a-workspace.md). What is found in master data is told in
[Master data](master-data.md#findings-between-tables).

<!-- Made from the codes, and what tests hold `check` to, by `make docs-reference`: change them, not this page. -->
"""


def made_anew() -> str:
    """The page."""
    return "".join([_ABOVE, *_sections()])


def _sections() -> Iterator[str]:
    told: dict[str, str] = dict(BOOK["elsewhere"])
    for case in BOOK["cases"]:
        for line in case["finds"]:
            found = CODE.search(line)
            if found is not None:
                told.setdefault(found[1], line)
    for code, (about, remedy) in CODES.items():
        if code in _HEADINGS:
            yield f"\n## {_HEADINGS[code]}\n"
        yield f"\n### {code}\n\n{about} {remedy}.\n\n```\n{told[code]}\n```\n"
