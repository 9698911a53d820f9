"""The part of docs/reference/master-data.md that is made from the declarations.

`python -m casecart.master.reference docs/reference/master-data.md` makes it anew.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from casecart.master import findings
from casecart.master.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.master.tables import Table

__all__ = ["made_anew"]

BEGIN: Final = "<!-- made from the declarations: begin -->\n"
END: Final = "<!-- made from the declarations: end -->\n"


def made_anew(page: str) -> str:
    """The page with what lies between its two marks made from the declarations."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "".join([before, BEGIN, "\n", *_lines(), "\n", END, after])


def _lines() -> Iterator[str]:
    for table in TABLES.values():
        yield from _table(table)
    yield "## Findings between tables\n\n| code | meaning |\n| --- | --- |\n"
    for code, meaning in findings.CODES.items():
        yield f"| `{code}` | {meaning} |\n"


def _table(table: Table) -> Iterator[str]:
    yield f"### {table.name}\n\n{table.about}"
    if table.row is not None:
        yield f" Each line is within one {table.kind}; all its columns are the group `{table.attribute}`."
    yield "\n\n| column | type | group | what it is | example |\n| --- | --- | --- | --- | --- |\n"
    for column in table.columns:
        name = f"**{column.name}**" if column.required else column.name
        group = column.group or (table.attribute if table.row is not None and column is not table.columns[0] else "")
        yield f"| {name} | {column.type} | {group} | {column.about} | `{column.example}` |\n"
    yield "\n"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(made_anew(file.read_text("utf-8")), "utf-8")
