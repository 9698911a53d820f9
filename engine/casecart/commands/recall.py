"""Trace a recall backwards: every case on which something of it was used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from casecart.canonical.master import Recall
from casecart.commands.desk import Query
from casecart.commands.moment import moment
from casecart.commands.recall_reach import Products, every_position, forms, load_recalls, positions_of
from casecart.commands.refusal import Refusal
from casecart.master.lots import covers
from casecart.runtime.made import decode_made, decode_postings
from casecart.workspace.findings import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from casecart.canonical import Usage
    from casecart.commands.actor import Permission
    from casecart.commands.desk import View
    from casecart.store import Store

__all__ = ["RecallTrace", "TraceRecall", "TracedUse"]


class TracedUse(msgspec.Struct, frozen=True, kw_only=True):
    """A line that used something of a recall."""

    recall: str
    facility: str
    case: str
    """The token of the case, or its number where that was asked for."""
    position: int
    received_at: datetime
    channel: str
    place: str
    line: str
    action: str
    """`reverse`: a use was taken back."""
    item: str
    quantity: str
    used_on: date | None
    state: str
    """Of its posting, or why there is none: held, rejected."""


class RecallTrace(msgspec.Struct, frozen=True, kw_only=True):
    """Every line that used something of it."""

    uses: list[TracedUse]
    cases: int
    looked_at: int
    """Messages whose lines were looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRecall(Query[RecallTrace]):
    """Who has it? By the number of a recall that was imported, or by an item, lot or serial number.

    Attributes:
        recall: its number.
        item, lot, serial: in place of one.
        every_message: read all of the log, and trust no look-up.
        cases: show the numbers of the cases, and not only their tokens.
    """

    recall: str | None = None
    item: str | None = None
    lot: str | None = None
    serial: str | None = None
    every_message: bool = False
    cases: bool = False

    @property
    def permission(self) -> Permission:
        """A case's number is the patient's."""
        return "see bodies" if self.cases else "see"

    def audited(self, answer: RecallTrace) -> tuple[str, str] | None:  # noqa: ARG002 - as in Query
        """A case's number tells a patient."""
        asked = self.recall or " ".join(filter(None, [self.item, self.lot and "a lot", self.serial and "a serial"]))
        return ("recall.trace", f"recall:{asked}") if self.cases else None

    def answer(self, view: View) -> RecallTrace:
        """Newest first."""
        try:
            " ".join(filter(None, [self.item, self.lot, self.serial])).encode()
        except UnicodeEncodeError:
            raise Refusal("bad-value", "what is to be traced is no text") from None
        store = view.store
        rows = self._rows(store)
        products = Products(rows, store)
        uses: list[TracedUse] = []
        looked_at = 0
        for position in every_position(store) if self.every_message else positions_of(rows, products, store):
            looked_at += 1
            uses += _uses(position, rows, products.items, store)
        if self.cases:
            numbers = {token: _case(token, store) for token in {use.case for use in uses}}
            uses = [msgspec.structs.replace(use, case=numbers[use.case]) for use in uses]
        cases = {(use.facility, use.case) for use in uses}
        return RecallTrace(uses=uses, cases=len(cases), looked_at=looked_at)

    def _rows(self, store: Store) -> list[Recall]:
        if self.recall is None:
            if not (self.item or self.lot or self.serial):
                raise Refusal("bad-value", "say what to trace: the number of a recall, or --item, --lot or --serial")
            return [
                Recall(
                    recall="",
                    row="",
                    item=self.item or "",
                    lot_from=self.lot or "",
                    serial_from=self.serial or "",
                )
            ]
        known = load_recalls(store)
        rows = [row for row in known if row.recall == self.recall]
        if not rows:
            numbers = {row.recall for row in known}
            words = f"there is no recall '{self.recall}'; bring it in with `casecart recall import`"
            raise Refusal("not-found", words, did_you_mean(self.recall, numbers))
        return rows


def _uses(position: int, rows: Sequence[Recall], items: dict[str, set[str]], store: Store) -> Iterator[TracedUse]:
    latest: dict[tuple[str, str], tuple[str, Usage]] = {}
    for run in store.runs(position):
        for place, line, usage in decode_made(run.documents).documents:
            latest[run.channel, place] = (line, usage)
    found = []
    for (channel, place), (line, usage) in latest.items():
        row = next((row for row in rows if _covered(row, usage, items)), None)
        if row is not None:
            found.append((channel, place, line, usage, row))
    message = store.message(position) if found else None
    if message is None:
        return
    states = _states(position, store)
    for channel, place, line, usage, row in found:
        yield TracedUse(
            recall=row.recall,
            facility=usage.facility or "",
            case=usage.case or "",
            position=position,
            received_at=moment(message.recorded_at),
            channel=channel,
            place=place,
            line=line,
            action=usage.action or "",
            item=usage.item or usage.di or "",
            quantity=str(usage.quantity) if usage.quantity is not None else "",
            used_on=usage.used_on,
            state=states.get((channel, place), "held"),
        )


def _covered(row: Recall, usage: Usage, items: dict[str, set[str]]) -> bool:
    """Whether it is what the recall names. Of one that names no product, the lot or serial number must be told."""
    if not row.item and not row.di:
        return (not row.lot_from or usage.lot == row.lot_from) and (
            not row.serial_from or usage.serial == row.serial_from
        )
    known = items.get(row.di, set()) | ({row.item} if row.item else set())
    product = (
        (row.di and usage.di in forms(row.di)) or usage.item in known or bool(items.get(usage.di or "", set()) & known)
    )
    return bool(product) and covers(row, usage.lot, usage.serial)


def _states(position: int, store: Store) -> dict[tuple[str, str], str]:
    """Of every line of a message: what became of it."""
    states = {
        (hold.channel, hold.place): "rejected" if hold.state == "rejected" else "held"
        for hold in store.holds(position=position, limit=1_000_000)
        if hold.kind == "held"
    }
    for entry in store.entries(position):
        for posting in decode_postings(entry.postings):
            states[entry.channel, posting.place] = posting.state
    return states


def _case(token: str, store: Store) -> str:
    known = store.token(token)
    return token if known is None else known.value
