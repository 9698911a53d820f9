"""Puts the counts of the reliability tests into their page, as tables between two marks; the prose around them stays.

python -m support.trial_page RESULTS PAGE
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from support.trial import kept_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.trial import Row

__all__ = ["tables", "with_tables"]

BEGIN, END = "<!-- counts: written by make reliability-long -->", "<!-- end of counts -->"
FIRST = ("what", "store", "cycles", "acknowledged", "lost", "duplicates", "inversions")
LAST = ("seed", "seconds", "mode", "date")
HIDDEN = ("test",)


def tables(rows: Sequence[Row]) -> str:
    """One table in Markdown for the promises, and what else the tests counted in the rows' last column."""
    columns = [*FIRST, "besides", *LAST]
    lines = [f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    lines += [f"| {' | '.join(_cells(row))} |" for row in sorted(rows, key=lambda row: (row["what"], row["store"]))]
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    known = {*FIRST, *LAST, *HIDDEN}
    besides = ", ".join(f"{name} {_told(value)}" for name, value in row.items() if name not in known)
    return [
        *(_told(row[name]) for name in FIRST),
        besides,
        str(row["seed"]),
        *(_told(row[name]) for name in LAST[1:]),
    ]


def _told(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def with_tables(page: str, rows: Sequence[Row]) -> str:
    """The page with these rows in place of those before."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"the page has no {BEGIN} … {END}"
    return f"{before}{BEGIN}\n{tables(rows)}\n{END}{after}"


if __name__ == "__main__":
    results, target = map(Path, sys.argv[1:])
    target.write_text(with_tables(target.read_text("utf-8"), kept_rows(results)), "utf-8")
