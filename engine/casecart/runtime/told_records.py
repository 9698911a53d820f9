"""Records of master data as a message tells them, and what is wrong between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from casecart.master.findings import MOST_FINDINGS
from casecart.master.record import CHANGES
from casecart.rules import Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.master.table_file import TableRows

__all__ = ["ToldRecord", "contradictions", "everywhere", "first_of"]


class ToldRecord(NamedTuple):
    """A line of a table, and where in the message it stands."""

    place: str
    rows: TableRows


def contradictions(records: Sequence[tuple[ToldRecord, list[int]]]) -> list[Trouble]:
    """Lines of one message that say two things of one and the same number, packaging or stock."""
    said: dict[tuple[int, ...], tuple[Any, str]] = {}
    troubles = []
    for record, keys in records:
        if record.rows.table.row is None or record.rows.removed:
            continue
        cells = record.rows.rows[0].cells
        first, place = said.setdefault(tuple(keys), (cells, record.place))
        if first != cells:
            words = f"{record.place}: it says another thing of what {place} speaks of; one of the two must go."
            troubles.append(Trouble("duplicate-row", "", words, ""))
    return troubles


def everywhere(table: str, document: Any) -> bool:  # noqa: ANN401 - of a table
    """Whether a record removes a number without saying of which item."""
    return (
        table == "identifiers"
        and getattr(document, CHANGES) == "remove"
        and not document.item
        and bool(document.system and document.value)
    )


def first_of(troubles: Sequence[Trouble]) -> Sequence[Trouble]:
    """As many as a person can do something with."""
    if len(troubles) <= MOST_FINDINGS:
        return troubles
    words = f"{len(troubles) - MOST_FINDINGS:,} more mistakes are not shown."
    return [*troubles[:MOST_FINDINGS], Trouble("table-row", "", words, "")]
